import { describe, expect, it } from "vitest";
import { readRows, RowWriter } from "./row-codec.ts";
import type { SavedRow } from "./row-codec.ts";

const row = (side: 0 | 1, ts: number, text: string): SavedRow => {
  const key = Buffer.from('"k"');
  const bytes = Buffer.from(text);
  const at = { bytes, start: 0, end: bytes.length };
  return { side, matched: side === 1, ts, key: { bytes: key, start: 0, stop: key.length }, row: at };
};

function chunkOf(...rows: SavedRow[]): Buffer {
  const writer = new RowWriter(42);
  for (const saved of rows) writer.add(saved);
  return writer.take();
}

function read(chunk: Buffer): { watermark: number; rows: unknown[] } {
  const rows: unknown[] = [];
  const watermark = readRows(chunk, ({ side, matched, ts, key, row: at }) => {
    const text = (bytes: Uint8Array, from: number, to: number): string =>
      Buffer.from(bytes.subarray(from, to)).toString();
    rows.push([side, matched, ts, text(key.bytes, key.start, key.stop), text(at.bytes, at.start, at.end)]);
  });
  return { watermark, rows };
}

describe("saved rows of a join", () => {
  it("are read as they were written, byte for byte", () => {
    expect(read(chunkOf(row(0, 1.5, '{"a":1.0}'), row(1, -7, "x".repeat(100_000))))).toEqual({
      watermark: 42,
      rows: [
        [0, false, 1.5, '"k"', '{"a":1.0}'],
        [1, true, -7, '"k"', "x".repeat(100_000)],
      ],
    });
  });

  it("that end in the middle, or go on behind the end, are damage", () => {
    const chunk = chunkOf(row(0, 1, "{}"), row(1, 2, "{}"));
    for (const length of [0, 11, 20, chunk.length - 1])
      expect(() => read(chunk.subarray(0, length))).toThrow("ends in the middle of a row");
    expect(() => read(Buffer.concat([chunk, Buffer.from("x")]))).toThrow("ends in the middle of a row");
  });
});
