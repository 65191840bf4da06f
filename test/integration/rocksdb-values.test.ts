import { describe, expect, it } from "vitest";
import { nameOf } from "../../src/engine/rocksdb/stored-map.ts";
import type { ValueCodec } from "../../src/engine/rocksdb/stored-map.ts";
import { StoredTimers } from "../../src/engine/rocksdb/stored-timers.ts";
import { ValueStore } from "../../src/engine/rocksdb/value-store.ts";
import { random } from "../builders/random.ts";
import type { Random } from "../builders/random.ts";
import { rocksFolder } from "../servers/rocksdb.ts";

const rocks = rocksFolder();
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
