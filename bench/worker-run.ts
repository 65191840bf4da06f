import type { WorkerEvent } from "../src/api/worker-protocol.ts";
import type { Pipeline } from "../src/api/pipeline.schema.ts";
import { planPipeline } from "../src/engine/planner/plan-pipeline.ts";
import { podRoot, startDocumentOf, startWorkerProcess, type WorkerProcess } from "../test/builders/worker-process.ts";
import { cpuSeconds, peakMiB, pin } from "./processes.ts";

export const WORKER_CORE = 0;

export interface Measured {
  /** Records per CPU second of the worker process, from the last figures of its first half to the last record. */
  readonly perCpuSecond: number;
  /** Records per CPU second over the whole life of the process: start and warm-up included. */
  readonly withStart: number;
  readonly perWallSecond: number;
  readonly peakMiB: number;
}

export interface OpenWorker {
  readonly worker: WorkerProcess;
  close(): Promise<void>;
}

/** A worker process of the real entry point on a pipeline, on its own core. */
export async function openWorker(pipeline: Pipeline): Promise<OpenWorker> {
  const root = await podRoot();
  const plan = planPipeline(pipeline, { parameters: {}, maxParallelism: 128 });
  const checkpoint = { intervalMs: 10_000, timeoutMs: 60_000, minPauseMs: 0, retain: 3, tolerableFailures: 3 };
  const start = startDocumentOf({ checkpoint: { ...checkpoint, uri: "file:///state" } });
  const worker = await startWorkerProcess({ root: root.path, plan, start });
  await pin(worker.pid, WORKER_CORE);
  return {
    worker,
    close: async () => {
      worker.kill("SIGKILL");
      await worker.exited;
      await root.remove();
    },
  };
}

interface Sample {
  readonly records: number;
  readonly cpu: number;
  readonly at: number;
}

/** Follows the worker's own figures until it has read `total` records; the CPU time beside each is the kernel's. */
export async function measure({ worker }: OpenWorker, total: number): Promise<Measured> {
  const samples: Sample[] = [];
  for await (const event of worker.events()) {
    failIfBroken(event);
    if (event.type !== "metrics") continue;
    samples.push({ records: event.metrics.totalIn, cpu: cpuSeconds(worker.pid), at: performance.now() });
    if (event.metrics.totalIn >= total) break;
  }
  const last = samples.at(-1);
  const warm = samples.findLast((s) => s.records > 0 && s.records < total * 0.6);
  if (last === undefined || warm === undefined) {
    throw new Error(`${total} records are too few to measure on this machine: give --records a larger number`);
  }
  return {
    perCpuSecond: (last.records - warm.records) / (last.cpu - warm.cpu),
    withStart: last.records / last.cpu,
    perWallSecond: ((last.records - warm.records) * 1000) / (last.at - warm.at),
    peakMiB: peakMiB(worker.pid),
  };
}

function failIfBroken(event: WorkerEvent): void {
  if (event.type === "failed") throw new Error(`the worker failed: ${event.failure.message}`);
  if (event.type === "problem" && event.problem !== null) throw new Error(`the worker waits: ${event.problem.message}`);
}
