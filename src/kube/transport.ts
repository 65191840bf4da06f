import type { Dispatcher } from "undici";
import { Pool } from "undici";
import { WeirError, messageOf } from "../errors.ts";
import type { Interceptor, KubeRequest } from "./call.ts";
import type { CallLimit } from "./call-limit.ts";
import { limitCall } from "./call-limit.ts";
import type { ApiServer, TlsIdentity } from "./credentials.ts";
import type { StatusBody } from "./kube-error.ts";
import { KubeError, retryAfterMs } from "./kube-error.ts";
import type { Meter } from "./meter.ts";
import { noMeter } from "./meter.ts";
import type { Timers } from "./timers.ts";
import { systemTimers } from "./timers.ts";

/** Requests on raw JSON. Both calls reject with a KubeError for anything that is not a 2xx answer. */
export interface Transport {
  /** The parsed body; `undefined` for an empty one. */
  request<T>(request: KubeRequest): Promise<T>;
  /** The body as it arrives, for watches and logs. Leaving the iteration closes the connection. */
  stream(request: KubeRequest): Promise<AsyncIterable<Uint8Array>>;
  close(): Promise<void>;
}

export interface TransportOptions {
  readonly server: ApiServer;
  /** The first one is outermost. */
  readonly interceptors?: readonly Interceptor[];
  /** For a whole call, and for the headers of a stream. Default 30 s. */
  readonly timeoutMs?: number;
  readonly userAgent?: string;
  readonly meter?: Meter;
  readonly timers?: Timers;
}

/** Connections for calls; each open watch has one more of its own. Matches client-go's idle limit. */
const CONNECTIONS = 32;
/** A list page of 500 large objects; more than this is not an answer of an API server that Weir can hold. */
const MAX_BODY = 128 * 1024 * 1024;

export function createTransport(options: TransportOptions): Transport {
  const { server, interceptors = [], timeoutMs = 30_000, meter = noMeter, timers = systemTimers } = options;
  const base = new URL(server.url);
  const prefix = base.pathname.replace(/\/$/, "");
  const pools = poolsFor(base.origin);

  const exchange = async (request: KubeRequest, signal: AbortSignal, kind: "calls" | "streams"): Promise<Answer> => {
    const what = describe(request);
    const started = timers.now();
    try {
      const credentials = await server.credentials();
      const response = await pools.get(kind, credentials.tls).request({
        method: request.method,
        path: prefix + request.path + queryString(request.query),
        headers: { ...headersFor(request, options.userAgent), ...credentials.headers },
        body: request.body === undefined ? null : JSON.stringify(request.body),
        signal,
      });
      // Between the headers and the first read nobody listens, and an error that nobody hears ends the process.
      response.body.on("error", () => undefined);
      meter.count("kube_requests_total", { verb: request.call.verb, code: String(response.statusCode) });
      if (response.statusCode >= 200 && response.statusCode < 300) return { response, what };
      throw await refusal(what, response, timers.now());
    } catch (e) {
      throw unreachable(e, request, { what, server: server.url, timeoutMs });
    } finally {
      meter.observe("kube_request_duration_seconds", { verb: request.call.verb }, (timers.now() - started) / 1000);
    }
  };

  const call = async (request: KubeRequest): Promise<unknown> => {
    const limit = limitCall(request.signal, timeoutMs, timers);
    try {
      const { response, what } = await exchange(request, limit.signal, "calls");
      return await parsed(response).catch((e: unknown) => {
        throw unreachable(e, request, { what, server: server.url, timeoutMs });
      });
    } finally {
      limit.release();
    }
  };

  const open = async (request: KubeRequest): Promise<AsyncIterable<Uint8Array>> => {
    const limit = limitCall(request.signal, timeoutMs, timers);
    try {
      const { response, what } = await exchange(request, limit.signal, "streams");
      limit.liftDeadline();
      return chunks(response, request, { what, server: server.url, timeoutMs, limit });
    } catch (e) {
      limit.release();
      throw e;
    }
  };

  return {
    request: <T>(request: KubeRequest) => chain(interceptors, call)(request) as Promise<T>,
    stream: (request) => chain(interceptors, open)(request),
    close: () => pools.close(),
  };
}

interface Answer {
  readonly response: Dispatcher.ResponseData;
  readonly what: string;
}

interface Context {
  readonly what: string;
  readonly server: string;
  readonly timeoutMs: number;
}

function chain<R>(
  interceptors: readonly Interceptor[],
  last: (request: KubeRequest) => Promise<R>,
): (request: KubeRequest) => Promise<R> {
  return interceptors.reduceRight((next, intercept) => (request) => intercept(request, next), last);
}

