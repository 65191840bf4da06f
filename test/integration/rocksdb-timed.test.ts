import { expect, it } from "vitest";
import { compile } from "../../src/engine/codegen/compile.ts";
import { interpret } from "../../src/engine/interpreter/interpret.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import type { KeyedNode, Program } from "../../src/engine/program.ts";
import type { Database, RocksState } from "../../src/engine/rocksdb/database.ts";
import { NO_TEXT, PackedWrites } from "../../src/engine/rocksdb/packed-writes.ts";
import { increments } from "../builders/backend-rig.ts";
import { batchOf } from "../builders/memory-batch.ts";
import { memorySink } from "../builders/memory-sink.ts";
import { random } from "../builders/random.ts";
import type { Random } from "../builders/random.ts";
import { restarted } from "../builders/restarted-programs.ts";
import { tableModels } from "../builders/table-model.ts";
import type { Sent } from "../builders/table-model.ts";
import { rocksFolder } from "../servers/rocksdb.ts";

const RUNS = process.env["WEIR_LONG"] === "1" ? 2_000 : 20;
const rocks = rocksFolder();

interface Side {
  start(): Program;
  take(): unknown[];
}

/** The same job with its state in RocksDB, in memory, and interpreted; each has what it gave. */
function sidesOf(ttl: number, cacheBytes: number, open = (): RocksState => rocks.state({ cacheBytes })): Side[] {
  const aggregate = { n: "count()", sum: "sum(event.v)", some: "collect(event.v, 3)", kinds: "countDistinct(event.v)" };
  const window = { global: { trigger: { every: "10ms" } } };
  const of = ttl === 0 ? {} : { ttl: `${ttl}ms` };
  const plan = planPipeline(
    {
      nodes: [
        { name: "events", source: { datagen: {} }, partitionedBy: "event.k", eventTime: { field: "event.ts" } },
        { name: "times", from: ["events"], keyBy: "event.k", aggregate, window, ...of },
        { name: "out", from: ["times"], sink: { blackhole: {} } },
      ],
    },
    { parameters: {}, maxParallelism: 4 },
  );
  const side = (build: typeof compile): Side => {
    const { writer, written } = memorySink();
    const options = { slot: 0, slots: 1, parameters: {}, sinks: new Map([["out", writer]]) };
    return {
      start: () => build(plan, options),
      take: () => written.splice(0).map(({ value }) => JSON.parse(value) as unknown),
    };
  };
  return [side((p, o) => compile(p, { ...o, rocks: open() })), side(compile), side(interpret)];
}

const records = (r: Random, watermark: number): Sent[] =>
  Array.from({ length: r.below(12) }, (_, id) => ({
    k: `key-${r.below(6)}`,
    ts: watermark - 5 + r.below(20),
    v: r.below(9),
    id,
  }));

interface Seen {
  rows: number;
  restores: number;
  increments: number;
}

/** What a job's state goes through between two turns: nothing, a checkpoint, or a start from one. */
class History {
  private readonly sides: readonly Side[];
  private checkpoints = increments();
  programs: Program[];
  readonly seen: Seen;

  constructor(sides: readonly Side[], seen: Seen) {
    this.sides = sides;
    this.programs = this.started();
    this.seen = seen;
  }

  private started(): Program[] {
    return this.sides.map(({ start }) => start());
  }

  next(r: Random): void {
    const [stored] = this.programs as [Program];
    const hasState = stored.keyed[0]?.shards().includes(0) === true;
    if (hasState && r.chance(0.4)) this.checkpoint(stored, r.chance(0.3));
    else if (r.chance(0.2)) this.passOn();
  }

  private checkpoint(stored: Program, restores: boolean): void {
    this.checkpoints.take(stored);
    this.seen.increments++;
    if (restores) this.goOn(this.started().map((program) => restoredFrom(program, this.checkpoints.written)));
  }

  /** Each goes on with what another one saved. */
  private passOn(): void {
    const saved = this.programs;
    this.goOn(this.started().map((to, i) => restarted([saved[(i + 1) % 3] as Program], [to])[0] as Program));
  }

  private goOn(programs: Program[]): void {
    this.programs = programs;
    this.checkpoints = increments();
    this.seen.restores++;
  }
}

function run(r: Random, seed: number, seen: Seen): void {
  const ttl = r.chance(0.1) ? 0 : 1 + r.below(40);
  const sides = sidesOf(ttl, r.chance(0.7) ? 0 : 1e6);
  const { times } = tableModels(ttl);
  const history = new History(sides, seen);
  let watermark = 0;
  for (let turn = 0; turn < 14; turn++) {
    const sent = records(r, watermark);
    const expected = sent.flatMap((record) => times?.send(record) ?? []);
    const batch = batchOf(sent.map((s) => JSON.stringify(s)));
    for (const program of history.programs) program.inputs.get("events")?.process(batch);
    watermark += r.below(9);
    expected.push(...(times?.advance(watermark) ?? []));
    for (const program of history.programs) program.advanceWatermark("events", watermark);
    for (const [side, { take }] of sides.entries())
      expect({ seed, turn, side, rows: take() }).toEqual({ seed, turn, side, rows: expected });
    seen.rows += expected.length;
    history.next(r);
    for (const program of history.programs) program.advanceWatermark("events", watermark);
  }
}

