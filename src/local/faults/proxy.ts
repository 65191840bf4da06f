import { once } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { Pool } from "undici";
import { messageOf } from "../../errors.ts";
import type { KubeCall } from "../../kube/call.ts";
import type { ApiServer } from "../../kube/credentials.ts";
import { callOf } from "./call-of.ts";
import type { CrashPoint } from "./crash-point.ts";
import type { Fault, Match } from "./fault.ts";
import { createFaultSet } from "./fault.ts";
import { createWatchRelay } from "./watch-relay.ts";

export interface SeenWrite {
  /** Counted from 1. */
  readonly index: number;
  readonly call: KubeCall;
  /** The answer of the API server; `undefined` when it was not asked. */
  status: number | undefined;
}

/** An API server with bad days. It listens on loopback without TLS or login and uses the upstream's credentials. */
export interface FaultProxy {
  readonly url: string;
  /** Returns the removal. */
  inject(fault: Fault): () => void;
  /** Removes every fault. Withheld events stay withheld. */
  heal(): void;
  /** Sends the withheld events; returns how many. */
  release(): number;
  cutWatches(match?: Match): number;
  expireWatches(match?: Match): number;
  readonly openWatches: number;
  /** How often faults have struck. */
  readonly strikes: number;
  /** Every call that could change something, in the order of arrival. */
  readonly writes: readonly SeenWrite[];
  /** Every call about a resource. */
  readonly calls: readonly KubeCall[];
  /** From this write on every connection is cut, as if the client's machine were gone, until `revive`. `onCrash` is told. */
  crashAt(point: CrashPoint, onCrash: () => void): void;
  revive(): void;
  close(): Promise<void>;
}

