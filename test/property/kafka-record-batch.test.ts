import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BatchWriter, stamp } from "../../src/engine/connectors/kafka/batch-writer.ts";
import { compressionOf, decompress } from "../../src/engine/connectors/kafka/compression.ts";
import {
  BATCH_HEADER,
  checksumHolds,
  decodeRecords,
  readBatchHeader,
  recordColumns,
  recordCursor,
} from "../../src/engine/connectors/kafka/record-batch.ts";
import {
  readVarint,
  readVarlong,
  varint,
  varintSize,
  writeVarint,
  writeVarlong,
} from "../../src/engine/connectors/kafka/varint.ts";
import { splitBatch } from "../../src/engine/connectors/kafka/split-batch.ts";

interface Plain {
  readonly key: string | null;
  readonly value: string;
  readonly ts: number;
}

const plain = fc.record({
  key: fc.option(fc.string({ unit: "grapheme", maxLength: 300 })),
  value: fc.string({ unit: "grapheme", maxLength: 2000 }),
  ts: fc.oneof(fc.integer({ min: 0, max: 2 ** 45 }), fc.integer({ min: 1.7e12, max: 1.8e12 })),
});
const codec = fc.constantFrom("None" as const, "Gzip" as const, "Snappy" as const, "Lz4" as const, "Zstd" as const);
const none = compressionOf("None");

function write(records: readonly Plain[], compression = none) {
  const writer = new BatchWriter(Buffer.alloc(4 * 1024 * 1024));
  for (const { key, value, ts } of records) {
    // Behind and before other bytes: ranges of a larger buffer are what chains hand over.
    const bytes = Buffer.from(`##${value}##`);
    const keyBytes = Buffer.from(`#${key ?? ""}`);
    writer.append({
      value: bytes,
      start: 2,
      end: bytes.length - 2,
      key: key === null ? undefined : keyBytes,
      keyStart: 1,
      keyEnd: key === null ? -1 : keyBytes.length,
      ts,
    });
  }
  const sealed = writer.seal(compression);
  stamp(sealed.bytes, { id: 42n, epoch: 3 }, 7);
  return sealed;
}

function read(bytes: Buffer, piece = Infinity, fromOffset = 0): Plain[] {
  const header = readBatchHeader(bytes, 0, bytes.length);
  if (header === undefined) throw new Error("not whole");
  expect(checksumHolds(bytes, header)).toBe(true);
  const data = decompress(header.compression, bytes.subarray(BATCH_HEADER, header.end));
  const cursor = recordCursor(header, data, 0, data.length);
  const found: Plain[] = [];
  const columns = recordColumns(header.records);
  while (cursor.left > 0) {
    const n = decodeRecords(cursor, columns, 0, { fromOffset, maxRecords: piece, maxBytes: Infinity });
    for (let i = 0; i < n; i++) {
      const [off, len, keyOff, keyLen] = [columns.off, columns.len, columns.keyOff, columns.keyLen].map(
        (column) => column[i] as number,
      ) as [number, number, number, number];
      found.push({
        key: keyLen < 0 ? null : data.toString("utf8", keyOff, keyOff + keyLen),
        value: data.toString("utf8", off, off + len),
        ts: columns.ts[i] as number,
      });
    }
  }
  return found;
}

describe("record batches", () => {
  it("give back what was written, in pieces of any size and with every codec", () => {
    const done = { batches: 0, records: 0 };
    fc.assert(
      fc.property(
        fc.array(plain, { minLength: 1, maxLength: 60 }),
        codec,
        fc.integer({ min: 1, max: 70 }),
        (records, name, piece) => {
          done.batches++;
          done.records += records.length;
          expect(read(write(records, compressionOf(name)).bytes, piece)).toEqual(records);
        },
      ),
      { numRuns: 400 },
    );
    console.log(`record batches: ${JSON.stringify(done)}, 0 differences`);
  });

  it("leave out what lies before the offset asked for", () => {
    fc.assert(
      fc.property(fc.array(plain, { minLength: 1, maxLength: 30 }), fc.nat(40), (records, from) => {
        expect(read(write(records).bytes, Infinity, from)).toEqual(records.slice(from));
      }),
      { numRuns: 100 },
    );
  });

  it("are cut into halves that hold the same records", () => {
    fc.assert(
      fc.property(fc.array(plain, { minLength: 2, maxLength: 40 }), codec, (records, name) => {
        const compression = compressionOf(name);
        const parts = splitBatch(write(records, compression), compression);
        expect(parts.map((part) => part.records)).toEqual([
          Math.ceil(records.length / 2),
          Math.floor(records.length / 2),
        ]);
        for (const part of parts) stamp(part.bytes, { id: 1n, epoch: 0 }, 0);
        expect(parts.flatMap((part) => read(part.bytes))).toEqual(records);
      }),
      { numRuns: 100 },
    );
  });

  it("with a flipped bit fail their checksum", () => {
    fc.assert(
      fc.property(
        fc.array(plain, { minLength: 1, maxLength: 5 }),
        fc.nat(),
        fc.integer({ min: 0, max: 7 }),
        (records, at, bit) => {
          const { bytes } = write(records);
          const place = 21 + (at % (bytes.length - 21));
          bytes[place] = (bytes[place] as number) ^ (1 << bit);
          const header = readBatchHeader(bytes, 0, bytes.length);
          expect(header !== undefined && checksumHolds(bytes, header)).toBe(false);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("that are cut short are no batch, and nonsense behind a good checksum is refused without reading past its end", () => {
    fc.assert(
      fc.property(
        fc.array(plain, { minLength: 1, maxLength: 5 }),
        fc.uint8Array({ minLength: 1, maxLength: 200 }),
        (records, noise) => {
          const { bytes } = write(records);
          expect(readBatchHeader(bytes, 0, bytes.length - 1)).toBeUndefined();
          const hostile = Buffer.concat([bytes.subarray(0, BATCH_HEADER), noise]);
          hostile.writeInt32BE(hostile.length - 12, 8);
          const header = readBatchHeader(hostile, 0, hostile.length);
          if (header === undefined) throw new Error("the header is whole");
          const columns = recordColumns(1000);
          const cursor = recordCursor(header, hostile, BATCH_HEADER, hostile.length);
          try {
            const n = decodeRecords(cursor, columns, 0, { fromOffset: 0, maxRecords: 1000, maxBytes: Infinity });
            for (let i = 0; i < n; i++) {
              expect((columns.off[i] as number) + Math.max(0, columns.len[i] as number)).toBeLessThanOrEqual(
                hostile.length,
              );
              expect((columns.keyOff[i] as number) + Math.max(0, columns.keyLen[i] as number)).toBeLessThanOrEqual(
                hostile.length,
              );
            }
          } catch (error) {
            expect(error).toMatchObject({ code: "RECORD_MALFORMED" });
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("varints", () => {
  it("give back every number of their range, in the size they announce", () => {
    const buf = Buffer.alloc(16);
    fc.assert(
      fc.property(fc.integer(), (value) => {
        const end = writeVarint(buf, 1, value);
        expect(readVarint(buf, 1)).toBe(value);
        expect([varint.end, end - 1]).toEqual([end, varintSize(value)]);
      }),
    );
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        // Zigzag doubles the number: timestamps use 2^52 of it at most.
        const half = Math.trunc(value / 2) || 0; // not -0, which no varint is
        const end = writeVarlong(buf, 1, half);
        expect(readVarlong(buf, 1)).toBe(half);
        expect(varint.end).toBe(end);
      }),
    );
  });
});
