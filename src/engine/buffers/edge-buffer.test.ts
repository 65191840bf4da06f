import { describe, expect, it } from "vitest";
import type { BufferStrategy } from "../plan.ts";
import { EdgeBuffer } from "./edge-buffer.ts";

const bufferOf = (strategy: BufferStrategy, size: number): EdgeBuffer =>
  new EdgeBuffer({ node: "slow~buffer", reader: "slow", inputs: [], size, strategy, key: null });

function put(buffer: EdgeBuffer, value: string, { key, split = 0 }: { key?: string; split?: number } = {}): void {
  const keyBytes = key === undefined ? undefined : Buffer.from(key);
  const bytes = Buffer.from(`<${value}>`);
  const record = { value: bytes, start: 1, end: bytes.length - 1, ts: 7 };
  buffer.append({ ...record, key: keyBytes, keyStart: 0, keyEnd: keyBytes?.length ?? -1 }, split);
}

/** Everything that comes out: records as text with their split, watermarks as numbers. */
function drain(buffer: EdgeBuffer): (string | number | boolean)[] {
  const out: (string | number | boolean)[] = [];
  for (let next = buffer.next(); next !== undefined; next = buffer.next()) {
    if (!("kind" in next)) {
      for (let i = 0; i < next.n; i++) {
        const start = next.off[i] ?? 0;
        out.push(`${next.split}:${next.buf.toString("utf8", start, start + (next.len[i] ?? 0))}`);
      }
    } else out.push(next.kind === "watermark" ? next.watermark : next.idle);
  }
  return out;
}

describe("a buffer", () => {
  it("gives records, watermarks and idleness in the order they came, and each batch is of one split", () => {
    const buffer = bufferOf("Buffer", 10);
    put(buffer, "a");
    put(buffer, "b", { split: 1 });
    buffer.watermark(5);
    buffer.watermark(6);
    put(buffer, "c");
    buffer.idle(true);
    expect(buffer.pending).toBe(3);
    expect(drain(buffer)).toEqual(["0:a", "1:b", 6, "0:c", true]);
    expect(buffer.pending).toBe(0);
  });

  it("with Buffer is full at its size and still takes what has been read", () => {
    const buffer = bufferOf("Buffer", 2);
    put(buffer, "a");
    expect(buffer.full).toBe(false);
    put(buffer, "b");
    expect(buffer.full).toBe(true);
    put(buffer, "c");
    expect(drain(buffer)).toEqual(["0:a", "0:b", "0:c"]);
    expect([buffer.full, buffer.dropped]).toEqual([false, 0]);
  });

  it("counts what went on without room behind it as if it were still there, until there is room", () => {
    const buffer = bufferOf("Buffer", 2);
    put(buffer, "a");
    buffer.next(true);
    expect([buffer.pending, buffer.full]).toEqual([0, false]);
    put(buffer, "b");
    expect(buffer.full).toBe(true);
    buffer.next(true);
    expect([buffer.pending, buffer.full]).toEqual([0, true]);
    expect([buffer.regain(), buffer.full, buffer.regain()]).toEqual([true, false, false]);
  });

  it("with Drop keeps the oldest and counts the others", () => {
    const buffer = bufferOf("Drop", 2);
    for (const value of ["a", "b", "c", "d"]) put(buffer, value);
    expect([buffer.full, buffer.dropped]).toEqual([false, 2]);
    expect(drain(buffer)).toEqual(["0:a", "0:b"]);
  });

  it("with Latest keeps the newest and counts the others", () => {
    const buffer = bufferOf("Latest", 2);
    for (const value of ["a", "b", "c", "d"]) put(buffer, value);
    expect(buffer.dropped).toBe(2);
    expect(drain(buffer)).toEqual(["0:c", "0:d"]);
  });

  it("with Latest by key keeps the newest of each key, and of too many keys the newest", () => {
    const buffer = bufferOf("Latest", 2);
    for (const [key, value] of ["x1", "y1", "x2", "y2", "z1"]) put(buffer, `${key}${value}`, { key: key ?? "" });
    expect(buffer.dropped).toBe(3);
    expect(drain(buffer)).toEqual(["0:y2", "0:z1"]);
  });

  it("with Error refuses the record that does not fit and says what to do", () => {
    const buffer = bufferOf("Error", 1);
    put(buffer, "a");
    expect(() => put(buffer, "b")).toThrow(/the buffer before "slow" is full with 1 records.*make "slow" faster/);
  });

  it("holds no more than its size while nobody reads, however much comes, and its newest watermark", () => {
    const buffer = bufferOf("Latest", 3);
    for (let i = 0; i < 100_000; i++) {
      put(buffer, String(i), { key: String(i % 5) });
      buffer.watermark(i);
    }
    const held = (buffer as unknown as { items: unknown[] }).items.length;
    expect(held).toBeLessThan(5000);
    expect(buffer.pending).toBe(3);
    const out = drain(buffer);
    expect(out.filter((o) => typeof o === "string")).toEqual(["0:99997", "0:99998", "0:99999"]);
    expect(out.at(-1)).toBe(99_999);
  });

  it("hands a tombstone on as one", () => {
    const buffer = bufferOf("Buffer", 5);
    buffer.append({ value: Buffer.from("x"), start: 0, end: -1, key: undefined, keyStart: 0, keyEnd: -1, ts: 7 }, 0);
    const batch = buffer.next();
    expect(batch).toMatchObject({ n: 1 });
    expect(batch !== undefined && "len" in batch && batch.len[0]).toBe(-1);
  });

  it("does not overtake a watermark with a record that replaces an older one", () => {
    const buffer = bufferOf("Latest", 5);
    put(buffer, "old", { key: "k" });
    buffer.watermark(10);
    put(buffer, "new", { key: "k" });
    expect(drain(buffer)).toEqual([10, "0:new"]);
  });
});
