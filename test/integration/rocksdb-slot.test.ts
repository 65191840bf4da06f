import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { PipelineNode } from "../../src/api/pipeline.schema.ts";
import type { RestorePoint } from "../../src/api/worker-protocol.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import type { KeyedProcessFunction } from "../../src/engine/functions/author.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import { loadAddon } from "../../src/engine/rocksdb/addon.ts";
import { rocksState } from "../../src/engine/rocksdb/database.ts";
import { collected, type Collected } from "../builders/collected-sink.ts";
import { runSlot, stopWithSavepoint } from "../builders/running-slot.ts";
import { rocksFolder } from "../servers/rocksdb.ts";

const rocks = rocksFolder();
const KEYS = 500;
/** Far more than a worker reads before it is stopped. */
const RECORDS = 25_000;
const fields = [
  { path: "k", key: { prefix: "k", count: KEYS } },
  { path: "ts", timestamp: {} },
  { path: "v", uniform: { min: 0, max: 50 } },
];
/** Of each kind that can be in RocksDB. */
const keyed: PipelineNode[] = [
  { name: "counts", from: ["events"], keyBy: "event.k", aggregate: { n: "count()", last: "last(event.v)" } },
  {
    name: "filled",
    from: ["events"],
    keyBy: "event.k",
    aggregate: { most: "max(event.v)" },
    window: { count: { size: 7 } },
  },
  {
    name: "windows",
    from: ["events"],
    keyBy: "event.k",
    aggregate: { sum: "sum(event.v)" },
    window: { tumbling: { size: "3s" } },
  },
  {
    name: "sliding",
    from: ["events"],
    keyBy: "event.k",
    aggregate: { n: "count()" },
    window: { sliding: { size: "6s", every: "3s" } },
  },
  {
    name: "sessions",
    from: ["events"],
    keyBy: "event.k",
    aggregate: { n: "count()", first: "first(event.v)" },
    window: { session: { gap: "500ms" } },
  },
  { name: "first", from: ["events"], keyBy: "event.k", dedup: {} },
  { name: "kinds", from: ["events"], distinct: { by: "event.k" } },
  { name: "highest", from: ["events"], keyBy: "event.k", topN: { size: 2, by: "event.v" } },
  {
    name: "pairs",
    from: ["events", "events"],
    join: { interval: { before: "200ms", after: "0s" }, leftKey: "left.k", rightKey: "right.k" },
  },
  { name: "known", from: ["first", "events"], join: { leftKey: "left.k", rightKey: "right.k" } },
  { name: "own", from: ["events"], keyBy: "event.k", process: { function: "own" } },
];
/** The sum of each three seconds, by a timer of its own. */
const own: KeyedProcessFunction<{ readonly v: number }> = {
  onRecord: ({ v }, { state, timers, timestamp }) => {
    const end = (Math.floor(timestamp / 3_000) + 1) * 3_000;
    const sums = state.map<number>("sums");
    sums.set(String(end), (sums.get(String(end)) ?? 0) + v);
    timers.set(String(end), end);
  },
  onTimer: ({ name }, { key, state, emit }) => {
    const sums = state.map<number>("sums");
    emit({ key, name, sum: sums.get(name) });
    sums.delete(name);
  },
};
const nodes: PipelineNode[] = [
  {
    name: "events",
    source: { datagen: { splits: 4, rate: 0, count: RECORDS, eventRate: 2_000, fields } },
    partitionedBy: "event.k",
    eventTime: { field: "event.ts" },
  },
  ...keyed,
  ...keyed.flatMap(({ name }): PipelineNode[] => [
    { name: `${name}-named`, from: [name], map: { from: `'${name}'`, row: "event" } },
    { name: `${name}-out`, from: [`${name}-named`], sink: { blackhole: {} } },
  ]),
];
const functions = [{ name: "own", module: { path: "/own.mjs" } }];
const planned = planPipeline({ functions, nodes }, { parameters: {}, maxParallelism: 8, backend: "RocksDB" });
const plan = { ...planned, sinks: planned.sinks.map((sink) => ({ ...sink, connector: "collect" })) };

/** Less than the state takes: entries go to the database and come back all the time. */
const rocksdb = { memoryBytes: 256 * 1024 };
const turns = async (n: number): Promise<void> => {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
};

interface Worker {
  readonly out: Collected;
  readonly uri: string;
  readonly backend: "Memory" | "RocksDB";
  readonly slots?: number;
  readonly slot?: number;
  readonly epoch?: number;
  readonly attempt?: number;
  readonly restore?: RestorePoint;
}

const folderOf = (uri: string, slot = 0): string => join(rocks.path, `${uri.slice("memory://".length)}-${slot}`);