async function* chunks(
  response: Dispatcher.ResponseData,
  request: KubeRequest,
  context: Context & { limit: CallLimit },
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response.body) yield chunk as Uint8Array;
  } catch (e) {
    throw unreachable(e, request, context);
  } finally {
    context.limit.release();
  }
}

async function parsed(response: Dispatcher.ResponseData): Promise<unknown> {
  const text = await bodyText(response);
  return text === "" ? undefined : (JSON.parse(text) as unknown);
}

async function bodyText(response: Dispatcher.ResponseData): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += (chunk as Buffer).length;
    if (size > MAX_BODY) throw new Error(`the answer is larger than ${MAX_BODY} bytes`);
    parts.push(chunk as Buffer);
  }
  return Buffer.concat(parts).toString("utf8");
}

async function refusal(what: string, response: Dispatcher.ResponseData, now: number): Promise<KubeError> {
  const text = (await bodyText(response)).slice(0, 1_000_000);
  const header = response.headers["retry-after"];
  const wait = retryAfterMs(Array.isArray(header) ? header[0] : header, now);
  return new KubeError(what, response.statusCode, statusOf(text), wait === undefined ? {} : { retryAfterMs: wait });
}

/** Proxies in between answer HTML or text: the first line of it still helps. */
function statusOf(text: string): StatusBody {
  try {
    const body = JSON.parse(text) as StatusBody | null;
    if (typeof body === "object" && body !== null) return body;
  } catch {
    // not a Status
  }
  return { message: text.slice(0, 300).split("\n")[0] ?? "" };
}

function unreachable(e: unknown, request: KubeRequest, context: Context): unknown {
  if (e instanceof WeirError) return e;
  if (request.signal?.aborted === true) {
    return new KubeError(context.what, 0, { reason: "Aborted", message: "the call was cancelled" }, { cause: e });
  }
  const timedOut = e instanceof Error && e.name === "TimeoutError";
  const why = timedOut ? `no answer within ${context.timeoutMs} ms` : messageOf(e);
  return new KubeError(
    context.what,
    0,
    { message: `the API server at ${context.server} did not answer: ${why}` },
    { cause: e },
  );
}

function describe(request: KubeRequest): string {
  const { verb, resource, subresource, namespace, name } = request.call;
  const place = [namespace, name].filter((part) => part !== undefined).join("/");
  return `${verb} ${resource}${subresource === undefined ? "" : `/${subresource}`}${place === "" ? "" : ` ${place}`}`;
}

function headersFor(request: KubeRequest, userAgent = "weir"): Record<string, string> {
  const headers: Record<string, string> = { accept: "application/json", "user-agent": userAgent };
  if (request.body !== undefined) headers["content-type"] = request.contentType ?? "application/json";
  return headers;
}

function queryString(query: KubeRequest["query"]): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) if (value !== undefined) search.set(name, String(value));
  return search.size === 0 ? "" : `?${search.toString()}`;
}

interface Pools {
  get(kind: "calls" | "streams", tls: TlsIdentity): Pool;
  close(): Promise<void>;
}

/** Calls and streams have a pool each, so that open watches never starve calls. A rotated certificate starts new pools; the old ones end with their last stream. */
function poolsFor(origin: string): Pools {
  let identity: TlsIdentity | undefined;
  let current: { calls: Pool; streams: Pool } | undefined;
  const all = new Set<Pool>();
  const make = (tls: TlsIdentity, connections: number | null): Pool => {
    const pool = new Pool(origin, {
      connections,
      allowH2: false, // a connection each: a stalled watch holds nothing else up, and no session's end can be everybody's
      connect: { ...tls, timeout: 10_000 },
      headersTimeout: 0, // deadlines come from the signals
      bodyTimeout: 0,
      keepAliveTimeout: 30_000,
    });
    all.add(pool);
    return pool;
  };
  return {
    get: (kind, tls) => {
      if (current === undefined || identity !== tls) {
        const old = current;
        current = { calls: make(tls, CONNECTIONS), streams: make(tls, null) };
        identity = tls;
        for (const pool of old === undefined ? [] : [old.calls, old.streams]) retire(pool, all);
      }
      return current[kind];
    },
    close: async () => {
      await Promise.all([...all].map((pool) => pool.destroy()));
    },
  };
}

function retire(pool: Pool, all: Set<Pool>): void {
  void pool.close().then(
    () => all.delete(pool),
    () => all.delete(pool),
  );
}
