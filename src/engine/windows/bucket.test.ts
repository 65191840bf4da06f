import { expect, it } from "vitest";
import { Bucket } from "./bucket.ts";
import { cellLayout } from "./cells.ts";
import { murmur2 } from "./murmur2.ts";

const layout = cellLayout([], { own: 1 });

function put(bucket: Bucket, name: string): number {
  const bytes = Buffer.from(name);
  return bucket.obtain(bytes, 0, bytes.length, murmur2(bytes, 0, bytes.length));
}

it.each([0, 1, 8, 9, 255, 256, 257, 5000])("holds more keys than the %i that it was made for", (made) => {
  const before = new Bucket(0, layout, false);
  const names = Array.from({ length: made }, (_, i) => `key-${i}`);
  for (const name of names) put(before, name);

  const bucket = new Bucket(1, layout, false, before.filled);
  names.push("another", "x".repeat(1000));
  expect(names.map((name) => put(bucket, name))).toEqual(names.map((_, i) => i));
  expect(names.map((name) => put(bucket, name))).toEqual(names.map((_, i) => i));
  expect(bucket.n).toBe(names.length);
});

it("does not grow when as many keys come as before", () => {
  const before = new Bucket(0, layout, false);
  for (let i = 0; i < 1000; i++) put(before, `key-${i}`);
  const bucket = new Bucket(1, layout, false, before.filled);
  const { cells, keys } = bucket;
  for (let i = 0; i < 1000; i++) put(bucket, `key-${i}`);
  expect(bucket.cells).toBe(cells);
  expect(bucket.keys).toBe(keys);
});

it("finds the newer entry of a key that was renewed just when the bucket grew", () => {
  for (const dead of [0, 3, 7]) {
    const bucket = new Bucket(0, layout, false);
    const names = Array.from({ length: 8 }, (_, i) => `key-${i}`);
    for (const name of names) put(bucket, name);
    const key = Buffer.from(names[dead] as string);
    expect(bucket.renew(dead, key, 0, key.length)).toBe(8);
    expect(names.map((name) => put(bucket, name))).toEqual(names.map((_, i) => (i === dead ? 8 : i)));
    expect(bucket.n).toBe(9);
  }
});

it("leaves its memory to the next one, which finds nothing of it", () => {
  const before = new Bucket(0, layout, false);
  for (let i = 0; i < 300; i++) before.cells[put(before, `key-${i}`)] = 7;
  const memory = new Set([before.cells.buffer, before.keys.buffer]);
  const { filled } = before;
  before.free();
  expect([before.keys.length, before.cells.length]).toEqual([0, 0]);

  const bucket = new Bucket(1, layout, false, filled);
  expect(memory).toContain(bucket.cells.buffer);
  expect(memory).toContain(bucket.keys.buffer);
  expect([...bucket.stamps, ...bucket.marks].every((n) => n === 0)).toBe(true);
  for (let i = 299; i >= 0; i--) expect(put(bucket, `key-${i}`)).toBe(299 - i);
  expect([...bucket.cells.subarray(0, 300)].every((n) => n === 0)).toBe(true);
});