function start({ out, backend, ...of }: Worker) {
  const rocksOf = backend === "Memory" ? {} : { rocksdb };
  const stateFolder = folderOf(of.uri, of.slot);
  // Nobody runs ahead while another worker starts.
  const paused = { paused: true, ...rocksOf };
  const importModule = () => Promise.resolve({ exports: { default: own }, url: "file:///own.mjs" });
  const how = { plan, connectors: out.connectors, build: compile, importModule };
  // A busy machine takes long for a checkpoint of all kinds with so little memory.
  return runSlot({ ...how, ...of, stateFolder, start: paused, checkpoint: { timeoutMs: 120_000 } });
}

let expected: string[] = [];
beforeAll(async () => {
  const out = collected();
  const slot = await start({ out, uri: "memory://undisturbed", backend: "Memory" });
  slot.resume();
  await slot.done;
  expected = out.lines.toSorted();
});

describe("a slot whose state is in RocksDB", () => {
  it("gives the rows of one in memory, over changes of the backend and of the number of workers", async () => {
    const out = collected();
    const uri = "memory://backends";
    let restore: RestorePoint = { kind: "none" };
    const moves = [
      { backend: "RocksDB", slots: 1 },
      { backend: "Memory", slots: 2 },
      { backend: "RocksDB", slots: 3 },
      { backend: "RocksDB", slots: 1 },
    ] as const;
    for (const [i, { backend, slots }] of moves.entries()) {
      const open = (slot: number) => start({ out, uri, backend, slots, slot, epoch: i + 1, restore });
      const running = await Promise.all(Array.from({ length: slots }, (_, slot) => open(slot)));
      for (const slot of running) slot.resume();
      if (i === moves.length - 1) {
        await Promise.all(running.map((slot) => slot.done));
        break;
      }
      await turns(1);
      restore = await stopWithSavepoint(running, `${uri}/savepoint-${i}`);
    }
    const rows = out.lines.toSorted();
    expect(rows.length).toBe(expected.length);
    expect(rows.find((row, i) => row !== expected[i])).toBeUndefined();
    expect(readdirSync(folderOf(uri))).toEqual([]);
  });

  it("starts from its checkpoint, whatever the files of the process before are worth", async () => {
    const out = collected();
    const uri = "memory://damaged";
    for (let attempt = 0; attempt < 4; attempt++) {
      const slot = await start({ out, uri, backend: "RocksDB", attempt });
      expect(slot.restored === null).toBe(attempt === 0);
      slot.resume();
      await turns(1);
      const { ok, error } = await slot.checkpoint();
      expect({ ok, error }).toEqual({ ok: true, error: undefined });
      await turns(1);
      await slot.stop("Cancel", false);
      const folder = folderOf(uri);
      expect(readdirSync(folder)).toEqual([]);
      // As after a crash, and with a disk that lies.
      mkdirSync(join(folder, "rocksdb/0"), { recursive: true });
      for (const name of ["CURRENT", "MANIFEST-000005", "000012.sst"])
        writeFileSync(join(folder, "rocksdb/0", name), "nonsense");
    }
    const last = await start({ out, uri, backend: "RocksDB", attempt: 4 });
    expect(readdirSync(join(folderOf(uri), "rocksdb/0"))).not.toContain("000012.sst");
    last.resume();
    await last.done;
    // What came after a checkpoint came again: the same rows, some of them twice.
    const [rows, wanted] = [new Set(out.lines), new Set(expected)];
    expect([...rows].find((row) => !wanted.has(row))).toBeUndefined();
    expect(rows.size).toBe(wanted.size);
  });
});

it("leaves its folder alone, which may be a mounted volume that cannot be removed, and what else is in it", () => {
  const folder = join(rocks.path, "volume");
  mkdirSync(join(folder, "lost+found"), { recursive: true });
  const mounted = statSync(folder).ino;
  for (const _ of [1, 2]) {
    const state = rocksState({ folder, memoryBytes: 1024 * 1024, nodes: 1 });
    state.open("node");
    expect(readdirSync(folder)).toEqual(["lost+found", "rocksdb"]);
    state.close();
    expect(readdirSync(folder)).toEqual(["lost+found"]);
  }
  expect(statSync(folder).ino).toBe(mounted);
});

it("says which file is missing and what to do where there is no addon", () => {
  expect(() => loadAddon(["./nowhere.node"])).toThrow(
    /rocksdb\/nowhere\.node.*ROCKSDB=0.*make rocksdb.*state\.backend/,
  );
  const broken = join(rocks.path, "broken.node");
  writeFileSync(broken, "no library");
  expect(() => loadAddon([`file://${broken}`])).toThrow(/does not load on this system.*make rocksdb/);
});
