import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { DatagenSource } from "../../src/api/datagen.schema.ts";
import type { RestorePoint, SavepointStatus } from "../../src/api/worker-protocol.ts";
import { datagenGenerator } from "../../src/engine/connectors/datagen/generator.ts";
import type { Plan } from "../../src/engine/plan.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import { podWorkers } from "../builders/pod-workers.ts";
import { startDocumentOf, type WorkerProcess } from "../builders/worker-process.ts";

const SPLITS = 6;
const LONG = process.env["WEIR_LONG"] === "1";
const KILLS = LONG ? 60 : 5;
/** A worker that reads no faster is still at work when something is done to it, on any machine. */
const SLOW = 500;
const COUNT = LONG ? 900_000 : 90_000;
const datagen = {
  splits: SPLITS,
  rate: 0,
  eventRate: 6_000,
  count: COUNT,
  fields: [
    { path: "tenant", key: { prefix: "t", count: 30 } },
    { path: "id", sequence: {} },
    { path: "ts", timestamp: {} },
  ],
};

/** Every record as it is, and counts in windows of a second. */
const planOf = (source: DatagenSource): Plan =>
  planPipeline(
    {
      nodes: [
        {
          name: "events",
          source: { datagen: source },
          partitionedBy: "event.tenant",
          eventTime: { field: "event.ts", maxOutOfOrderness: "0s" },
        },
        { name: "copies", from: ["events"], sink: { file: { path: "/copies" } } },
        {
          name: "counts",
          from: ["events"],
          keyBy: "event.tenant",
          window: { tumbling: { size: "1s" } },
          aggregate: { n: "count()", last: "max(event.id)" },
        },
        { name: "results", from: ["counts"], sink: { file: { path: "/results" } } },
      ],
    },
    { parameters: {}, maxParallelism: 12 },
  );
const plans = { slow: planOf({ ...datagen, readRate: SLOW }), fast: planOf(datagen) };

interface Window {
  readonly tenant: string;
  readonly windowStart: number;
  readonly n: number;
  readonly last: number;
}

/** The same computed here, from the generator alone. */
function expected(): { copies: string[]; windows: string[] } {
  const generator = datagenGenerator(datagen);
  const buf = Buffer.alloc(generator.maxBytes);
  const copies: string[] = [];
  const windows = new Map<string, Window>();
  for (let split = 0; split < SPLITS; split++) {
    for (let index = 0; index < COUNT / SPLITS; index++) {
      const text = buf.toString("utf8", 0, generator.write(buf, 0, { split, index }));
      const { tenant, id, ts } = JSON.parse(text) as { tenant: string; id: number; ts: number };
      copies.push(text);
      const windowStart = Math.floor(ts / 1000) * 1000;
      const key = `${tenant}/${windowStart}`;
      const before = windows.get(key);
      windows.set(key, { tenant, windowStart, n: (before?.n ?? 0) + 1, last: Math.max(before?.last ?? 0, id) });
    }
  }
  return { copies: copies.toSorted(), windows: [...windows.values()].map(shown).toSorted() };
}

const shown = (w: Window): string => `${w.tenant} ${w.windowStart} ${w.n} ${w.last}`;

async function written(root: string, folder: string): Promise<string[]> {
  const parts = await readdir(join(root, folder));
  const texts = await Promise.all(parts.map((p) => readFile(join(root, folder, p), "utf8")));
  return texts.flatMap((text) => text.split("\n")).filter((line) => line !== "");
}

const windowsOf = (lines: readonly string[]): string[] => lines.map((line) => shown(JSON.parse(line) as Window));

const pod = podWorkers();

interface Launching {
  readonly plan: Plan;
  readonly restore: RestorePoint;
  readonly slot?: number;
  readonly slots?: number;
  readonly epoch?: number;
}

const launch = ({ plan, restore, slot = 0, slots = 1, epoch = 1 }: Launching): Promise<WorkerProcess> =>
  pod.launch({ plan, start: startDocumentOf({ epoch, slots, restore }), slot });

describe("a worker that is killed with SIGKILL", () => {
  it("restores by itself and loses nothing", async () => {
    for (let kill = 0; kill < KILLS; kill++) {
      const worker = await launch({ plan: plans.slow, restore: { kind: "none" } });
      await worker.event((e) => e.type === "started");
      await worker.event((e) => e.type === "checkpoint" && e.checkpoint.ok);
      await delay((kill * 137) % 400);
      worker.kill("SIGKILL");
      expect((await worker.exited).signal).toBe("SIGKILL");
    }
    const last = await launch({ plan: plans.fast, restore: { kind: "none" } });
    expect((await last.exited).code).toBe(0);
    const want = expected();
    const copies = await written(pod.path, "copies");
    expect([...new Set(copies)].toSorted()).toEqual(want.copies);
    expect([...new Set(windowsOf(await written(pod.path, "results")))].toSorted()).toEqual(want.windows);
  });
});

describe("a job that is stopped with a savepoint and resumed", () => {
  async function stopWithSavepoint(workers: readonly WorkerProcess[], uri: string): Promise<RestorePoint> {
    for (const worker of workers) await worker.call("POST", "/v1/savepoints", { id: "s", uri, pause: true });
    const parts = [];
    for (const worker of workers) {
      await worker.event((e) => e.type === "savepoint");
      const { body } = await worker.call("GET", "/v1/savepoints/s");
      parts.push((body as SavepointStatus).part);
    }
    expect((await workers[0]?.call("PUT", "/v1/savepoints/s/metadata", { uri, parts }))?.status).toBe(200);
    for (const worker of workers) await worker.call("POST", "/v1/stop", { mode: "Savepoint" });
    for (const worker of workers) expect((await worker.exited).code).toBe(0);
    return { kind: "savepoint", uri, allowNonRestoredState: false };
  }

  it("loses nothing and writes nothing twice, from one worker to three and to two", async () => {
    let restore: RestorePoint = { kind: "none" };
    let epoch = 1;
    for (const slots of [1, 3, 2]) {
      const at = restore;
      const settings = { plan: plans.slow, restore: at, slots, epoch };
      const workers = await Promise.all(Array.from({ length: slots }, (_, slot) => launch({ ...settings, slot })));
      for (const worker of workers) await worker.event((e) => e.type === "metrics" && e.metrics.totalIn > 0);
      restore = await stopWithSavepoint(workers, `file:///savepoints/${epoch}`);
      epoch++;
    }
    const settings = { plan: plans.fast, restore, slots: 2, epoch };
    const last = await Promise.all([0, 1].map((slot) => launch({ ...settings, slot })));
    for (const worker of last) expect((await worker.exited).code).toBe(0);
    const want = expected();
    expect((await written(pod.path, "copies")).toSorted()).toEqual(want.copies);
    expect(windowsOf(await written(pod.path, "results")).toSorted()).toEqual(want.windows);
  });
});
