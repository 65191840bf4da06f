import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { outRecord } from "../../../../test/builders/connector-context.ts";
import { BatchDecoder } from "./batch-decoder.ts";
import { BatchWriter, stamp } from "./batch-writer.ts";
import { chunkOf, drainChunk, startPartition, type Chunk } from "./partition.ts";
import { WireReader } from "./wire.ts";

const RECORDS = 20;
const LIMITS = { maxRecords: 1024, maxBytes: 1000 };

/** An answer with one batch of twenty records of 300 bytes, fetched from `offset` inside of it. */
function chunkFrom(offset: number, damage: (bytes: Buffer) => void = () => undefined): Chunk {
  const writer = new BatchWriter(Buffer.alloc(64 * 1024));
  for (let i = 0; i < RECORDS; i++) writer.append(outRecord(null, String(i).padEnd(300), 1));
  const { bytes } = writer.seal();
  stamp(bytes, { id: 1n, epoch: 0 }, 0);
  damage(bytes);
  const split = { id: "orders-0", index: 0 };
  const partition = startPartition({ split, topic: "orders", number: 0, siblings: 1, topicId: undefined, offset });
  const frame = { reader: new WireReader(bytes, 0), end: bytes.length, release: () => undefined };
  const place = { topic: "orders", partition: 0, from: 0, to: bytes.length };
  return chunkOf(partition, frame, { ...place, error: 0, readableEnd: RECORDS, aborted: [] });
}

/** What brokers wrote before 0.11 (https://kafka.apache.org/documentation/#messageset): a message without a key at offset 7. */
function oldMessage(version: number, value: Buffer): Buffer {
  const time = Buffer.alloc(version === 0 ? 0 : 8);
  const rest = Buffer.concat([Buffer.from([version, 0]), time, Buffer.alloc(8, 0xff), value]);
  rest.writeInt32BE(value.length, rest.length - value.length - 4);
  const head = Buffer.alloc(16);
  head.writeBigInt64BE(7n, 0);
  head.writeInt32BE(4 + rest.length, 8);
  head.writeUInt32BE(crc32(rest), 12);
  return Buffer.concat([head, rest]);
}

describe("a fetched chunk", () => {
  it.each([0, 1, 7, 19])("gives every record from offset %i on, however far into a large batch that is", (offset) => {
    const chunk = chunkFrom(offset);
    const decoder = new BatchDecoder();
    const { columns } = decoder;
    const read: number[] = [];
    for (;;) {
      const n = drainChunk(chunk, decoder, LIMITS);
      if (n === 0) break;
      for (let i = 0; i < n; i++) read.push(columns.offset[i] as number);
      expect(chunk.partition.position).toBe((read.at(-1) as number) + 1);
    }
    expect(read).toEqual(Array.from({ length: RECORDS - offset }, (_, i) => offset + i));
    expect(chunk.partition.position).toBe(RECORDS);
  });

  it.each<readonly [what: string, damage: (bytes: Buffer) => void, says: RegExp]>([
    ["its format, by one bit", (bytes) => bytes.writeInt8(0, 16), /orders-0: the batch at offset 7 .*format version 0/],
    ["its format", (bytes) => bytes.writeInt8(3, 16), /orders-0: the batch at offset 7 .*format version 3/],
    ["a negative length", (bytes) => bytes.writeInt32BE(-400, 8), /orders-0: the batch at offset 7 .*-400 bytes/],
    ["a length below a header's", (bytes) => bytes.writeInt32BE(10, 8), /orders-0: the batch at offset 7 .*10 bytes/],
    ["a length beyond the answer", (bytes) => bytes.writeInt32BE(bytes.length, 8), /orders-0: the batch at offset 7 /],
    ["its checksum", (bytes) => bytes.writeInt32BE(17, 17), /orders-0: the batch at offset 0 fails its checksum/],
  ])("whose first batch is damaged in %s gives nothing, and says which batch that is", (_, damage, says) => {
    const chunk = chunkFrom(7, damage);
    expect(drainChunk(chunk, new BatchDecoder(), LIMITS)).toBe(0);
    expect(chunk.damage?.message).toMatch(says);
    expect(chunk.partition.position).toBe(7);
  });

  it.each([
    [0, 0],
    [1, 0],
    [0, 300],
    [1, 300],
  ])("of a whole message of version %i with a value of %i bytes ends the job, and says why", (version, size) => {
    const chunk = chunkFrom(7);
    const message = oldMessage(version, Buffer.alloc(size, "x"));
    chunk.frame.reader.buf.set(message);
    const old = { ...chunk, fetched: { ...chunk.fetched, to: message.length } };
    expect(() => drainChunk(old, new BatchDecoder(), LIMITS)).toThrow(
      expect.objectContaining({
        code: "RECORD_MALFORMED",
        message: expect.stringMatching(`^orders\\[0\\]@7: .* format version ${version};`) as string,
      }) as Error,
    );
  });

  it("that is empty is not damaged", () => {
    const chunk = chunkFrom(0);
    const empty = { ...chunk, fetched: { ...chunk.fetched, to: 0 } };
    expect(drainChunk(empty, new BatchDecoder(), LIMITS)).toBe(0);
    expect(empty.damage).toBeUndefined();
  });
});
