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