export async function startFaultProxy(upstream: ApiServer): Promise<FaultProxy> {
  const faults = createFaultSet();
  const relay = createWatchRelay(faults);
  const origin = new URL(upstream.url).origin;
  const pool = new Pool(origin, { connect: (await upstream.credentials()).tls, headersTimeout: 0, bodyTimeout: 0 });
  const state: State = {
    upstream,
    faults,
    relay,
    pool,
    writes: [],
    calls: [],
    answers: new Map(),
    crash: undefined,
    dead: false,
  };
  const server = createServer((request, response) => {
    response.on("error", () => undefined);
    void serve(state, request, response).catch((e: unknown) => fail(response, e));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${portOf(server)}`,
    inject: (fault) => faults.add(fault),
    heal: () => faults.clear(),
    release: () => relay.release(),
    cutWatches: (match = {}) => relay.cut(match),
    expireWatches: (match = {}) => relay.expire(match),
    get openWatches() {
      return relay.open;
    },
    get strikes() {
      return faults.strikes;
    },
    writes: state.writes,
    calls: state.calls,
    crashAt: (point, onCrash) => {
      state.crash = { point, from: state.writes.length, onCrash };
    },
    revive: () => {
      state.dead = false;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await pool.destroy();
    },
  };
}

interface State {
  readonly upstream: ApiServer;
  readonly faults: ReturnType<typeof createFaultSet>;
  readonly relay: ReturnType<typeof createWatchRelay>;
  readonly pool: Pool;
  readonly writes: SeenWrite[];
  readonly calls: KubeCall[];
  /** The last answer of each get and list, for stale reads. */
  readonly answers: Map<string, Answer>;
  crash: { point: CrashPoint; from: number; onCrash: () => void } | undefined;
  dead: boolean;
}

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
}

/** A call on its way through. */
interface Passage {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly call: KubeCall;
  readonly write: SeenWrite | undefined;
}

async function serve(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (state.dead) {
    response.destroy();
    return;
  }
  const method = request.method ?? "GET";
  const call = callOf(method, new URL(request.url ?? "/", "http://proxy"));
  if (call === undefined) {
    send(response, await collect(await forward(state, request, response)));
    return;
  }
  state.calls.push(call);
  const write: SeenWrite | undefined =
    method === "GET" ? undefined : { index: state.writes.length + 1, call, status: undefined };
  if (write !== undefined) state.writes.push(write);
  const passage = { request, response, call, write };
  if (await isStopped(state, passage)) return;
  await pass(state, passage);
}

/** The faults that come before the API server is asked. True when one of them was the end of the call. */
async function isStopped(state: State, { response, call, write }: Passage): Promise<boolean> {
  for (const { ms } of state.faults.strike("Delay", call)) await new Promise((resolve) => setTimeout(resolve, ms));
  const [answer] = state.faults.strike("Answer", call);
  if (answer !== undefined) {
    send(response, statusAnswer(answer.status, answer.retryAfterSeconds));
    return true;
  }
  const isCut = state.faults.strike("Cut", call, (effect) => effect.when === "BeforeSend").length > 0;
  if (isCut || crashes(state, write, "BeforeSend")) {
    response.destroy();
    return true;
  }
  return false;
}

async function pass(state: State, { request, response, call, write }: Passage): Promise<void> {
  const id = `${request.headers.accept ?? ""} ${request.url ?? ""}`;
  const last = write === undefined && call.verb !== "watch" ? state.answers.get(id) : undefined;
  if (last !== undefined && state.faults.strike("Stale", call).length > 0) {
    send(response, last);
    return;
  }
  const upstream = await forward(state, request, response);
  if (call.verb === "watch" && upstream.statusCode === 200) {
    response.writeHead(upstream.statusCode, relayedHeaders(upstream.headers));
    response.flushHeaders();
    await state.relay.relay(call, upstream.body, response);
    return;
  }
  const answer = await collect(upstream);
  if (write === undefined) state.answers.set(id, answer);
  else write.status = answer.status;
  const isCut = state.faults.strike("Cut", call, (effect) => effect.when === "BeforeAcknowledgement").length > 0;
  if (isCut || crashes(state, write, "BeforeAcknowledgement")) {
    response.destroy();
    return;
  }
  send(response, answer, () => crashes(state, write, "AfterAcknowledgement"));
}

function crashes(state: State, write: SeenWrite | undefined, when: CrashPoint["when"]): boolean {
  const { crash } = state;
  if (write === undefined || crash === undefined) return false;
  if (crash.point.when !== when || write.index - crash.from !== crash.point.write) return false;
  state.crash = undefined;
  state.dead = true;
  state.relay.cut({});
  crash.onCrash();
  return true;
}

type Upstream = Awaited<ReturnType<Pool["request"]>>;

async function forward(state: State, request: IncomingMessage, response: ServerResponse): Promise<Upstream> {
  const body: Buffer[] = [];
  for await (const chunk of request) body.push(chunk as Buffer);
  const { headers } = await state.upstream.credentials();
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  return state.pool.request({
    method: (request.method ?? "GET") as "GET",
    path: request.url ?? "/",
    headers: { ...kept(request.headers, ["accept", "content-type", "user-agent"]), ...headers },
    body: body.length === 0 ? null : Buffer.concat(body),
    signal: gone.signal,
  });
}

async function collect(upstream: Upstream): Promise<Answer> {
  const body = Buffer.from(await upstream.body.arrayBuffer());
  return { status: upstream.statusCode, headers: relayedHeaders(upstream.headers), body };
}

function relayedHeaders(headers: Upstream["headers"]): Answer["headers"] {
  return kept(headers, ["content-type", "warning", "retry-after", "audit-id"]);
}

function kept(headers: Answer["headers"], names: readonly string[]): Record<string, string | string[]> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = headers[name];
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}

function send(response: ServerResponse, answer: Answer, sent: () => void = () => {}): void {
  const headers = Object.fromEntries(Object.entries(answer.headers).filter(([, value]) => value !== undefined));
  response.writeHead(answer.status, headers as Record<string, string>);
  response.end(answer.body, sent);
}

const reasons = {
  403: "Forbidden",
  409: "Conflict",
  410: "Expired",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
  504: "Timeout",
} as const;

function statusAnswer(status: keyof typeof reasons, retryAfterSeconds: number | undefined): Answer {
  const reason = reasons[status];
  const body = {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: `${reason} (injected)`,
    reason,
    code: status,
  };
  return {
    status,
    headers: {
      "content-type": "application/json",
      "retry-after": retryAfterSeconds === undefined ? undefined : String(retryAfterSeconds),
    },
    body: Buffer.from(JSON.stringify(body)),
  };
}

function fail(response: ServerResponse, e: unknown): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  response.writeHead(502, { "content-type": "text/plain" }).end(messageOf(e));
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
