import { describe, expect, it } from "vitest";
import { noRowAt } from "../../src/engine/joins/row.ts";
import type { IncomingRow } from "../../src/engine/joins/row.ts";
import type { Database, RocksState } from "../../src/engine/rocksdb/database.ts";
import { JoinRows } from "../../src/engine/rocksdb/join-rows.ts";
import { SoughtKey } from "../../src/engine/rocksdb/stored-log.ts";
import { nameOf } from "../../src/engine/rocksdb/stored-map.ts";
import type { ValueCodec } from "../../src/engine/rocksdb/stored-map.ts";
import { StoredTimers } from "../../src/engine/rocksdb/stored-timers.ts";
import { ValueStore } from "../../src/engine/rocksdb/value-store.ts";
import type { PipelineNode } from "../../src/api/pipeline.schema.ts";
import { backendRigs, send, stateOf } from "../builders/backend-rig.ts";
import type { Event } from "../builders/backend-rig.ts";
import { heldObjects } from "../builders/held-buffers.ts";
import { random } from "../builders/random.ts";
import type { Random } from "../builders/random.ts";
import { rocksFolder } from "../servers/rocksdb.ts";

const rocks = rocksFolder();
const rig = backendRigs();
const ON = { leftKey: "left.k", rightKey: "right.k", select: { k: "left.k", l: "left.v" } };
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

  it("count what is held until it is released", () => {
    const store = new ValueStore(rocks.state().open("node"), 1e9);
    const [kept, released] = [store.map(0, texts), store.map(1, texts)];
    for (const map of [kept, released]) map.put(nameOf(0, "a"), "x".repeat(10_000));
    store.flush();
    expect(store.bytes).toBeGreaterThan(40_000);
    store.release(released);
    expect(store.bytes).toBe(kept.bytes);
    expect(kept.get(nameOf(0, "a"))).toHaveLength(10_000);
  });

  it.each(["before any of them was dropped", "after some were dropped"])(
    "leave nothing in memory when they are gone, however many come and go %s",
    (when) => {
      const store = new ValueStore(rocks.state().open("node"), 100_000, { late: true });
      const map = store.map(0, texts);
      let n = 0;
      const come = (): void => {
        store.room();
        map.add(nameOf(0, `${n++}`), "text");
      };
      while (when.startsWith("after") && !store.cold) come();
      const before = heldObjects();
      for (let i = 0; i < 200_000; i++) {
        come();
        map.delete(nameOf(0, `${n - 50}`));
      }
      const held = heldObjects() - before;
      console.log(`200,000 objects that came and went ${when}: ${held} bytes held`);
      expect(map.size).toBeLessThan(1_000);
      expect(held).toBeLessThan(10_000_000);
    },
  );

  const BATCHES = 400;
  const HOT = 50;
  /** In each batch all hot objects, changed or not, and some that are asked for only once. */
  const hotAndCold = (late: boolean, change: boolean): { read: number; written: number; most: number } => {
    const sum = { written: 0, read: 0 };
    const store = new ValueStore(counted(sum).open("node"), 100_000, { late });
    const map = store.map(0, texts);
    const text = "x".repeat(100);
    let most = 0;
    for (let batch = 0; batch < BATCHES; batch++) {
      const hot = Array.from({ length: HOT }, (_, i) => nameOf(0, `hot-${i}`));
      for (const name of hot) map.want(name);
      store.fetch();
      for (const name of hot) {
        store.room();
        if (map.get(name) === undefined || change) map.put(name, `${text}${batch}`);
      }
      for (let i = 0; i < 20; i++) {
        store.room();
        map.add(nameOf(1, `${batch}-${i}`), text);
      }
      store.room();
      most = Math.max(most, store.bytes);
      store.forgetAhead();
    }
    for (let i = 0; i < HOT; i++) expect(map.get(nameOf(0, `hot-${i}`))).toMatch(change ? `${BATCHES - 1}` : "x0");
    for (let i = 0; i < BATCHES; i += 50) expect(map.get(nameOf(1, `${i}-7`))).toBe(text);
    return { ...sum, most };
  };

  it.each([
    [false, true],
    [true, true],
    [true, false],
  ])(
    "stay in memory while they are asked for, however many others come and go (late %s, changed %s)",
    (late, change) => {
      const { read, written, most } = hotAndCold(late, change);
      console.log(`objects in use beside ${20 * BATCHES} others: ${read} bytes read, ${written} written, ${most} held`);
      expect(most).toBeLessThanOrEqual(100_000);
      expect(read).toBeLessThan(20 * BATCHES * 10);
    },
  );

  it("are held for a snapshot as they were, and what it alone has is not free", () => {
    const store = new ValueStore(rocks.state().open("node"), 100_000, { late: true });
    const map = store.map(0, texts);
    const put = (v: string): void => {
      for (let i = 0; i < 50; i++) map.put(nameOf(0, `${i}`), v.repeat(200));
    };
    put("a");
    const { number, of } = store.barrier();
    const unwritten = map.unwritten();
    put("b");
    expect(store.heldBytes).toBeGreaterThan(20_000);
    put("c");
    expect([...unwritten.values()].map((held) => [held.number < number, held.value?.[0]])).toEqual(
      Array.from({ length: 50 }, () => [true, "a"]),
    );
    expect([...map.unwritten().values()].every((held) => held.number >= number && held.value?.[0] === "c")).toBe(true);
    expect(store.heldBytes).toBeLessThan(40_000);
    of.release();
    store.letGo();
    expect(store.heldBytes).toBe(0);
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
    const rows = new JoinRows(counted(sum).open("node"), 0);
    const log = rows.log({ shard: 1, side: 0, end: 60_000, until: 60_000 });
    const add = (): Cost => {
      const before = { ...sum };
      for (let i = 0; i < PART; i++) {
        rows.room();
        log.add(rowOf(log.n));
        rows.grew(log, 0);
      }
      rows.room();
      return cost(before, sum);
    };
    const costs = Array.from({ length: 8 }, add);
    console.log(
      `bytes for ${PART} rows of one key: ${costs.map(({ written, read }) => `${written}+${read}`).join(" ")}`,
    );
    expect(costs.at(-1)?.written).toBeLessThan((costs[1]?.written as number) * 1.1);
    expect(costs.at(-1)?.read).toBeLessThan((costs[1]?.read as number) * 1.1);
    const sought = new SoughtKey(rows.keys, 1, { range: { bytes: key, start: 0, stop: 1 }, hash: 0 });
    const found = log.partners(sought, { from: 1_995, to: 2_004 });
    expect(found).toEqual([1_995, 1_996, 1_997, 1_998, 1_999, 2_000, 2_001, 2_002, 2_003, 2_004]);
    const all = log.partners(sought, { from: -Infinity, to: Infinity });
    expect(all.map((number) => log.read(number, noRowAt()))).toEqual(Array.from({ length: log.n }, (_, i) => i));
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

describe("what is read ahead for a join in RocksDB", () => {
  const big = "x".repeat(500);
  const within = { ...ON, interval: { before: "10s", after: "10s" } };
  const named = (name: string, ts: number, v = ""): Event[] =>
    Array.from({ length: 100 }, (_, i) => ({ k: `${name}-${i}`, ts, v }));
  /** What a batch of one side costs after others of the other side. */
  const readBy = (join: PipelineNode["join"], cacheBytes: number, [before, batch]: [Event[], Event[]]) => {
    const { startOn, take } = rig({ join });
    const sum = { written: 0, read: 0, calls: 0 };
    const program = startOn({ rocks: counted(sum, cacheBytes) });
    send(program, before);
    take();
    const start = { ...sum };
    send(program, batch, 0, "others");
    return { bytes: sum.read - start.read, calls: sum.calls - start.calls, pairs: take().length };
  };

  it("is not so much that it must be read twice", () => {
    const before = Array.from({ length: 80 }, (_, ts) => named("key", ts, big)).flat();
    const { bytes, pairs } = readBy(within, 300_000, [before, named("key", 0)]);
    expect(pairs).toBe(8_000);
    console.log(`bytes read for each partner of a batch with more of them than the cache: ${bytes / pairs}`);
    expect(bytes / pairs).toBeLessThan(800);
  });

  it("is nothing for null, which meets nothing", () => {
    const none = { k: null as unknown as string, ts: 0, v: big };
    const before = Array.from({ length: 2_000 }, () => none);
    const { bytes, pairs } = readBy({ ...within, type: "Left" }, 300_000, [before, [none, none]]);
    expect([bytes, pairs]).toEqual([0, 0]);
  });

  it("is one key's rows once, whatever number of a batch's records have it", () => {
    const hot = (n: number): Event[] => Array.from({ length: n }, (_, ts) => ({ k: "hot", ts }));
    const few = Array.from({ length: 5 }, (_, ts) => named("key", ts)).flat();
    const cold = Array.from({ length: 20 }, (_, ts) => named("cold", ts, big)).flat();
    const { calls, pairs } = readBy(within, 1_000_000, [
      [...hot(192), ...few, ...cold],
      [...hot(200), ...named("key", 0)],
    ]);
    expect(pairs).toBe(200 * 192 + 500);
    expect(calls).toBeLessThan(10);
  });
});

describe("temporal joins in RocksDB", () => {
  const join = { ...ON, temporal: {}, type: "Left" } satisfies PipelineNode["join"];
  const some = (ts: number): Event[] => Array.from({ length: 100 }, (_, i) => ({ k: `key-${i}`, ts, v: ts }));

  it("write and read nothing while what waits and the versions are few", () => {
    const { startOn, take } = rig({ join });
    const sum = { written: 0, read: 0 };
    const program = startOn({ rocks: counted(sum, 1_000_000) });
    for (let ts = 0; ts < 100; ts++) {
      for (const source of ["others", "events"]) send(program, some(ts), 0, source);
      for (const source of ["others", "events"]) program.advanceWatermark(source, ts - 1);
    }
    expect(take()).toHaveLength(9_900);
    expect(sum).toEqual({ written: 0, read: 0 });
  });

  it("go on while a checkpoint holds more than there is room for", () => {
    const { startOn, take } = rig({ join });
    const program = startOn({ rocks: rocks.state({ cacheBytes: 0 }) });
    send(program, some(1), 0, "others");
    const snapshot = stateOf(program).beginSnapshot();
    for (const source of ["others", "events"]) send(program, some(2), 0, source);
    snapshot.release();
    for (const source of ["others", "events"]) program.advanceWatermark(source, 2);
    expect(take()).toHaveLength(100);
  });

  it("have the rows that are due first in memory, and the others in the database", () => {
    const { startOn, take } = rig({ join });
    const sum = { written: 0, read: 0 };
    const program = startOn({ rocks: counted(sum, 400_000) });
    for (let ts = 0; ts < 100; ts++) send(program, some(ts < 50 ? 2 * ts : 199 - 2 * ts));
    send(program, [{ k: "last", ts: 60, v: 60 }]);
    expect(sum.written).toBeGreaterThan(100_000);
    sum.read = 0;
    const pass = (watermark: number): void => {
      for (const source of ["others", "events"]) program.advanceWatermark(source, watermark);
    };
    pass(2);
    expect([take().length, sum.read]).toEqual([300, 0]);
    expect(stateOf(program).size()).toBe(9_701);
    pass(100);
    const given = Array.from({ length: 97 }, (_, i) => some(i + 3).map(({ k, ts }) => [k, ts])).flat();
    given.splice(
      given.findIndex(([, ts]) => ts === 61),
      0,
      ["last", 60],
    );
    expect(take().map(({ k, l }) => [k, l])).toEqual(given);
    expect(sum.read).toBeGreaterThan(100_000);
  });
});

describe("sessions in RocksDB", () => {
  it("that records still come to stay in memory, however many others wait for their end", () => {
    const count = { aggregate: { n: "count()" } };
    const { startOn, take } = rig({ keyBy: "event.k", window: { session: { gap: "10s" } }, ...count });
    const sum = { written: 0, read: 0 };
    const program = startOn({ rocks: counted(sum, 200_000) });
    for (let batch = 0; batch < 200; batch++) {
      const once = Array.from({ length: 20 }, (_, i) => ({ k: `once-${batch}-${i}`, ts: 10 * batch }));
      send(program, [...once, ...Array.from({ length: 100 }, (_, i) => ({ k: `hot-${i % 50}`, ts: 10 * batch }))]);
    }
    console.log(`sessions that outgrow the cache: ${JSON.stringify(sum)}`);
    expect(sum.written).toBeGreaterThan(200_000);
    // Whether a key has a session is asked; what it has become, only of those that went.
    expect(sum.read).toBeLessThan(200 * 20 * 10);
    program.end("events");
    const given = take();
    expect([given.length, given.filter(({ n }) => n === 400).length]).toEqual([4_050, 50]);
  });

  it("are written when what they have become is more than the cache holds, and not before", () => {
    const last = { aggregate: { last: "last(event.v)" } };
    const { startOn, take } = rig({ keyBy: "event.k", window: { session: { gap: "10s" } }, ...last });
    const sum = { written: 0, read: 0 };
    const program = startOn({ rocks: counted(sum, 1_000_000) });
    const all = (v: string): void => {
      send(
        program,
        Array.from({ length: 200 }, (_, i) => ({ k: `key-${i}`, ts: 1, v })),
      );
    };
    for (let i = 0; i < 20; i++) all("short");
    expect(sum.written).toBe(0);
    for (let i = 0; i < 2; i++) all("x".repeat(10_000));
    expect(sum.written).toBeGreaterThan(1_000_000);
    program.advanceWatermark("events", 20_000);
    expect(take()).toHaveLength(200);
  });

  it("whose values only grow are written at checkpoints: what they have become is known then", () => {
    const { startOn, take } = rig({
      keyBy: "event.k",
      window: { session: { gap: "10s" } },
      aggregate: { kinds: "countDistinct(event.v)" },
    });
    const sum = { written: 0, read: 0 };
    const program = startOn({ rocks: counted(sum, 100_000) });
    for (let round = 0; round < 5; round++) {
      send(
        program,
        Array.from({ length: 200 }, (_, i) => ({ k: `key-${i % 10}`, ts: 1, v: `${round}-${i}-${"x".repeat(200)}` })),
      );
      stateOf(program).beginSnapshot().release();
    }
    expect([sum.written > 100_000, sum.read > 100_000]).toEqual([true, true]);
    program.advanceWatermark("events", 20_000);
    expect(take().map(({ kinds }) => kinds)).toEqual(Array.from({ length: 10 }, () => 100));
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

/** State that counts the bytes that it writes and reads, and keeps nothing more in memory from record to record. */
function counted(sum: Cost & { calls?: number }, cacheBytes = 0): RocksState {
  const state = rocks.state({ cacheBytes });
  const open = (node: string): Database => {
    const database = state.open(node);
    const [read, write] = [database.read.bind(database), database.write.bind(database)];
    database.read = (...of) => {
      const found = read(...of);
      sum.read += found.length;
      sum.calls = (sum.calls ?? 0) + 1;
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
const key = Buffer.from("k");
const rowOf = (ts: number): IncomingRow => ({
  ts,
  key,
  keyStart: 0,
  keyEnd: key.length,
  hash: 0,
  bytes,
  start: 0,
  end: bytes.length,
});
