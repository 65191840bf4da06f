import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import manifest from "../../package.json" with { type: "json" };
import { cpuSeconds, peakMiB } from "../processes.ts";
import { CHECKPOINT_INTERVAL_MS } from "./checkpoint-interval.ts";
import type { Measured, Peer, Place } from "./peer.ts";
import { bundledWorker, checkpointed, openWorker, planOn, type OpenWorker } from "./weir-worker.ts";

/** A worker compiles as it goes: what it does until then is left out of the figure. */
const WARM_SHARE = 0.4;
/** A look takes a millisecond of its CPU. */
const LOOK_MS = 100;
const STANDING_MS = 60_000;

export interface WeirPeer extends Peer {
  /** The worker's bundle. */
  readonly main: string;
}

export async function startWeir(runs: number): Promise<WeirPeer> {
  const folder = await mkdtemp(join(tmpdir(), "weir-bench-"));
  const main = await bundledWorker(folder);
  const anywhere: Place = { run: "", brokers: ["kafka:9092"], input: "in", output: "out", records: 0 };
  return {
    name: `Weir ${manifest.version}`,
    main,
    runs,
    warmUps: 0,
    refuses: ({ spec }) => planOn(spec, anywhere).refusal,
    run: async ({ spec }, place) => {
      const { plan, refusal } = planOn(spec, place);
      if (plan === undefined) throw new Error(refusal);
      const open = await openWorker({ main, plan, lineage: place.run, intervalMs: CHECKPOINT_INTERVAL_MS });
      try {
        return await measured(open, place);
      } finally {
        await open.close();
      }
    },
    pause: () => undefined,
    resume: () => undefined,
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

interface Sample {
  readonly records: number;
  readonly cpu: number;
  readonly at: number;
}

async function measured({ worker }: OpenWorker, { records, run }: Place): Promise<Measured> {
  let warm: Sample | undefined;
  const patience = performance.now() + STANDING_MS;
  for (;;) {
    const { metrics, failure, problem } = await worker.status();
    if (failure !== null) throw new Error(`the worker failed: ${failure.message}`);
    // A new broker has no coordinators at first.
    if (problem !== null && performance.now() > patience) throw new Error(`the worker waits: ${problem.message}`);
    if (warm === undefined && metrics.totalIn >= records * WARM_SHARE) warm = sampled(metrics.totalIn);
    if (metrics.totalIn >= records) break;
    await delay(LOOK_MS);
  }
  // Everything is read: a checkpoint writes out and commits what follows from it.
  await checkpointed(worker, run);
  const last = sampled(records);
  if (warm === undefined || warm.records === records) throw new Error(`${records} records are too few to measure`);
  return {
    perCpuSecond: (last.records - warm.records) / (last.cpu - warm.cpu),
    perWallSecond: ((last.records - warm.records) * 1000) / (last.at - warm.at),
    peakMiB: peakMiB(worker.pid),
  };

  function sampled(done: number): Sample {
    return { records: done, cpu: cpuSeconds(worker.pid), at: performance.now() };
  }
}
