import { crc32c } from "@node-rs/crc32";
import { MAX_BATCH_RECORDS } from "../../batch.ts";
import { newInstance, newMemory } from "../../webassembly.ts";
import { recordBatchCode } from "./record-batch-code.ts";
import {
  checksumHolds,
  checksumOf,
  CRC_FROM,
  decodeRecords,
  malformed,
  type BatchHeader,
  type DecodeLimits,
  type RecordColumns,
  type RecordCursor,
} from "./record-batch.ts";

/** A longer batch is checked and read where it lies. */
const LONGEST = 1024 * 1024;
/** The checksum of fewer bytes takes no longer than to fold them. */
const FOLDED_FROM = 16 * 1024;
/** So many bytes behind a batch may be looked at. */
const BEHIND = 64;

/** What is where in the memory. */
const CURSOR = 0;
const OFF = CURSOR + 16;
const LEN = OFF + MAX_BATCH_RECORDS * 4;
const KEY_OFF = LEN + MAX_BATCH_RECORDS * 4;
const KEY_LEN = KEY_OFF + MAX_BATCH_RECORDS * 4;
const TS = KEY_LEN + MAX_BATCH_RECORDS * 4;
const OFFSET = TS + MAX_BATCH_RECORDS * 8;
const WINDOW = OFFSET + MAX_BATCH_RECORDS * 8;
const REST = WINDOW + 26_976;
const DATA = REST + 5_312;
const BYTES = DATA + LONGEST + BEHIND;

const PLACES = { cursor: CURSOR, off: OFF, len: LEN, keyOff: KEY_OFF, keyLen: KEY_LEN, ts: TS, offset: OFFSET };

interface Held {
  readonly header: BatchHeader;
  readonly buf: Buffer;
  readonly from: number;
}

/** Runs record-batch.wat on batches that it copies into its memory: what it reads then is in the processor's cache. */
export class BatchDecoder {
  /** Of the records that were read last. */
  readonly columns: RecordColumns;
  private readonly bytes: Buffer;
  private readonly cursor: Int32Array;
  private readonly fold: (from: number, to: number) => number;
  private readonly decode: (...args: readonly number[]) => number;
  /** Of the batch whose records are in the memory, and where they came from. */
  private held: Held | undefined;

  constructor() {
    const memory = newMemory(BYTES);
    const exports = newInstance(recordBatchCode, { kafka: { memory, ...PLACES, window: WINDOW, rest: REST } });
    const ints = (at: number): Int32Array => new Int32Array(memory.buffer, at, MAX_BATCH_RECORDS);
    const floats = (at: number): Float64Array => new Float64Array(memory.buffer, at, MAX_BATCH_RECORDS);
    this.columns = {
      off: ints(OFF),
      len: ints(LEN),
      keyOff: ints(KEY_OFF),
      keyLen: ints(KEY_LEN),
      ts: floats(TS),
      offset: floats(OFFSET),
    };
    this.bytes = Buffer.from(memory.buffer);
    this.cursor = new Int32Array(memory.buffer, CURSOR, 2);
    this.fold = exports["fold"] as typeof this.fold;
    this.decode = exports["decode"] as typeof this.decode;
  }

  /** As `checksumHolds`. */
  holds(buf: Buffer, header: BatchHeader): boolean {
    const from = header.start + CRC_FROM;
    const length = header.end - from;
    if (length <= LONGEST) this.hold(header, buf, from, header.end);
    if (length < FOLDED_FROM || length > LONGEST) return checksumHolds(buf, header);
    return this.checksum(length) === checksumOf(buf, header);
  }

  /** As `decodeRecords`, into its own columns. */
  read(cursor: RecordCursor, n: number, limits: DecodeLimits): number {
    const { header, buf, at, end } = cursor;
    if (end - at > LONGEST) return decodeRecords(cursor, this.columns, n, limits);
    const { held } = this;
    const { from } = held?.header === header && held.buf === buf ? held : this.hold(header, buf, at, end);
    const shift = from - DATA;
    const start = at - shift;
    this.cursor[0] = start;
    this.cursor[1] = cursor.left;
    const to = this.decode(
      end - shift,
      n,
      Math.min(limits.maxRecords, MAX_BATCH_RECORDS),
      Math.min(0x7fff_ffff, start + limits.maxBytes),
      shift,
      header.baseTimestamp,
      header.baseOffset,
      limits.fromOffset,
    );
    if (to < 0) throw malformed(header);
    if (header.logAppendTime) this.columns.ts.fill(header.maxTimestamp, n, to);
    cursor.at = this.cursor[0] + shift;
    cursor.left = this.cursor[1];
    return to;
  }

  private hold(header: BatchHeader, buf: Buffer, from: number, to: number): Held {
    buf.copy(this.bytes, DATA, from, to);
    this.held = { header, buf, from };
    return this.held;
  }

  /** Of the bytes in the memory. A checksum begins as if the first four were others, which then are of no account. */
  private checksum(length: number): number {
    invert(this.bytes, DATA);
    const left = this.fold(DATA, DATA + length);
    invert(this.bytes, DATA);
    invert(this.bytes, REST);
    return crc32c(this.bytes.subarray(REST, REST + left));
  }
}

function invert(bytes: Buffer, at: number): void {
  bytes.writeInt32LE(~bytes.readInt32LE(at), at);
}
