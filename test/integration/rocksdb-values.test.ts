import { describe, expect, it } from "vitest";
import type { Database, RocksState } from "../../src/engine/rocksdb/database.ts";
import { StoredLog } from "../../src/engine/rocksdb/stored-log.ts";
import type { StoredRow } from "../../src/engine/rocksdb/stored-log.ts";
import { nameOf } from "../../src/engine/rocksdb/stored-map.ts";
import type { ValueCodec } from "../../src/engine/rocksdb/stored-map.ts";
import { StoredTimers } from "../../src/engine/rocksdb/stored-timers.ts";
import { ValueStore } from "../../src/engine/rocksdb/value-store.ts";
import { backendRigs, send } from "../builders/backend-rig.ts";
import { random } from "../builders/random.ts";
import type { Random } from "../builders/random.ts";
import { rocksFolder } from "../servers/rocksdb.ts";

const rocks = rocksFolder();
const rig = backendRigs();
const ON = { leftKey: "left.k", rightKey: "right.k", select: { l: "left.v" } };
const texts: ValueCodec<string> = { encode: (text) => Buffer.from(text), decode: (bytes) => bytes.toString() };

describe("objects by name in RocksDB", () => {
  it("keep what was changed between being wanted and being read", () => {
    const store = new ValueStore(rocks.state().open("node"), 0);
    const map = store.map(0, texts);
    map.put(nameOf(1, "a"), "old");
    store.room();
    expect(store.cold).toBe(true);
    for (const text of ["a", "b", "none"]) map.want(nameOf(1, text));
    map.put(nameOf(1, "a"), "new");
    map.put(nameOf(1, "b"), "new");
    store.fetch();
    expect(["a", "b", "none"].map((text) => map.get(nameOf(1, text)))).toEqual(["new", "new", undefined]);
  });

  it("count what is held until it is dropped", () => {
    const store = new ValueStore(rocks.state().open("node"), 1e9);
    const [kept, dropped] = [store.map(0, texts), store.map(1, texts)];
    for (const map of [kept, dropped]) map.put(nameOf(0, "a"), "x".repeat(10_000));
    store.flush();
    expect(store.bytes).toBeGreaterThan(40_000);
    store.drop(dropped, Buffer.of(1));
    expect(store.bytes).toBe(kept.bytes);
    expect(kept.get(nameOf(0, "a"))).toHaveLength(10_000);
  });
});

describe("rows of one key in RocksDB", () => {
  const PART = 1_000;
  const cost = (start: Cost, { written, read }: Cost): Cost => ({
    written: written - start.written,
    read: read - start.read,
  });

  it("cost as much to keep whether they are the first or the last of many", () => {
    const sum = { written: 0, read: 0 };
    const store = new ValueStore(counted(sum).open("node"), 0);
    const log = new StoredLog(store, { shard: 1, side: 0, end: 60_000 });
    const add = (): Cost => {
      const before = { ...sum };
      for (let i = 0; i < PART; i++) {
        store.room();
        log.add("k", rowOf(log.n));
      }
      return cost(before, sum);
    };
    const costs = Array.from({ length: 8 }, add);
    console.log(
      `bytes for ${PART} rows of one key: ${costs.map(({ written, read }) => `${written}+${read}`).join(" ")}`,
    );
    expect(costs.at(-1)?.written).toBeLessThan((costs[1]?.written as number) * 1.1);
    expect(costs.at(-1)?.read).toBeLessThan((costs[1]?.read as number) * 1.1);
    const found = Array.from(log.partners("k", { from: 1_995, to: 2_004 }), ({ number }) => number);
    expect(found).toEqual([1_995, 1_996, 1_997, 1_998, 1_999, 2_000, 2_001, 2_002, 2_003, 2_004]);
    expect(Array.from(log.rowsOf("k"), ({ row }) => row.ts)).toEqual(Array.from({ length: log.n }, (_, i) => i));
  });

  it("cost as much to give at the end of a window", () => {
    const reads = [PART, 4 * PART].map((rows) => {
      const { startOn, take } = rig({ join: { window: { size: "10s" }, type: "Left", ...ON } });
      const sum = { written: 0, read: 0 };
      const program = startOn({ rocks: counted(sum) });
      send(
        program,
        Array.from({ length: rows }, (_, i) => ({ k: "k", ts: 1, v: i })),
      );
      const before = { ...sum };
      program.advanceWatermark("events", 10_000);
      program.advanceWatermark("others", 10_000);
      expect(take().map(({ l }) => l)).toEqual(Array.from({ length: rows }, (_, i) => i));
      return cost(before, sum).read / rows;
    });
    console.log(`bytes read for each row of one key at the end of a window: ${reads.join(", ")}`);
    expect(reads[1]).toBeLessThan((reads[0] as number) * 1.1);
  });
});

describe("timers in RocksDB", () => {
  it("come in the order of a sorted list, however many there are and whenever they are added", () => {
    const seen = { timers: 0, most: 0 };
    for (const seed of [1, 2, 3]) inOrder(random(seed), seen);
    console.log(`timers in RocksDB: ${JSON.stringify(seen)}`);
    expect(seen.most).toBeGreaterThan(1_000);
  });
});

function inOrder(r: Random, seen: { timers: number; most: number }): void {
  const timers = new StoredTimers(rocks.state().open("node"), Buffer.of(7));
  let all: { at: number; id: string }[] = [];
  for (let turn = 0; turn < 60; turn++) {
    const from = turn * 100 - 2_000;
    for (let i = r.below(200); i > 0; i--) {
      const at = r.chance(0.02) ? Number.NEGATIVE_INFINITY : from + r.below(r.chance(0.5) ? 5_000 : 200);
      const timer = { at, id: `${String.fromCharCode(r.below(0xffff))}${seen.timers++}` };
      timers.add(at, timer.id);
      all.push(timer);
    }
    all = all.toSorted((a, b) => (a.at === b.at ? (a.id < b.id ? -1 : 1) : a.at - b.at));
    seen.most = Math.max(seen.most, all.length);
    expect(timers.next).toBe(all[0]?.at ?? Infinity);
    const by = turn === 59 ? Infinity : from + r.below(500);
    expect(taken(timers, by)).toEqual(all.splice(0, all.filter(({ at }) => at <= by).length));
  }
}

function taken(timers: StoredTimers, by: number): unknown[] {
  const all: unknown[] = [];
  for (let next = timers.take(by); next !== undefined; next = timers.take(by)) all.push(next);
  return all;
}

interface Cost {
  written: number;
  read: number;
}

/** State that counts the bytes that it writes and reads, and keeps nothing in memory from record to record. */
function counted(sum: Cost): RocksState {
  const state = rocks.state({ cacheBytes: 0 });
  const open = (node: string): Database => {
    const database = state.open(node);
    const [read, write] = [database.read.bind(database), database.write.bind(database)];
    database.read = (...of) => {
      const found = read(...of);
      sum.read += found.length;
      return found;
    };
    database.write = (operations) => {
      sum.written += operations.length;
      write(operations);
    };
    return database;
  };
  return { ...state, open };
}

const bytes = Buffer.from("x".repeat(100));
const rowOf = (ts: number): StoredRow => ({
  ts,
  key: Buffer.from("k"),
  matched: false,
  row: { bytes, start: 0, end: bytes.length },
});
