import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { SavepointStatus } from "../../src/api/worker-protocol.ts";
import type { WorkerProcess } from "../../test/builders/worker-process.ts";
import { eventInput } from "../inputs/events.ts";
import { writeOpen } from "../inputs/topics.ts";
import { openWorker } from "../peers/weir-worker.ts";
import { median } from "../processes.ts";
import type { Figure } from "../table.ts";
import { milliseconds, planFor, type FigureRun } from "./figure-run.ts";
import { running } from "./start-time.ts";

const LOOK_MS = 2;
const TENANTS = 1000;
const RECORDS = 100_000;

/** Savepoint, stop with savepoint, and the start from one, of windows of 1,000 keys. */
export async function savepointTime(run: FigureRun): Promise<Figure[]> {
  const taken: number[] = [];
  const stopped: number[] = [];
  const restored: number[] = [];
  for (let i = 0; i < run.runs; i++) {
    const { plan, input, brokers, run: lineage } = await planFor(run, "W3", `savepoint-${i}`);
    await writeOpen(brokers, eventInput(input, { tenants: TENANTS, hosts: 10, rate: RECORDS }), {
      from: 0,
      count: RECORDS,
    });
    const first = await openWorker({ main: run.main, plan, lineage, intervalMs: 10_000 });
    try {
      while ((await first.worker.status()).metrics.totalIn < RECORDS) await delay(LOOK_MS);
      await mkdir(join(first.root, "savepoints"));
      taken.push(await timed(() => savepoint(first.worker, { id: "a", uri: "file:///savepoints/a", pause: false })));
      const uri = "file:///savepoints/b";
      stopped.push(
        await timed(async () => {
          await savepoint(first.worker, { id: "b", uri, pause: true });
          // The process may be gone before its answer is read.
          await first.worker.call("POST", "/v1/stop", { mode: "Savepoint", drain: false }).catch(() => undefined);
          await first.worker.exited;
        }),
      );
      const restore = { kind: "savepoint", uri, allowNonRestoredState: false } as const;
      const at = performance.now();
      const second = await openWorker({
        main: run.main,
        plan,
        lineage,
        intervalMs: 10_000,
        root: first.root,
        start: { epoch: 2, restore },
      });
      try {
        await running(second);
        restored.push(performance.now() - at);
      } finally {
        await second.close();
      }
    } finally {
      await first.close();
    }
  }
  return [
    ["savepoint of 1,000 keys", milliseconds(median(taken)), "0.3 s"],
    ["stop with savepoint, to the end of the process", milliseconds(median(stopped)), "0.5 s"],
    ["restore from it: process start → running", milliseconds(median(restored)), "1 s"],
  ];
}

async function timed(work: () => Promise<void>): Promise<number> {
  const at = performance.now();
  await work();
  return performance.now() - at;
}

/** As the operator takes one: the worker's part, then the metadata over all parts. */
async function savepoint(worker: WorkerProcess, request: { id: string; uri: string; pause: boolean }): Promise<void> {
  await worker.call("POST", "/v1/savepoints", { ...request, drain: false });
  for (;;) {
    const { state, part, error } = (await worker.call("GET", `/v1/savepoints/${request.id}`)).body as SavepointStatus;
    if (state === "Failed") throw new Error(`the savepoint failed: ${error}`);
    if (state === "Completed") {
      await worker.call("PUT", `/v1/savepoints/${request.id}/metadata`, { uri: request.uri, parts: [part] });
      return;
    }
    await delay(LOOK_MS);
  }
}
