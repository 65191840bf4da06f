import { isDeepStrictEqual } from "node:util";
import { expect, it } from "vitest";
import { abortedTransactions } from "../../src/engine/connectors/kafka/aborted.ts";
import { BatchDecoder } from "../../src/engine/connectors/kafka/batch-decoder.ts";
import { BatchWriter, stamp } from "../../src/engine/connectors/kafka/batch-writer.ts";
import { compressionOf } from "../../src/engine/connectors/kafka/compression.ts";
import { chunkOf, drainChunk, startPartition, type Chunk } from "../../src/engine/connectors/kafka/partition.ts";
import { WireReader } from "../../src/engine/connectors/kafka/wire.ts";
import { ownField } from "../../src/engine/own-field.ts";
import { outRecord } from "../builders/connector-context.ts";
import { finderByShape } from "../builders/found-by-shape.ts";
import { hostileDocument, sibling } from "../builders/hostile-json.ts";
import { random, type Random } from "../builders/random.ts";

const STREAMS = process.env["WEIR_LONG"] === "1" ? 6_000 : 200;
const WANTED = [["a"], ["ts"], ["payload", "lag"]];
const CODECS = ["None", "None", "None", "Gzip", "Snappy", "Lz4", "Zstd"] as const;
/** What a decoder has room for. */
const ROOM = 1024 * 1024;
const PRODUCER = { id: 1n, epoch: 0 };
const ABORTING = { id: 2n, epoch: 0, transactional: true };

interface Kept {
  readonly offset: number;
  readonly key: string | null;
  readonly value: Buffer | null;
}

interface Sent {
  readonly bytes: Buffer;
  readonly first: number;
  readonly next: number;
  /** Those that a reader of what is committed gets. */
  readonly records: readonly Kept[];
}

interface Aborted {
  readonly producerId: bigint;
  readonly firstOffset: number;
  readonly end: number;
}

const done = { streams: 0, batches: 0, records: 0, long: 0, compressed: 0, damaged: 0, found: 0 };

it("gives every record of every answer once and as it was, in batches of all sizes and kinds, and finds its fields there", () => {
  const r = random(20260401);
  const decoders = [new BatchDecoder(), new BatchDecoder()] as const;
  for (; done.streams < STREAMS; done.streams++) {
    const stream = randomStream(r);
    const from = r.below((stream.batches[0]?.next ?? 0) + 1);
    const expected = stream.batches.flatMap(({ records }) => records).filter(({ offset }) => offset >= from);
    const read = readStream(r, decoders, { ...stream, from });
    expect(read.length).toBe(expected.length);
    const wrong = read.findIndex((record, i) => !isDeepStrictEqual(record, expected[i]));
    expect(wrong, `stream ${done.streams}: ${JSON.stringify(read[wrong])?.slice(0, 300)}`).toBe(-1);
    done.records += read.length;
  }
  console.log(`chunks: ${JSON.stringify(done)}, 0 differences`);
  for (const count of Object.values(done)) expect(count).toBeGreaterThan(10);
});

function randomStream(r: Random): { batches: Sent[]; aborted: Aborted[] } {
  const batches: Sent[] = [];
  const aborted: Aborted[] = [];
  const shape = hostileDocument(r);
  let offset = 0;
  let open = -1;
  const put = (batch: Sent): void => {
    batches.push(batch);
    offset = batch.next;
    done.batches++;
  };
  const end = (): void => {
    put(control(offset));
    aborted.push({ producerId: ABORTING.id, firstOffset: open, end: offset });
    open = -1;
  };
  for (let left = 1 + r.below(12); left > 0; left--) {
    // Compaction leaves gaps.
    if (r.chance(0.1)) offset += r.below(5);
    const voided = r.chance(open < 0 ? 0.1 : 0.5);
    if (voided && open < 0) open = offset;
    put(randomBatch(r, { offset, shape, voided }));
    if (open >= 0 && r.chance(0.3)) end();
  }
  if (open >= 0) end();
  return { batches, aborted };
}

/** The end of a transaction that was aborted. */
function control(offset: number): Sent {
  const writer = new BatchWriter(Buffer.alloc(256));
  writer.append(outRecord("\u0000".repeat(4), "\u0000".repeat(6), 1));
  const { bytes } = writer.seal();
  bytes.writeInt16BE(bytes.readInt16BE(21) | 0x20, 21);
  stamp(bytes, ABORTING, 0);
  bytes.writeBigInt64BE(BigInt(offset), 0);
  return { bytes, first: offset, next: offset + 1, records: [] };
}

function randomBatch(r: Random, { offset, shape, voided }: { offset: number; shape: Buffer; voided: boolean }): Sent {
  const writer = new BatchWriter(Buffer.allocUnsafe(r.pick([1024, 64 * 1024, ROOM, 2 * ROOM])));
  const records: Kept[] = [];
  const count = 1 + r.below(r.pick([3, 40, 1500]));
  const value = valueOf(r, shape);
  for (let i = 0; i < count; i++) {
    const sent = value(i);
    const key = r.chance(0.3) ? null : `k${r.below(9)}`;
    const record = outRecord(key, "", 1_700_000_000_000 + i);
    Object.assign(record, sent === null ? { end: -1 } : { value: sent, end: sent.length });
    if (!writer.fits(record)) break;
    writer.append(record);
    records.push({ offset: offset + i, key, value: sent });
  }
  const codec = r.pick(CODECS);
  const { bytes } = writer.seal(compressionOf(codec));
  stamp(bytes, voided ? ABORTING : PRODUCER, 0);
  bytes.writeBigInt64BE(BigInt(offset), 0);
  if (bytes.length > ROOM) done.long++;
  if (codec !== "None") done.compressed++;
  return { bytes, first: offset, next: offset + records.length, records: voided ? [] : records };
}

