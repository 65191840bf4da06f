import { expect, it } from "vitest";
import { cellLayout } from "../windows/cells.ts";
import { murmur2 } from "../windows/murmur2.ts";
import { KeyedTable } from "./keyed-table.ts";

const layout = cellLayout([{ name: "n", fn: "count", arg: null }], { own: 2 });
const COUNT = 2;

const lasts = cellLayout([{ name: "v", fn: "last", arg: "event.v" }], { own: 2 });

function table(ttlMs: number): KeyedTable {
  return new KeyedTable({ node: "t", stateSignature: "s", layout, ttlMs });
}

function entryOf(to: KeyedTable, key: string): number {
  const bytes = Buffer.from(key);
  Object.assign(to.key, { bytes, start: 0, stop: bytes.length, hash: murmur2(bytes, 0, bytes.length) });
  return to.entry(0);
}

/** Counts a record of the key; tells how many there are. */
function add(to: KeyedTable, key: string, ts: number): number {
  const entry = entryOf(to, key);
  const at = entry * layout.cells + COUNT;
  to.bucket.cells[at] = (to.bucket.cells[at] as number) + 1;
  to.written(0, entry, ts);
  return to.bucket.cells[at] as number;
}

it("gives the room of forgotten keys back, and keeps the others as they are", () => {
  const t = table(100);
  for (let i = 0; i < 5000; i++) add(t, `old-${i}`, 0);
  for (let i = 0; i < 10; i++) add(t, `new-${i}`, 90);
  t.advance(99, () => undefined);
  expect(t.size()).toBe(5010);
  t.advance(100, () => undefined);
  expect(t.size()).toBe(10);
  t.advance(149, () => undefined);
  expect(add(t, "new-3", 100)).toBe(2);
  expect(add(t, "old-3", 100)).toBe(1);
  expect(t.bucket.n).toBeLessThan(20);
});

it("gives the room of keys back that come and go, also without a time to live", () => {
  const t = table(0);
  for (let i = 0; i < 100_000; i++) {
    add(t, `key-${i % 7}`, i);
    t.remove(0, t.bucket.n - 1);
  }
  expect(t.size()).toBe(0);
  expect(t.bucket.n).toBeLessThan(3000);
});

it("saves what was there at the barrier while keys change, are forgotten and the table is made smaller", () => {
  const t = table(100);
  for (let i = 0; i < 3000; i++) add(t, `key-${i}`, i < 1000 ? 0 : 1000);
  t.advance(50, () => undefined);
  const snapshot = t.beginSnapshot();
  for (let i = 0; i < 3000; i++) add(t, `key-${i}`, 1001);
  t.advance(5000, () => undefined);
  add(t, "other", 5000);
  const restored = table(100);
  restored.restore(0, [...snapshot.chunks(0)], t.stateVersion);
  snapshot.release();
  expect(restored.size()).toBe(3000);
  expect(add(restored, "key-0", 60)).toBe(2);
  expect(add(restored, "other", 60)).toBe(1);
});

it("holds last values that are numbers, texts, and numbers again, as they were at the barrier", () => {
  const values = [1, "a", -0.5, null, 1_700_000_000_000, { b: 2 }];
  const make = (): KeyedTable => new KeyedTable({ node: "t", stateSignature: "s", layout: lasts, ttlMs: 0 });
  const held = (from: KeyedTable): unknown[] =>
    values.map((_, i) => {
      const entry = entryOf(from, `key-${i}`);
      const text = from.bucket.held(entry, 0);
      return typeof text === "string" ? (JSON.parse(text) as unknown) : text;
    });
  const set = (to: KeyedTable, shift: number): void =>
    values.forEach((_, i) => {
      const entry = entryOf(to, `key-${i}`);
      to.bucket.hold(entry, 0, values[(i + shift) % values.length]);
      to.written(0, entry, 0);
    });
  const t = make();
  for (let shift = 0; shift < values.length; shift++) {
    set(t, shift);
    const before = held(t);
    expect(before).toEqual(values.map((_, i) => values[(i + shift) % values.length]));
    const snapshot = t.beginSnapshot();
    set(t, shift + 1);
    const restored = make();
    restored.restore(0, [...snapshot.chunks(0)], t.stateVersion);
    snapshot.release();
    expect(held(restored)).toEqual(before);
  }
});
