import { setTimeout as delay } from "node:timers/promises";
import { eventInput } from "../inputs/events.ts";
import { liveInput } from "../inputs/topics.ts";
import { openWorker } from "../peers/weir-worker.ts";
import { median } from "../processes.ts";
import type { Figure } from "../table.ts";
import { milliseconds, planFor, recordsIn, type FigureJob, type FigureRun } from "./figure-run.ts";

const PER_SECOND = 5000;
const INTERVAL_MS = 1000;
const LOOK_MS = 10;

/** From `kill -9` of a worker to the first record that its replacement writes. The process is started again at once. */
export async function recoveryTime(run: FigureRun): Promise<Figure[]> {
  const gaps: number[] = [];
  for (let i = 0; i < run.runs; i++) {
    const job = await planFor(run, "W1", `recovery-${i}`);
    const shape = { tenants: 1000, hosts: 10, rate: PER_SECOND };
    const live = await liveInput(job.brokers, eventInput(job.input, shape), PER_SECOND);
    try {
      gaps.push(await outputGap(run, job));
    } finally {
      await live.stop();
    }
  }
  return [["kill -9 → first new output, process started again at once", milliseconds(median(gaps)), "2 s"]];
}

async function outputGap({ kafka, main }: FigureRun, { plan, output, run: lineage }: FigureJob): Promise<number> {
  const written = (): Promise<number> => recordsIn(kafka, output);
  const first = await openWorker({ main, plan, lineage, intervalMs: INTERVAL_MS });
  try {
    await first.worker.event((e) => e.type === "checkpoint" && e.checkpoint.ok);
    while ((await written()) === 0) await delay(LOOK_MS);
    const at = performance.now();
    first.worker.kill("SIGKILL");
    await first.worker.exited;
    const before = await written();
    const second = await openWorker({ main, plan, lineage, intervalMs: INTERVAL_MS, root: first.root, attempt: 1 });
    while ((await written()) <= before);
    const gap = performance.now() - at;
    await second.close();
    return gap;
  } finally {
    await first.close();
  }
}
