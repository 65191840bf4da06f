import { Agent, buildConnector, request } from "undici";
import type { Dispatcher } from "undici";
import { jsonRow, partsOf } from "../../lookups/lookup-backend.ts";
import type { Found, LookupBackend, LookupFactory } from "../../lookups/lookup-backend.ts";
import type { ConnectorContext } from "../connector.ts";
import { readLogin, readTls } from "../credentials.ts";
import type { TlsConfig } from "../credentials.ts";
import { withTlsAdvice } from "../tls-advice.ts";

interface HttpLookupConfig {
  readonly url: string;
  readonly secretRef?: { readonly name: string };
  readonly tls?: TlsConfig;
  /** What follows the URL, with `{key}` in it. */
  readonly path: string;
}

const CONNECTIONS = 64;
const MOST_BYTES = 1024 * 1024;

/** A dot or two as a part of a path, also escaped: a URL leaves it out, together with what is before it. */
const LEADS_ELSEWHERE = /^[^?#]*(?<![^/\\])(?:\.|%2e){1,2}(?![^/\\?#])/i;

/** One GET for each key: 200 has a row, 404, 410 and 204 have none. */
export const httpLookup: LookupFactory = {
  open: (config, ctx) => backend(config as HttpLookupConfig, ctx),
};

function backend({ url, path, ...config }: HttpLookupConfig, ctx: ConnectorContext): LookupBackend {
  const agent = new Agent({
    connections: CONNECTIONS,
    ...(config.tls === undefined ? {} : { connect: connectorOf(config.tls, ctx) }),
  });
  const base = url.replace(/\/+$/, "");
  return {
    batch: 1,
    parallel: CONNECTIONS,
    find: async ([key], signal) => {
      // A text that is no Unicode has no escaped form.
      const parts = partsOf(key).map((part) => encodeURIComponent(part.toWellFormed()));
      const place = path.replaceAll("{key}", () => parts.join("/"));
      if (LEADS_ELSEWHERE.test(place))
        return [{ problem: `the key makes the path ${place}, which is that of another` }];
      return await get(`${base}${place.startsWith("/") ? "" : "/"}${place}`, {
        dispatcher: agent,
        signal,
        headers: { accept: "application/json", ...authorization(config, ctx) },
      });
    },
    close: () => agent.destroy(),
  };
}

/** Each connection has the certificates that are mounted when it is made; it is used for as long as the server keeps it. */
function connectorOf(tls: TlsConfig, ctx: ConnectorContext): buildConnector.connector {
  return (options, done) => {
    try {
      buildConnector(readTls(tls, ctx))(options, done);
    } catch (e) {
      done(e instanceof Error ? e : new Error(String(e)), null);
    }
  };
}

type Options = NonNullable<Parameters<typeof request>[1]>;

async function get(url: string, options: Options): Promise<readonly Found[]> {
  const { statusCode, body } = await request(url, options).catch((e: unknown) => {
    throw withTlsAdvice(e, new URL(url).hostname);
  });
  if ([204, 404, 410].includes(statusCode)) {
    await body.dump();
    return [{ rows: [] }];
  }
  if (statusCode === 200) {
    const text = await textOf(body);
    if (text === undefined) return [{ problem: `the answer of ${url} is longer than ${MOST_BYTES} bytes` }];
    return [jsonRow(text, `the answer of ${url}`)];
  }
  await body.dump();
  const problem = `GET ${url} was answered with ${statusCode}`;
  // What is wrong with one record does not mend itself; anything else may.
  if (statusCode === 400 || statusCode === 422) return [{ problem }];
  throw new Error(problem);
}

async function textOf(body: Dispatcher.ResponseData["body"]): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of body as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MOST_BYTES) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** A Secret with `token` is for bearers, any other for Basic. It is read anew for each request. */
function authorization({ secretRef }: Pick<HttpLookupConfig, "secretRef">, ctx: ConnectorContext): object {
  if (secretRef === undefined) return {};
  const token = ctx.referenced("Secret", secretRef.name, "token")?.trim();
  if (token !== undefined && token !== "") return { authorization: `Bearer ${token}` };
  const { username, password } = readLogin(secretRef.name, ctx);
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` };
}
