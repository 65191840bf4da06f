import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { StartDocument, WorkerEvent, WorkerStatus } from "../../src/api/worker-protocol.ts";
import { HUGE_PAGES } from "../../src/controllers/streamingjob/huge-pages.ts";
import type { Plan } from "../../src/engine/plan.ts";

const root = join(import.meta.dirname, "../..");
export const WORKER_TOKEN = "test-token";

/** A folder that the pod sees as "/", with whatever the worker writes below it. */
export async function podRoot(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "weir-pod-"));
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}

export function startDocumentOf(over: Partial<StartDocument> = {}): StartDocument {
  return {
    version: 1,
    namespace: "default",
    job: "rollup",
    jobUid: "uid-1",
    lineage: "line-1",
    epoch: 1,
    slots: 1,
    restore: { kind: "none" },
    paused: false,
    ...over,
    checkpoint: {
      intervalMs: 200,
      timeoutMs: 10_000,
      minPauseMs: 0,
      retain: 3,
      tolerableFailures: 3,
      uri: "file:///state",
      ...over.checkpoint,
    },
  };
}

export interface WorkerProcess {
  readonly pid: number;
  readonly url: string;
  /** Milliseconds from spawn to the control API. */
  readonly listeningAfterMs: number;
  call(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }>;
  status(): Promise<WorkerStatus>;
  /** Everything on the event stream, from the newest event of each kind on. */
  events(): AsyncGenerator<WorkerEvent>;
  /** Resolves with the first event that fits. */
  event(fits: (event: WorkerEvent) => boolean): Promise<WorkerEvent>;
  kill(signal: NodeJS.Signals): void;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly log: readonly string[];
}

export interface WorkerProcessOptions {
  /** Folder that stands for the pod's "/". */
  readonly root: string;
  readonly plan: Plan;
  readonly start: StartDocument;
  readonly slot?: number;
  readonly attempt?: number;
  /** The program; the sources without it. */
  readonly main?: string;
  /** Of Node. */
  readonly flags?: readonly string[];
}

/** Spawns `node src/main/worker.ts` as the kubelet would, and waits until it listens or has ended. */
export async function startWorkerProcess(options: WorkerProcessOptions): Promise<WorkerProcess> {
  const { plan, start, slot = 0, attempt = 0, flags = [] } = options;
  const planDir = `/etc/weir/plan-${start.epoch}-${slot}`;
  await mkdir(join(options.root, planDir), { recursive: true });
  await writeFile(join(options.root, planDir, "plan.json"), JSON.stringify(plan));
  await writeFile(join(options.root, planDir, "start.json"), JSON.stringify(start));
  const at = performance.now();
  const child = spawn(process.execPath, [...flags, options.main ?? join(root, "src/main/worker.ts")], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"],
      [HUGE_PAGES.name]: HUGE_PAGES.value,
      WEIR_PLAN_DIR: planDir,
      WEIR_SLOT: String(slot),
      WEIR_ATTEMPT: String(attempt),
      WEIR_POD_IP: "127.0.0.1",
      WEIR_PORT: "0",
      WEIR_TOKEN_SHA256: createHash("sha256").update(WORKER_TOKEN).digest("hex"),
      WEIR_POD_ROOT: options.root,
      WEIR_TERMINATION_LOG: "/termination-log",
    },
  });
  const log: string[] = [];
  const exited = ended(child);
  const port = await listening(child, log, exited);
  return workerProcess(child, {
    log,
    exited,
    url: `http://127.0.0.1:${port}`,
    listeningAfterMs: performance.now() - at,
  });
}

function ended(child: ChildProcess): WorkerProcess["exited"] {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
}

/** The port that the worker logs; 0 when it ended before it had one. */
async function listening(child: ChildProcess, log: string[], exited: Promise<unknown>): Promise<number> {
  const port = new Promise<number>((resolve) => {
    if (child.stderr === null) return;
    createInterface({ input: child.stderr }).on("line", (line) => {
      log.push(line);
      const found = /"port":(\d+),"msg":"listening"/.exec(line)?.[1];
      if (found !== undefined) resolve(Number(found));
    });
  });
  child.stdout?.resume();
  return await Promise.race([port, exited.then(() => 0)]);
}

function workerProcess(
  child: ChildProcess,
  facts: Pick<WorkerProcess, "log" | "exited" | "url" | "listeningAfterMs">,
): WorkerProcess {
  const headers = { authorization: `Bearer ${WORKER_TOKEN}` };
  const call: WorkerProcess["call"] = async (method, path, body) => {
    const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) };
    const response = await fetch(facts.url + path, init);
    const text = await response.text();
    return { status: response.status, body: text.startsWith("{") ? JSON.parse(text) : text };
  };
  async function* events(): AsyncGenerator<WorkerEvent> {
    const response = await fetch(`${facts.url}/v1/events`, { headers });
    let rest = "";
    for await (const text of (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield JSON.parse(line) as WorkerEvent;
    }
  }
  return {
    ...facts,
    pid: child.pid ?? 0,
    call,
    status: async () => (await call("GET", "/v1/status")).body as WorkerStatus,
    events,
    event: async (fits) => {
      for await (const event of events()) if (fits(event)) return event;
      throw new Error(`the event stream ended before the event came; log:\n${facts.log.join("\n")}`);
    },
    kill: (signal) => {
      child.kill(signal);
    },
  };
}