function restoredFrom(program: Program, chunks: readonly Buffer[]): Program {
  const node = program.keyed[0] as KeyedNode;
  node.restore(0, chunks, node.stateVersion);
  return program;
}

/** As an entry of a table begins: when it was written, and what its trigger counts. */
const entry = (written: number, turn: number) => ({
  number: 1,
  seq: 0,
  cells: Float64Array.of(written, turn),
  cellAt: 0,
  cellCount: 2,
  texts: [],
  textAt: 0,
  textCount: 0,
});

it("keeps what waits for its result when files are rewritten, however old it is", { timeout: 120_000 }, async () => {
  const MIB = 1024 * 1024;
  const KEYS = 2_000;
  const state = rocks.state({ memoryBytes: 4 * MIB });
  const database = state.open("node");
  const writes = new PackedWrites();
  const nameOf = (i: number) => Buffer.from(`\0\0\0key-${i}`);
  const put = (bytes: Buffer, written: number, turn: number): void => {
    writes.entry(Buffer.alloc(0), { bytes, start: 0, stop: bytes.length }, entry(written, turn));
  };
  for (let i = 0; i < KEYS; i++) put(nameOf(i), 1, i % 2);
  database.write(writes);
  database.forget(10, 0, true);
  const isThere = (i: number): boolean => {
    const name = nameOf(i);
    return database.read(name, Int32Array.of(0, name.length), 1).readUInt32LE(0) !== NO_TEXT;
  };
  const all = Array.from({ length: KEYS }, (_, i) => i);
  let round = 0;
  // Others come until the files of the first are rewritten.
  const forgotten = async (): Promise<number> => {
    for (let i = 0; i < 20_000; i++) put(Buffer.from(`\0\0\0key-${i}-${round}-${"x".repeat(50)}`), 100, 0);
    round++;
    database.write(writes);
    await new Promise((resolve) => setImmediate(resolve));
    return all.filter((i) => !isThere(i)).length;
  };
  await expect.poll(forgotten, { timeout: 60_000 }).toBe(KEYS / 2);
  expect(all.filter(isThere)).toEqual(all.filter((i) => i % 2 === 1));
  rocks.close();
});

it("gives no result again that was given after an older part of a checkpoint, though its key is forgotten", () => {
  const found = sidesOf(5, 0).map(({ start, take }) => {
    const program = start();
    const record = { k: "key-1", ts: 1, v: 3 };
    const send = (to: Program, ts: number): void => {
      to.inputs.get("events")?.process(batchOf([JSON.stringify({ ...record, ts })]));
    };
    send(program, 1);
    const node = program.keyed[0] as KeyedNode;
    const [shard = 0] = node.shards();
    const saved = (): Buffer[] => {
      const snapshot = node.beginSnapshot();
      const chunks = Array.from(snapshot.chunks(shard), (chunk) => Buffer.from(chunk));
      snapshot.release();
      return chunks;
    };
    const before = saved();
    program.advanceWatermark("events", 50);
    const given = take();
    // What the database has forgotten meanwhile is not among what changed.
    const next = start();
    (next.keyed[0] as KeyedNode).restore(shard, [...before, ...saved()], node.stateVersion);
    next.advanceWatermark("events", 60);
    const again = take();
    send(next, 61);
    next.end("events");
    return { given, again, last: take() };
  });
  const row = { n: 1, sum: 3, some: [3], kinds: 1 };
  const once = { given: [expect.objectContaining(row)], again: [], last: [expect.objectContaining(row)] };
  expect(found).toEqual([once, once, once]);
});

it("deletes no ranges of keys when time passes: the more there are, the longer each reading of the database takes", () => {
  let ranges = 0;
  const counting = (): RocksState => {
    const state = rocks.state({ cacheBytes: 0 });
    const open = (node: string): Database => {
      const database = state.open(node);
      const remove = database.remove.bind(database);
      database.remove = (prefix) => {
        ranges++;
        remove(prefix);
      };
      return database;
    };
    return { ...state, open };
  };
  const [{ start, take }] = sidesOf(0, 0, counting) as [Side];
  const program = start();
  const given = Array.from({ length: 20 }, (_, turn) => {
    const wait = turn % 2 === 0 ? 8 : 1;
    const sent = Array.from({ length: wait }, (__, i) => JSON.stringify({ k: `key-${i}`, ts: turn * 10, v: 1 }));
    program.inputs.get("events")?.process(batchOf(sent));
    program.advanceWatermark("events", turn * 10 + 9);
    return take().length;
  });
  expect(given).toEqual(Array.from({ length: 20 }, (_, turn) => (turn % 2 === 0 ? 8 : 1)));
  expect(ranges).toBe(0);
});

it("gives and forgets keys by time as memory and the interpreter do, whatever the time to live, over checkpoints", () => {
  const seen: Seen = { rows: 0, restores: 0, increments: 0 };
  for (let seed = 1; seed <= RUNS; seed++) {
    run(random(seed), seed, seen);
    rocks.close();
  }
  console.log(`aggregates by time with a time to live: ${RUNS} runs, ${JSON.stringify(seen)}, 0 differences`);
  expect(seen.rows).toBeGreaterThan(RUNS * 10);
  expect(seen.restores).toBeGreaterThan(RUNS);
});