/** Of one batch: small ones of one shape, some of which are cut off, tombstones, or so long that its room just is or is not enough. */
function valueOf(r: Random, shape: Buffer): (i: number) => Buffer | null {
  const kind = r.below(12);
  if (kind === 0) {
    const length = ROOM - 150 + r.below(180);
    const text = Buffer.from(`{"a":"${"x".repeat(length)}`);
    return (i) => (i === 0 ? text : Buffer.from('{"a":"y"}'));
  }
  if (kind < 4) {
    const length = r.below(r.pick([200, 5_000, 200_000]));
    return (i) => Buffer.from(`{"a":"${"x".repeat(length)}","ts":${i}${r.chance(0.9) ? "}" : ""}`);
  }
  return () => (r.chance(0.05) ? null : sibling(r, shape));
}

interface Stream {
  readonly batches: readonly Sent[];
  readonly aborted: readonly Aborted[];
  readonly from: number;
}

function readStream(
  r: Random,
  decoders: readonly [BatchDecoder, BatchDecoder],
  { batches, aborted, from }: Stream,
): Kept[] {
  const split = { id: "orders-0", index: 0 };
  const partition = startPartition({
    split,
    topic: "orders",
    number: 0,
    siblings: 1,
    topicId: undefined,
    offset: from,
  });
  const find = finderByShape(WANTED);
  const read: Kept[] = [];
  let at = 0;
  while (at < batches.length) {
    const some = batches.slice(at, at + 1 + r.below(6));
    const last = some.at(-1) as Sent;
    const chunk = answer(r, some, { partition, aborted });
    const damaged = r.chance(0.1) ? damage(r, some, chunk) : undefined;
    drain(chunk, { r, decoder: r.pick(decoders), find, read });
    if (damaged === undefined) {
      expect(chunk.damage).toBeUndefined();
      expect(partition.position).toBe(last.next);
      at += some.length;
    } else {
      expect(chunk.damage).toBeDefined();
      expect(partition.position).toBeLessThanOrEqual(Math.max(damaged.first, from));
      // As the fetcher asks again.
      partition.aborted = abortedTransactions();
      at = batches.indexOf(damaged);
      done.damaged++;
    }
    partition.fetchOffset = partition.position;
    // What it came in is read into again.
    chunk.frame.reader.buf.fill("#");
  }
  return read;
}

/** With something before and a part of a batch behind. */
function answer(
  r: Random,
  some: readonly Sent[],
  { partition, aborted }: { partition: Chunk["partition"]; aborted: readonly Aborted[] },
): Chunk {
  const before = Buffer.alloc(r.below(100), 34);
  const behind = r.chance(0.5) ? (some[0] as Sent).bytes.subarray(0, r.below((some[0] as Sent).bytes.length)) : "";
  const bytes = Buffer.concat([before, ...some.map((sent) => sent.bytes), Buffer.from(behind)]);
  const [first, last] = [some[0] as Sent, some.at(-1) as Sent];
  const frame = { reader: new WireReader(bytes, 0), end: bytes.length, release: () => undefined };
  return chunkOf(partition, frame, {
    topic: "orders",
    partition: 0,
    error: 0,
    readableEnd: last.next,
    aborted: aborted.filter(({ firstOffset, end }) => firstOffset < last.next && end > first.first),
    from: before.length,
    to: bytes.length,
  });
}

function damage(r: Random, some: readonly Sent[], { frame, fetched }: Chunk): Sent {
  const number = r.below(some.length);
  const damaged = some[number] as Sent;
  const start = some.slice(0, number).reduce((sum, { bytes }) => sum + bytes.length, fetched.from);
  const place = start + 21 + r.below(damaged.bytes.length - 21);
  const { buf } = frame.reader;
  buf[place] = (buf[place] as number) ^ (1 << r.below(8));
  return damaged;
}

function drain(
  chunk: Chunk,
  of: { r: Random; decoder: BatchDecoder; find: ReturnType<typeof finderByShape>; read: Kept[] },
): void {
  const { r, decoder, find, read } = of;
  const { columns } = decoder;
  for (;;) {
    const maxRecords = r.pick([1024, 1024, 300, 7]);
    const n = drainChunk(chunk, decoder, { maxRecords, maxBytes: r.pick([ROOM, ROOM, 20_000]) });
    if (n === 0) return;
    expect(n).toBeLessThanOrEqual(maxRecords);
    const { buf } = decoder;
    const records = Array.from({ length: n }, (_, i): Kept => {
      const [off, len, keyOff, keyLen] = [columns.off, columns.len, columns.keyOff, columns.keyLen].map(
        (column) => column[i] as number,
      ) as [number, number, number, number];
      return {
        offset: columns.offset[i] as number,
        key: keyLen < 0 ? null : buf.toString("utf8", keyOff, keyOff + keyLen),
        value: len < 0 ? null : Buffer.from(buf.subarray(off, off + len)),
      };
    });
    expect(chunk.partition.position).toBeGreaterThan(records.at(-1)?.offset as number);
    read.push(...records);
    for (const [i, found] of find({ buf, off: columns.off, len: columns.len, n }).entries()) {
      if (found === undefined) continue;
      done.found++;
      const document: unknown = JSON.parse(records[i]?.value?.toString() ?? "");
      const named = WANTED.map((path) => ownField(document, path));
      if (!isDeepStrictEqual(found, named)) expect({ found, value: records[i]?.value?.toString() }).toEqual(named);
    }
  }
}
