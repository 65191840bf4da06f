import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RestorePoint, SavepointStatus } from "../../src/api/worker-protocol.ts";
import { datagenGenerator } from "../../src/engine/connectors/datagen/generator.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import { podRoot, startDocumentOf, startWorkerProcess, type WorkerProcess } from "../builders/worker-process.ts";

const SPLITS = 6;
const LONG = process.env["WEIR_LONG"] === "1";
const RATE = 6000;
/** Long enough for everything that is done to the job while it runs. */
const COUNT = RATE * (LONG ? 120 : 12);
const KILLS = LONG ? 60 : 5;
const datagen = {
  splits: SPLITS,
  rate: RATE,
  count: COUNT,
  fields: [
    { path: "tenant", key: { prefix: "t", count: 30 } },
    { path: "id", sequence: {} },
    { path: "ts", timestamp: {} },
  ],
};

/** Every record as it is, and counts in windows of a second. */
const plan = planPipeline(
  {
    nodes: [
      {
        name: "events",
        source: { datagen },
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

let root: Awaited<ReturnType<typeof podRoot>>;
const alive = new Set<WorkerProcess>();

beforeEach(async () => {
  root = await podRoot();
});
afterEach(async () => {
  for (const worker of alive) worker.kill("SIGKILL");
  await Promise.all([...alive].map((w) => w.exited));
  await root.remove();
});

async function launch(slot: number, slots: number, epoch: number, restore: RestorePoint): Promise<WorkerProcess> {
  const start = startDocumentOf({ epoch, slots, restore });
  const worker = await startWorkerProcess({ root: root.path, plan, start, slot });
  alive.add(worker);
  void worker.exited.then(() => alive.delete(worker));
  return worker;
}

describe("a worker that is killed with SIGKILL", () => {
  it("restores by itself and loses nothing", async () => {
    let kills = 0;
    let code: number | null = null;
    while (code !== 0) {
      const worker = await launch(0, 1, 1, { kind: "none" });
      if (kills < KILLS) {
        await worker.event((e) => e.type === "started");
        await worker.event((e) => e.type === "checkpoint" && e.checkpoint.ok);
        setTimeout(() => worker.kill("SIGKILL"), (kills * 137) % 400);
        kills++;
      }
      ({ code } = await worker.exited);
      expect(code === 0 || code === null).toBe(true);
    }
    const want = expected();
    const copies = await written(root.path, "copies");
    expect([...new Set(copies)].toSorted()).toEqual(want.copies);
    expect([...new Set(windowsOf(await written(root.path, "results")))].toSorted()).toEqual(want.windows);
    expect(kills).toBe(KILLS);
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
      const workers = await Promise.all(Array.from({ length: slots }, (_, slot) => launch(slot, slots, epoch, at)));
      for (const worker of workers) await worker.event((e) => e.type === "metrics" && e.metrics.totalIn > 0);
      restore = await stopWithSavepoint(workers, `file:///savepoints/${epoch}`);
      epoch++;
    }
    const last = await Promise.all([0, 1].map((slot) => launch(slot, 2, epoch, restore)));
    for (const worker of last) expect((await worker.exited).code).toBe(0);
    const want = expected();
    expect((await written(root.path, "copies")).toSorted()).toEqual(want.copies);
    expect(windowsOf(await written(root.path, "results")).toSorted()).toEqual(want.windows);
  });
});
