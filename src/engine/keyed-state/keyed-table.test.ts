import { expect, it } from "vitest";
import { cellLayout } from "../windows/cells.ts";
import { murmur2 } from "../windows/murmur2.ts";
import { KeyedTable } from "./keyed-table.ts";

const layout = cellLayout([{ name: "n", fn: "count", arg: null }], { own: 2 });
const COUNT = 2;

function table(ttlMs: number): KeyedTable {
  return new KeyedTable({ node: "t", stateSignature: "s", layout, ttlMs });
}

/** Counts a record of the key; tells how many there are. */
function add(to: KeyedTable, key: string, ts: number): number {
  const bytes = Buffer.from(key);
  Object.assign(to.key, { bytes, start: 0, stop: bytes.length, hash: murmur2(bytes, 0, bytes.length) });
  const entry = to.entry(0);
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
