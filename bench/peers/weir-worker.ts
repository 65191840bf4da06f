import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { planJob } from "../../src/controllers/streamingjob/planned-job.ts";
import type { Plan } from "../../src/engine/plan.ts";
import {
  podRoot,
  startDocumentOf,
  startWorkerProcess,
  type WorkerProcess,
} from "../../test/builders/worker-process.ts";
import { pin } from "../processes.ts";
import type { JobSpec } from "../workloads/workload.ts";
import { WORK_CORE, type Place } from "./peer.ts";

export interface OpenWorker {
  readonly worker: WorkerProcess;
  /** Folder that stands for the pod's "/". */
  readonly root: string;
  close(): Promise<void>;
}

/** Builds the worker as it is in the image: one bundle, not the sources with their compiler. */
export async function bundledWorker(folder: string): Promise<string> {
  await promisify(execFile)(process.execPath, [join(import.meta.dirname, "../../scripts/bundle.ts"), folder]);
  return join(folder, "worker.mjs");
}

type Refused = { readonly plan: undefined; readonly refusal: string };

/** As the operator would plan it, with the source and the sink on the topics of a run. */
export function planOn(spec: JobSpec, place: Place): { readonly plan: Plan; readonly refusal: undefined } | Refused {
  const { plan, refusal } = planJob({ ...spec, pipeline: { ...spec.pipeline, ...onTopics(spec, place) } });
  return plan === undefined ? { plan, refusal: refusal?.message ?? "refused" } : { plan, refusal: undefined };
}

function onTopics({ pipeline }: JobSpec, { brokers, input, output }: Place) {
  const connections = [{ name: "main", kafka: { brokers } }];
  const nodes = pipeline.nodes.map((node) => {
    if (node["source"] !== undefined)
      return { ...node, source: { connection: "main", kafka: { topics: [input], startFrom: "Earliest" } } };
    if (node["sink"] === undefined) return node;
    const { kafka } = node["sink"] as { kafka?: object };
    return { ...node, sink: { connection: "main", kafka: { ...kafka, topic: output } } };
  });
  return { connections, nodes };
}

export interface WorkerOptions {
  /** The bundle. */
  readonly main: string;
  readonly plan: Plan;
  /** Names the state and the transactions: unlike that of every other run on the broker. */
  readonly lineage: string;
  readonly intervalMs: number;
  /** Of a worker before: its files. */
  readonly root?: string;
  readonly attempt?: number;
  /** Of the start document, what is not the usual. */
  readonly start?: Parameters<typeof startDocumentOf>[0];
  /** Of Node. */
  readonly flags?: readonly string[];
}

/** A worker process of the real program on its own core. */
export async function openWorker(options: WorkerOptions): Promise<OpenWorker> {
  const { main, plan, lineage, intervalMs, attempt = 0, flags = [] } = options;
  const pod = options.root === undefined ? await podRoot() : undefined;
  const root = options.root ?? (pod?.path as string);
  const checkpoint = { intervalMs, timeoutMs: 60_000, minPauseMs: 0, retain: 3, tolerableFailures: 3 };
  const start = startDocumentOf({ ...options.start, lineage, checkpoint: { ...checkpoint, uri: "file:///state" } });
  const worker = await startWorkerProcess({ root, plan, start, main, attempt, flags });
  await pin(worker.pid, WORK_CORE);
  return {
    worker,
    root,
    close: async () => {
      worker.kill("SIGKILL");
      await worker.exited;
      await pod?.remove();
    },
  };
}

/** Takes a checkpoint now; its report. */
export async function checkpointed(worker: WorkerProcess, id: string) {
  const known = (await worker.status()).checkpoint?.id ?? 0;
  const next = worker.event((e) => e.type === "checkpoint" && e.checkpoint.id > known);
  await worker.call("POST", "/v1/checkpoints", { id });
  const event = await next;
  if (event.type !== "checkpoint") throw new Error("not a checkpoint");
  if (!event.checkpoint.ok) throw new Error(`the checkpoint failed: ${event.checkpoint.error}`);
  return event.checkpoint;
}
