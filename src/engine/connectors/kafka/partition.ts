import type { Split } from "../connector.ts";
import { messageOf, WeirError } from "../../../errors.ts";
import { abortedTransactions, type AbortedTransactions } from "./aborted.ts";
import { decompress } from "./compression.ts";
import type { FetchedPartition } from "./fetch-call.ts";
import type { Frame } from "./frames.ts";
import type { BatchDecoder } from "./batch-decoder.ts";
import {
  BATCH_HEADER,
  isAbortMarker,
  readBatchHeader,
  recordCursor,
  type BatchHeader,
  type RecordCursor,
} from "./record-batch.ts";
import { WireReader } from "./wire.ts";

/** One assigned partition: what was asked for, and where the records handed out end. */
export interface Partition {
  readonly split: Split;
  readonly topic: string;
  readonly number: number;
  /** How many partitions the topic had when reading began. */
  readonly siblings: number;
  /** Of the topic that `fetchOffset` is one of, where brokers give ids. */
  fetchTopicId: string | undefined;
  /** Of the topic that `position` is one of. */
  topicId: string | undefined;
  leader: string;
  leaderEpoch: number;
  /** Next offset to ask a broker for. */
  fetchOffset: number;
  /** Offset behind the last record handed out: the position. */
  position: number;
  /** End of what can be read, as of the last answer; undefined before the first. */
  readableEnd: number | undefined;
  /** Timestamp of the last record handed out. */
  lastTimestamp: number | undefined;
  aborted: AbortedTransactions;
}

export interface PartitionStart {
  readonly split: Split;
  readonly topic: string;
  readonly number: number;
  readonly siblings: number;
  readonly topicId: string | undefined;
  readonly offset: number;
}

export function startPartition({ split, topic, number, siblings, topicId, offset }: PartitionStart): Partition {
  return {
    split,
    topic,
    number,
    siblings,
    fetchTopicId: topicId,
    topicId,
    leader: "",
    leaderEpoch: -1,
    fetchOffset: offset,
    position: offset,
    readableEnd: undefined,
    lastTimestamp: undefined,
    aborted: abortedTransactions(),
  };
}

/** What one answer holds for one partition, decoded piece by piece. */
export interface Chunk {
  readonly partition: Partition;
  readonly frame: Frame;
  readonly fetched: FetchedPartition;
  /** The offset that was asked for: usually where the chunk before it ends. */
  readonly asked: number;
  readonly topicId: string | undefined;
  /** Start of the next record batch. */
  at: number;
  cursor: RecordCursor | undefined;
  /** Why nothing more is read of it: its next batch is not what its producer wrote. */
  damage: Error | undefined;
}

const NOTHING: Omit<FetchedPartition, "topic" | "partition"> = {
  error: 0,
  readableEnd: 0,
  aborted: [],
  from: 0,
  to: 0,
};

/** A chunk without records: when its turn comes, the partition's position is the offset to be asked for next. */
export function jumpTo(partition: Partition): Chunk {
  const frame: Frame = { reader: new WireReader(Buffer.alloc(0), 0), end: 0, release: () => undefined };
  return chunkOf(partition, frame, { ...NOTHING, topic: partition.topic, partition: partition.number });
}

/** An answer to what was asked for last; nothing of it has been read. */
export function chunkOf(partition: Partition, frame: Frame, fetched: FetchedPartition): Chunk {
  const { fetchOffset: asked, fetchTopicId: topicId } = partition;
  return { partition, frame, fetched, asked, topicId, at: fetched.from, cursor: undefined, damage: undefined };
}

/**
 * The offset to go on from; undefined where there is no whole batch. Damage is found when a batch is read: until then
 * that offset may be one that no batch has, and what is no batch may be behind one whose length is damaged.
 */
export function endOfChunk(frame: Frame, fetched: FetchedPartition): number | undefined {
  const { buf } = frame.reader;
  let last: BatchHeader | undefined;
  try {
    for (let at = fetched.from; ; at = last.end) {
      const next = readBatchHeader(buf, at, fetched.to);
      if (next === undefined) break;
      last = next;
    }
  } catch {
    // Said when its turn comes.
  }
  return last?.nextOffset;
}

/** No batch is added to so many records: what is read at a time then stays in the processor's cache. */
const ENOUGH = 256;

/**
 * Decodes up to the limits into the decoder's columns and buffer. Returns the number of records; zero when the chunk has nothing
 * more, or is damaged. Moves the partition's position.
 */
