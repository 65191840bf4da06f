import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BatchDecoder } from "../../src/engine/connectors/kafka/batch-decoder.ts";
import { BatchWriter, stamp } from "../../src/engine/connectors/kafka/batch-writer.ts";
import { compressionOf, decompress } from "../../src/engine/connectors/kafka/compression.ts";
import {
  BATCH_HEADER,
  checksumHolds,
  decodeRecords,
  readBatchHeader,
  recordColumns,
  recordCursor,
  type BatchHeader,
  type DecodeLimits,
  type RecordColumns,
  type RecordCursor,
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

const MOST_RECORDS = 1024;
const columns = recordColumns(MOST_RECORDS);
const decoder = new BatchDecoder();

function shiftOfDecoder(): number {
  const { bytes } = write([{ key: null, value: "here", ts: 1 }]);
  const header = readBatchHeader(bytes, 0, bytes.length) as BatchHeader;
  decoder.read(recordCursor(header, bytes, BATCH_HEADER, bytes.length), 0, {
    fromOffset: 0,
    maxRecords: 1,
    maxBytes: Infinity,
  });
  return decoder.buf.indexOf("here") - bytes.indexOf("here");
}

interface Reading {
  readonly how: string;
  readonly columns: RecordColumns;
  holds(bytes: Buffer, header: BatchHeader): boolean;
  /** How far behind their place in the batch the records lie that were read first. */
  readonly shift: number;
  /** Where the records lie that were read last. */
  buf(cursor: RecordCursor): Buffer;
  read(cursor: RecordCursor, limits: DecodeLimits): number;
}

const readings: readonly Reading[] = [
  {
    how: "where they lie",
    columns,
    shift: 0,
    holds: checksumHolds,
    buf: (cursor) => cursor.buf,
    read: (cursor, limits) => decodeRecords(cursor, columns, 0, limits),
  },
  {
    how: "by the decoder",
    columns: decoder.columns,
    shift: shiftOfDecoder(),
    holds: (bytes, header) => decoder.holds(bytes, header),
    buf: () => decoder.buf,
    read: (cursor, limits) => decoder.read(cursor, 0, limits),
  },
];

function read(reading: Reading, bytes: Buffer, piece = MOST_RECORDS, fromOffset = 0): Plain[] {
  const header = readBatchHeader(bytes, 0, bytes.length);
  if (header === undefined) throw new Error("not whole");
  expect(reading.holds(bytes, header)).toBe(true);
  const compressed = header.compression !== 0;
  const data = compressed ? decompress(header.compression, bytes.subarray(BATCH_HEADER, header.end)) : bytes;
  const cursor = recordCursor(header, data, compressed ? 0 : BATCH_HEADER, data.length);
  const found: Plain[] = [];
  while (cursor.left > 0) {
    const n = reading.read(cursor, { fromOffset, maxRecords: piece, maxBytes: Infinity });
    for (let i = 0; i < n; i++) found.push(recordAt(reading.columns, i, reading.buf(cursor)));
  }
  return found;
}

function recordAt(from: RecordColumns, i: number, data: Buffer): Plain {
  const [off, len, keyOff, keyLen] = [from.off, from.len, from.keyOff, from.keyLen].map(
    (column) => column[i] as number,
  ) as [number, number, number, number];
  return {
    key: keyLen < 0 ? null : data.toString("utf8", keyOff, keyOff + keyLen),
    value: data.toString("utf8", off, off + len),
    ts: from.ts[i] as number,
  };
}

describe.each(readings)("record batches, read $how,", (reading) => {
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
          expect(read(reading, write(records, compressionOf(name)).bytes, piece)).toEqual(records);
        },
      ),
      { numRuns: 400 },
    );
    console.log(`record batches read ${reading.how}: ${JSON.stringify(done)}, 0 differences`);
  });

  it("leave out what lies before the offset asked for", () => {
    fc.assert(
      fc.property(fc.array(plain, { minLength: 1, maxLength: 30 }), fc.nat(40), (records, from) => {
        expect(read(reading, write(records).bytes, MOST_RECORDS, from)).toEqual(records.slice(from));
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
        expect(parts.flatMap((part) => read(reading, part.bytes))).toEqual(records);
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
          expect(header !== undefined && reading.holds(bytes, header)).toBe(false);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("have numbers of 32 bits, also where more are written", () => {
    const number = [0x84, 0x80, 0x80, 0x80, 0x70];
    const record = [0, 0, ...number, 1, 0, 0];
    const { bytes } = write([{ key: null, value: "", ts: 5 }]);
    const batch = Buffer.concat([bytes.subarray(0, BATCH_HEADER), Buffer.from([record.length * 2, ...record])]);
    batch.writeInt32BE(batch.length - 12, 8);
    const header = readBatchHeader(batch, 0, batch.length);
    if (header === undefined) throw new Error("not whole");
    const cursor = recordCursor(header, batch, BATCH_HEADER, batch.length);
    expect(reading.read(cursor, { fromOffset: 0, maxRecords: 1, maxBytes: Infinity })).toBe(1);
    expect(reading.columns.offset[0]).toBe(2);
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
          const { columns: found } = reading;
          const cursor = recordCursor(header, hostile, BATCH_HEADER, hostile.length);
          decoder.clear();
          try {
            const n = reading.read(cursor, { fromOffset: 0, maxRecords: 1000, maxBytes: Infinity });
            const end = hostile.length + reading.shift;
            for (let i = 0; i < n; i++) {
              expect((found.off[i] as number) + Math.max(0, found.len[i] as number)).toBeLessThanOrEqual(end);
              expect((found.keyOff[i] as number) + Math.max(0, found.keyLen[i] as number)).toBeLessThanOrEqual(end);
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

/** Where they lie, times are exact up to here. */
const exact = (ts: number): number | "far" => (Math.abs(ts) < 2 ** 51 ? ts : "far");

describe("the decoder", () => {
  it("finds the checksum of batches of any length, and that of one with any bit flipped wrong", () => {
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, i) => Math.imul(i, 0x9e37_79b1) >>> 24));
    const done = { batches: 0, folded: 0 };
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 70_000 }), fc.nat(), fc.nat(7), (length, at, bit) => {
        done.batches++;
        if (length > 17_000) done.folded++;
        const batch = Buffer.from(bytes.subarray(0, length));
        batch.writeInt32BE(length - 12, 8);
        batch.writeInt8(2, 16);
        stamp(batch, { id: 1n, epoch: 0 }, at);
        const header = readBatchHeader(batch, 0, length);
        if (header === undefined) throw new Error("not whole");
        expect(decoder.holds(batch, header)).toBe(true);
        const place = 21 + (at % (length - 21));
        batch[place] = (batch[place] as number) ^ (1 << bit);
        expect(decoder.holds(batch, header)).toBe(false);
      }),
      { numRuns: 2000 },
    );
    console.log(`checksums: ${JSON.stringify(done)}, 0 differences`);
  });

  it("reads batches longer than its memory, and many between them", () => {
    const long = (letter: string): Plain => ({ key: letter.repeat(700_000), value: letter.repeat(700_000), ts: 1 });
    const many = Array.from({ length: 900 }, (_, i): Plain => ({
      key: String(i),
      value: `v${i}`.repeat(i),
      ts: 1e12 + i,
    }));
    for (const records of [[long("a")], many, [long("b"), ...many.slice(0, 5)], many])
      for (const reading of readings) expect(read(reading, write(records).bytes, 100)).toEqual(records);
  });

  it("finds in any bytes what is found where they lie", () => {
    const done = { batches: 0, refused: 0 };
    const noise = fc.array(fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 2, 4, 6, 8, 20)), {
      minLength: 1,
      maxLength: 80,
    });
    const header = write([{ key: null, value: "", ts: 5 }]).bytes.subarray(0, BATCH_HEADER);
    fc.assert(
      fc.property(noise, fc.nat(20), fc.nat(10), (body, records, fromOffset) => {
        const bytes = Buffer.concat([header, Buffer.from(body)]);
        bytes.writeInt32BE(bytes.length - 12, 8);
        bytes.writeInt32BE(records, 57);
        const found = readings.map((reading) => {
          const batch = readBatchHeader(bytes, 0, bytes.length);
          if (batch === undefined) throw new Error("not whole");
          const cursor = recordCursor(batch, bytes, BATCH_HEADER, bytes.length);
          decoder.clear();
          try {
            const n = reading.read(cursor, { fromOffset, maxRecords: 100, maxBytes: 1000 });
            const { off, len, keyOff, keyLen, ts, offset } = reading.columns;
            const place = (column: Int32Array, i: number): number => (column[i] as number) - reading.shift;
            const rows = Array.from({ length: n }, (_, i) => [
              place(off, i),
              len[i],
              place(keyOff, i),
              keyLen[i],
              exact(ts[i] as number),
              offset[i],
            ]);
            return { rows, at: cursor.at, left: cursor.left };
          } catch (error) {
            expect(error).toMatchObject({ code: "RECORD_MALFORMED" });
            return "refused";
          }
        });
        done.batches++;
        if (found[0] === "refused") done.refused++;
        expect(found[1]).toEqual(found[0]);
      }),
      { numRuns: 20_000 },
    );
    console.log(`batches of noise: ${JSON.stringify(done)}, 0 differences`);
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
