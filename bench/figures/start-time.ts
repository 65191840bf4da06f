import { setTimeout as delay } from "node:timers/promises";
import { eventInput } from "../inputs/events.ts";
import { writeOpen } from "../inputs/topics.ts";
import { openWorker, type OpenWorker } from "../peers/weir-worker.ts";
import { median } from "../processes.ts";
import type { Figure } from "../table.ts";
import { milliseconds, planFor, recordsIn, type FigureRun } from "./figure-run.ts";

const LOOK_MS = 5;
const RECORDS = 10_000;

/** From the spawn of the worker process until it is ready, and to the first record that has passed it: connecting included. */
export async function startTime(run: FigureRun): Promise<Figure[]> {
  const ready: number[] = [];
  const first: number[] = [];
  for (let i = 0; i < run.runs; i++) {
    const { plan, input, output, brokers, run: lineage } = await planFor(run, "W1", `start-${i}`);
    await writeOpen(brokers, eventInput(input, { tenants: 1000, hosts: 10, rate: 1000 }), { from: 0, count: RECORDS });
    const at = performance.now();
    const open = await openWorker({ main: run.main, plan, lineage, intervalMs: 10_000 });
    try {
      await running(open);
      ready.push(performance.now() - at);
      while ((await recordsIn(run.kafka, output)) === 0);
      first.push(performance.now() - at);
    } finally {
      await open.close();
    }
  }
  return [
    ["process start → ready", milliseconds(median(ready)), "1 s"],
    ["process start → first record in the output topic", milliseconds(median(first))],
  ];
}

export async function running({ worker }: OpenWorker): Promise<void> {
  for (;;) {
    const { phase } = await worker.status().catch((cause: unknown) => {
      throw new Error(`the worker does not answer:\n${worker.log.join("\n")}`, { cause });
    });
    if (phase === "Running") return;
    await delay(LOOK_MS);
  }
}
