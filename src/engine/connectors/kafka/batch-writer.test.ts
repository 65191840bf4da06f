import { describe, expect, it } from "vitest";
import { outRecord } from "../../../../test/builders/connector-context.ts";
import { BatchWriter, none, stamp } from "./batch-writer.ts";
import { BATCH_HEADER, decodeRecords, readBatchHeader, recordColumns, recordCursor } from "./record-batch.ts";
import { splitBatch } from "./split-batch.ts";

const tombstone = { ...outRecord("k", "", 5), start: 3, end: 2 };

function decoded(bytes: Buffer): { len: number[]; ts: number[] } {
  stamp(bytes, { id: 1n, epoch: 0 }, 0);
  const header = readBatchHeader(bytes, 0, bytes.length);
  if (header === undefined) throw new Error("not whole");
  const columns = recordColumns(8);
  const n = decodeRecords(recordCursor(header, bytes, BATCH_HEADER, header.end), columns, 0, {
    fromOffset: 0,
    maxRecords: 8,
    maxBytes: Infinity,
  });
  return { len: [...columns.len.subarray(0, n)], ts: [...columns.ts.subarray(0, n)] };
}

describe("a written record batch", () => {
  it("holds a record without a value as one, and the records behind it, also when it is cut in two", () => {
    const writer = new BatchWriter(Buffer.alloc(1024));
    for (const record of [outRecord("k", "abc", 5), tombstone, outRecord(null, "de", 5)]) writer.append(record);
    const batch = writer.seal();
    expect(decoded(batch.bytes).len).toEqual([3, -1, 2]);
    expect(splitBatch(batch, none).flatMap((half) => decoded(half.bytes).len)).toEqual([3, -1, 2]);
  });

  it("takes times before 1970 as 1970, because brokers refuse negative ones when they compact", () => {
    const writer = new BatchWriter(Buffer.alloc(1024));
    for (const ts of [-5, 10, -1, 3]) writer.append(outRecord(null, "a", ts));
    expect(decoded(writer.seal().bytes).ts).toEqual([0, 10, 0, 3]);
  });
});
