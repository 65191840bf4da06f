import { expect, it } from "vitest";
import { BlockKeys } from "./block-keys.ts";

function list(keys: BlockKeys, fields: readonly string[]): { start: number; end: number } {
  const start = keys.at;
  for (const field of fields) {
    const bytes = Buffer.from(field);
    keys.item(start, bytes, 0, bytes.length);
  }
  return { start, end: keys.end() };
}

it("has the keys of a block one behind the other, however long they are", () => {
  const keys = new BlockKeys();
  const fields = Array.from({ length: 64 }, (_, i) => [`"${"x".repeat(i * 10)}"`, String(i)]);
  const places = fields.map((items) => list(keys, items));
  const texts = places.map(({ start, end }) => keys.bytes.toString("latin1", start, end));
  expect(texts).toEqual(fields.map((items) => `[${items.join(",")}]`));
});

it("begins anew with each block", () => {
  const keys = new BlockKeys();
  list(keys, ['"first"']);
  keys.begin();
  expect(list(keys, ["1"])).toEqual({ start: 0, end: 3 });
});
