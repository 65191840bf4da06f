import { isIP } from "node:net";
import { createClient } from "@redis/client";
import { messageOf } from "../../../errors.ts";
import { jsonRow, partsOf } from "../../lookups/lookup-backend.ts";
import type { Found, LookupBackend, LookupFactory } from "../../lookups/lookup-backend.ts";
import type { ConnectorContext } from "../connector.ts";
import { readLogin, readTls, refusedLogin } from "../credentials.ts";
import type { TlsConfig } from "../credentials.ts";
import { withTlsAdvice } from "../tls-advice.ts";

interface RedisLookupConfig {
  readonly host: string;
  readonly port?: number;
  readonly secretRef?: { readonly name: string };
  readonly tls?: TlsConfig;
  /** Name of the value, with `{key}` in it. */
  readonly path: string;
}

const PORT = 6379;
const KEYS = 256;
const CONNECT_MS = 10_000;

type Client = ReturnType<typeof newClient>;

/** Values of a Redis server, each a JSON text: one MGET for many keys. */
export const redisLookup: LookupFactory = {
  open: (config, ctx) => backend(config as RedisLookupConfig, ctx),
};

function backend(config: RedisLookupConfig, ctx: ConnectorContext): LookupBackend {
  let current: Client | undefined;
  const drop = (): void => {
    current?.destroy();
    current = undefined;
  };
  const connect = async (): Promise<Client> => {
    const client = newClient(config, ctx);
    // Its commands fail with it; an event that nobody hears would end the process.
    client.on("error", () => undefined);
    await client.connect().catch((e: unknown) => {
      if (/^(WRONGPASS|NOAUTH|NOPERM)\b/.test(messageOf(e))) throw refusedLogin(e, config.secretRef);
      throw withTlsAdvice(e, config.host);
    });
    return client;
  };
  return {
    batch: KEYS,
    parallel: 1,
    find: async (keys, signal) => {
      if (current?.isReady !== true) drop();
      const client = current ?? (await connect());
      if (signal.aborted) {
        // Whoever asked again meanwhile has a connection of its own.
        if (current !== client) client.destroy();
        throw signal.reason;
      }
      current = client;
      const leave = (): void => (current === client ? drop() : undefined);
      signal.addEventListener("abort", leave, { once: true });
      try {
        const names = keys.map((key) => config.path.replaceAll("{key}", () => partsOf(key).join(":")));
        const values = await client.mGet(names);
        return values.map((text, i): Found => (text === null ? { rows: [] } : jsonRow(text, `"${names[i]}"`)));
      } catch (e) {
        leave();
        throw e;
      } finally {
        signal.removeEventListener("abort", leave);
      }
    },
    close: () => {
      drop();
      return Promise.resolve();
    },
  };
}

function newClient({ host, port = PORT, secretRef, tls }: RedisLookupConfig, ctx: ConnectorContext) {
  const socket = { host, port, connectTimeout: CONNECT_MS, reconnectStrategy: false } as const;
  return createClient({
    ...(secretRef === undefined ? {} : readLogin(secretRef.name, ctx)),
    socket: tls === undefined ? socket : { ...socket, tls: true, ...named(host), ...readTls(tls, ctx) },
    disableOfflineQueue: true,
  });
}

/** An address is no name that may be asked for (RFC 6066 §3); the certificate is held against it all the same. */
const named = (host: string): { servername?: string } => (isIP(host) === 0 ? { servername: host } : {});