export function drainChunk(
  chunk: Chunk,
  decoder: BatchDecoder,
  limits: { readonly maxRecords: number; readonly maxBytes: number },
): number {
  const { partition } = chunk;
  const { columns } = decoder;
  let n = 0;
  let bytes = 0;
  while (n < limits.maxRecords && bytes < limits.maxBytes) {
    const cursor = chunk.cursor ?? (n < ENOUGH ? nextCursor(chunk, decoder, n) : undefined);
    if (cursor === undefined || !decoder.takes(cursor, n)) break;
    const from = cursor.at;
    n = decoder.read(cursor, n, {
      fromOffset: partition.position,
      maxRecords: limits.maxRecords,
      maxBytes: limits.maxBytes - bytes,
    });
    // What lies before the position does not count: a piece without a record would look like the end of the chunk.
    if (n > 0) bytes += cursor.at - from;
    if (cursor.left > 0) {
      if (n > 0) partition.position = (columns.offset[n - 1] as number) + 1;
    } else {
      partition.position = cursor.header.nextOffset;
      chunk.cursor = undefined;
    }
  }
  if (n > 0) partition.lastTimestamp = columns.ts[n - 1];
  return n;
}

/** The next batch with records for us, if it can be added to n of them; steps over control batches and aborted transactions. */
function nextCursor(chunk: Chunk, decoder: BatchDecoder, n: number): RecordCursor | undefined {
  const { partition, frame, fetched } = chunk;
  const { buf } = frame.reader;
  if (chunk.at === fetched.from) {
    // After a jump nothing is known of transactions: the end of an aborted one may lie in what was jumped over.
    if (partition.position !== chunk.asked) partition.aborted = abortedTransactions();
    partition.position = chunk.asked;
    partition.topicId = chunk.topicId;
    partition.aborted.learn(fetched.aborted);
  }
  if (n === 0) decoder.clear();
  for (;;) {
    const header = headerOf(chunk);
    if (header === undefined || (n > 0 && !decoder.hasRoom(header.end - header.start))) return undefined;
    if (!decoder.holds(buf, header)) {
      chunk.damage = damageOf(partition, header.baseOffset, "fails its checksum");
      return undefined;
    }
    chunk.at = header.end;
    if (isSkipped(partition.aborted, buf, header)) {
      partition.position = Math.max(partition.position, header.nextOffset);
      continue;
    }
    chunk.cursor = openCursor(partition, buf, header);
    return chunk.cursor;
  }
}

/** Of the next batch; undefined where there is none. A header that cannot be one, or a cut batch that comes first, is damage: a whole message of an old format ends the job. */
function headerOf(chunk: Chunk): BatchHeader | undefined {
  const { partition, frame, fetched, at } = chunk;
  try {
    const header = readBatchHeader(frame.reader.buf, at, fetched.to);
    if (header !== undefined || at !== fetched.from || at === fetched.to) return header;
    throw new Error("is not whole, as the first of an answer always is (KIP-74)");
  } catch (error) {
    if (error instanceof WeirError) throw placed(partition, partition.position, error);
    chunk.damage = damageOf(partition, partition.position, messageOf(error));
    return undefined;
  }
}

function damageOf({ split }: Partition, offset: number, what: string): Error {
  return new Error(
    `${split.id}: the batch at offset ${offset} ${what}. It is damaged, and asked for again: look at the disk of its broker and at ` +
      "the network to it; if another replica of the partition is whole, make that one its leader",
  );
}

function isSkipped(aborted: AbortedTransactions, buf: Buffer, header: BatchHeader): boolean {
  const isVoid = aborted.voids(header);
  if (header.control && isAbortMarker(buf, header)) aborted.ended(header.producerId);
  return header.control || isVoid;
}

function openCursor(partition: Partition, buf: Buffer, header: BatchHeader): RecordCursor {
  const from = header.start + BATCH_HEADER;
  if (header.compression === 0) return recordCursor(header, buf, from, header.end);
  try {
    const plain = decompress(header.compression, buf.subarray(from, header.end));
    return recordCursor(header, plain, 0, plain.length);
  } catch (error) {
    if (!(error instanceof WeirError)) throw error;
    throw placed(partition, header.baseOffset, error);
  }
}

function placed({ topic, number }: Partition, offset: number, cause: WeirError): WeirError {
  return new WeirError(cause.code, `${topic}[${number}]@${offset}: ${cause.message}`, { cause });
}
