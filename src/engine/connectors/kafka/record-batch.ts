import { crc32, crc32c } from "@node-rs/crc32";
import { WeirError } from "../../../errors.ts";
import { readVarint, readVarlong, varint } from "./varint.ts";
import { readInt64 } from "./wire.ts";

/**
 * Kafka's record batches, version 2 (https://kafka.apache.org/documentation/#recordbatch), read in place: a record
 * becomes an entry in the arrays of a Batch, never an object.
 */
export const BATCH_HEADER = 61;
/** Baseoffset and length: what stands before the part that the length counts. */
export const BATCH_PREFIX = 12;
export const CRC_FROM = 21;
const MAGIC = 2;
const MAGIC_AT = 16;
/** The least that a message of versions 0 and 1 is long: without a key and a value. */
const OLD_MESSAGE = 26;

const COMPRESSION_MASK = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

export interface BatchHeader {
  /** Where the batch starts and ends in its buffer. */
  readonly start: number;
  readonly end: number;
  readonly baseOffset: number;
  /** Offset behind the batch, also where compaction has removed its last records. */
  readonly nextOffset: number;
  readonly compression: number;
  readonly logAppendTime: boolean;
  readonly transactional: boolean;
  readonly control: boolean;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly producerId: bigint;
  readonly records: number;
}

/**
 * The header of the batch at `at`, or undefined where the rest is no whole batch: a broker cuts the last batch of a
 * response at the size it was asked for. Throws where it cannot be a header: why, as the end of a sentence about the batch;
 * a WeirError where it is a whole message of a format that is not read, which asking again does not change.
 */
export function readBatchHeader(buf: Buffer, at: number, limit: number): BatchHeader | undefined {
  if (limit - at < OLD_MESSAGE) return undefined;
  const length = buf.readInt32BE(at + 8);
  const end = at + BATCH_PREFIX + length;
  if (end > limit) return undefined;
  const magic = buf.readInt8(at + MAGIC_AT);
  if (magic !== MAGIC && isOldMessage(buf, at, end)) {
    throw new WeirError(
      "RECORD_MALFORMED",
      `it is of format version ${magic}; brokers write version 2 since 0.11, the only one that Weir reads. Copy the topic's records into a new topic`,
    );
  }
  if (limit - at < BATCH_HEADER) return undefined;
  if (end < at + BATCH_HEADER) throw new Error(`says that it is ${length} bytes long, which is less than a header`);
  if (magic !== MAGIC) {
    throw new Error(
      `says that it is of format version ${magic}; brokers write version 2 since 0.11, the only one that Weir reads`,
    );
  }
  const attributes = buf.readInt16BE(at + 21);
  const baseOffset = readInt64(buf, at);
  return {
    start: at,
    end,
    baseOffset,
    nextOffset: baseOffset + buf.readInt32BE(at + 23) + 1,
    compression: attributes & COMPRESSION_MASK,
    logAppendTime: (attributes & LOG_APPEND_TIME) !== 0,
    transactional: (attributes & TRANSACTIONAL) !== 0,
    control: (attributes & CONTROL) !== 0,
    baseTimestamp: readInt64(buf, at + 27),
    maxTimestamp: readInt64(buf, at + 35),
    producerId: buf.readBigInt64BE(at + 43),
    records: buf.readInt32BE(at + 57),
  };
}

/** Versions 0 and 1 (https://kafka.apache.org/documentation/#messageset), known by their checksum: a 2 is a bit away from a 0. */
function isOldMessage(buf: Buffer, at: number, end: number): boolean {
  const magic = buf[at + MAGIC_AT];
  if ((magic !== 0 && magic !== 1) || end - at < OLD_MESSAGE) return false;
  return crc32(buf.subarray(at + MAGIC_AT, end)) === buf.readUInt32BE(at + BATCH_PREFIX);
}

/** Whether the batch is what its producer wrote. One native call per batch: in JavaScript this would halve the throughput. */
export function checksumHolds(buf: Buffer, header: BatchHeader): boolean {
  return crc32c(buf.subarray(header.start + CRC_FROM, header.end)) === checksumOf(buf, header);
}

/** What its producer has said that it is. */
export const checksumOf = (buf: Buffer, { start }: BatchHeader): number => buf.readUInt32BE(start + 17);

/** A control batch's marker: true for an abort, false for a commit. */
export function isAbortMarker(buf: Buffer, header: BatchHeader): boolean {
  readVarint(buf, header.start + BATCH_HEADER); // record length
  readVarlong(buf, varint.end + 1);
  readVarint(buf, varint.end); // offset delta
  readVarint(buf, varint.end); // key length
  return buf.readInt16BE(varint.end + 2) === 0;
}

/** The arrays that records are decoded into; a Batch is a view of them. */
export interface RecordColumns {
  readonly off: Int32Array;
  readonly len: Int32Array;
  readonly keyOff: Int32Array;
  readonly keyLen: Int32Array;
  readonly ts: Float64Array;
  readonly offset: Float64Array;
}

export function recordColumns(capacity: number): RecordColumns {
  return {
    off: new Int32Array(capacity),
    len: new Int32Array(capacity),
    keyOff: new Int32Array(capacity),
    keyLen: new Int32Array(capacity),
    ts: new Float64Array(capacity),
    offset: new Float64Array(capacity),
  };
}

/** Where decoding a batch stands: it may stop in the middle and go on later. */
export interface RecordCursor {
  readonly header: BatchHeader;
  /** The records: the response itself, or what was decompressed. */
  readonly buf: Buffer;
  at: number;
  readonly end: number;
  left: number;
}

export function recordCursor(header: BatchHeader, buf: Buffer, at: number, end: number): RecordCursor {
  return { header, buf, at, end, left: header.records };
}

export interface DecodeLimits {
  /** Records before this offset are left out: a fetch from the middle of a batch answers the whole batch. */
  readonly fromOffset: number;
  readonly maxRecords: number;
  readonly maxBytes: number;
}

/** Appends records of the cursor behind the first `n` of the columns; returns the new number. */
export function decodeRecords(cursor: RecordCursor, columns: RecordColumns, n: number, limits: DecodeLimits): number {
  const { header, buf, end } = cursor;
  const { off, len, keyOff, keyLen, ts, offset } = columns;
  const { fromOffset, maxRecords, maxBytes } = limits;
  const first = cursor.at;
  let at = first;
  let left = cursor.left;
  while (left > 0 && n < maxRecords && at - first < maxBytes) {
    const length = readVarint(buf, at);
    const next = varint.end + length;
    const timestamp = header.baseTimestamp + readVarlong(buf, varint.end + 1);
    const position = header.baseOffset + readVarint(buf, varint.end);
    const keyLength = readVarint(buf, varint.end);
    const keyAt = varint.end;
    const valueLength = readVarint(buf, keyLength > 0 ? keyAt + keyLength : keyAt);
    const valueAt = varint.end;
    if (!(length > 0 && next <= end && valueAt + (valueLength > 0 ? valueLength : 0) <= next)) throw malformed(header);
    at = next;
    left--;
    if (position < fromOffset) continue;
    off[n] = valueAt;
    len[n] = valueLength;
    keyOff[n] = keyAt;
    keyLen[n] = keyLength;
    ts[n] = header.logAppendTime ? header.maxTimestamp : timestamp;
    offset[n] = position;
    n++;
  }
  cursor.at = at;
  cursor.left = left;
  return n;
}

export function malformed(header: BatchHeader): WeirError {
  return new WeirError(
    "RECORD_MALFORMED",
    `the record batch at offset ${header.baseOffset} passes its checksum, but its records do not add up`,
  );
}
