import { Agent, request } from "undici";
import type { Dispatcher } from "undici";
import { savepointStatus, workerStatus } from "../../api/worker-protocol.ts";
import type { SavepointPart, SavepointStatus, WorkerStatus } from "../../api/worker-protocol.ts";
import { WeirError, messageOf } from "../../errors.ts";

/** Where a worker is and how to prove who asks. */
export interface WorkerAddress {
  readonly pod: string;
  readonly host: string;
  readonly port: number;
  readonly token: string;
}

export interface WorkerCall {
  readonly pod: string;
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly body?: unknown;
}

/** The seam around every call, like the one of src/kube: throw before or after `next` to play a crash. */
export type WorkerInterceptor = <R>(call: WorkerCall, next: () => Promise<R>) => Promise<R>;

export interface WorkerClient {
  status(worker: WorkerAddress): Promise<WorkerStatus>;
  /** The NDJSON stream as it arrives; ends with the connection. */
  events(worker: WorkerAddress, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  triggerSavepoint(
    worker: WorkerAddress,
    savepoint: { id: string; uri: string; pause: boolean; drain: boolean },
  ): Promise<void>;
  /** Nobody waits for it any more; nothing to a worker that is not about it. */
  abandonSavepoint(worker: WorkerAddress, id: string): Promise<void>;
  /** `undefined` when the worker knows no such savepoint. */
  savepoint(worker: WorkerAddress, id: string): Promise<SavepointStatus | undefined>;
  sealSavepoint(
    worker: WorkerAddress,
    savepoint: { id: string; uri: string; parts: readonly SavepointPart[] },
  ): Promise<void>;
  stop(worker: WorkerAddress, how: { mode: "Cancel" | "Checkpoint"; drain: boolean; discard: boolean }): Promise<void>;
  pause(worker: WorkerAddress): Promise<void>;
  resume(worker: WorkerAddress): Promise<void>;
  close(): Promise<void>;
}

export interface WorkerClientOptions {
  /** Of the leader; a worker refuses commands of an older one. */
  readonly term: () => number;
  readonly intercept?: WorkerInterceptor | undefined;
  /** For one call. Default 5 s. */
  readonly timeoutMs?: number | undefined;
}

const MAX_ANSWER = 4 * 1024 * 1024;

export function createWorkerClient(options: WorkerClientOptions): WorkerClient {
  const agent = new Agent({ connect: { timeout: 2_000 }, keepAliveTimeout: 4_000 });
  const { timeoutMs = 5_000 } = options;
  const intercept: WorkerInterceptor = options.intercept ?? ((_call, next) => next());

  const send = async (
    worker: WorkerAddress,
    call: WorkerCall,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> => {
    const headers: Record<string, string> = {
      authorization: `Bearer ${worker.token}`,
      "x-weir-term": String(options.term()),
    };
    if (call.body !== undefined) headers["content-type"] = "application/json";
    const host = worker.host.includes(":") ? `[${worker.host}]` : worker.host;
    try {
      const response = await request(`http://${host}:${worker.port}${call.path}`, {
        method: call.method,
        headers,
        body: call.body === undefined ? null : JSON.stringify(call.body),
        dispatcher: agent,
        signal,
        headersTimeout: timeoutMs,
        bodyTimeout: 0,
      });
      response.body.on("error", () => undefined); // until somebody reads it
      return response;
    } catch (e) {
      throw new WeirError("WORKER_UNREACHABLE", `${call.method} ${call.path} of ${worker.pod}: ${messageOf(e)}`, {
        cause: e,
      });
    }
  };

  const ask = async (worker: WorkerAddress, call: Omit<WorkerCall, "pod">): Promise<unknown> => {
    const whole = { pod: worker.pod, ...call };
    return intercept(whole, async () => {
      const response = await send(worker, whole, AbortSignal.timeout(timeoutMs));
      const text = await bounded(response.body);
      if (response.statusCode === 404 && call.method === "GET") return undefined;
      if (response.statusCode < 300) return text === "" ? undefined : JSON.parse(text);
      const code = response.statusCode >= 500 ? "WORKER_UNREACHABLE" : "WORKER_REFUSED";
      throw new WeirError(
        code,
        `${call.method} ${call.path} of ${worker.pod} answered ${response.statusCode}: ${text.slice(0, 500)}`,
      );
    });
  };
  const post = async (worker: WorkerAddress, path: string, body?: unknown): Promise<void> => {
    await ask(worker, { method: "POST", path, body });
  };

  return {
    status: async (worker) => workerStatus.parse(await ask(worker, { method: "GET", path: "/v1/status" })),
    events: async (worker, signal) => {
      const response = await send(worker, { pod: worker.pod, method: "GET", path: "/v1/events" }, signal);
      if (response.statusCode === 200) return response.body;
      response.body.destroy();
      throw new WeirError("WORKER_REFUSED", `GET /v1/events of ${worker.pod} answered ${response.statusCode}`);
    },
    triggerSavepoint: (worker, savepoint) => post(worker, "/v1/savepoints", savepoint),
    abandonSavepoint: async (worker, id) => {
      await ask(worker, { method: "DELETE", path: `/v1/savepoints/${encodeURIComponent(id)}` });
    },
    savepoint: async (worker, id) => {
      const answer = await ask(worker, { method: "GET", path: `/v1/savepoints/${encodeURIComponent(id)}` });
      return answer === undefined ? undefined : savepointStatus.parse(answer);
    },
    sealSavepoint: async (worker, { id, uri, parts }) => {
      await ask(worker, {
        method: "PUT",
        path: `/v1/savepoints/${encodeURIComponent(id)}/metadata`,
        body: { uri, parts },
      });
    },
    stop: (worker, how) => post(worker, "/v1/stop", how),
    pause: (worker) => post(worker, "/v1/pause"),
    resume: (worker) => post(worker, "/v1/resume"),
    close: () => agent.destroy(),
  };
}

/** A worker runs user code: its answers are not trusted to end. */
async function bounded(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_ANSWER) throw new WeirError("WORKER_REFUSED", `an answer is larger than ${MAX_ANSWER} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
