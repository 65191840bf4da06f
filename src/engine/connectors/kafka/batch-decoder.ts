import { crc32c } from "@node-rs/crc32";
import { MAX_BATCH_RECORDS } from "../../batch.ts";
import { BEHIND } from "../../json/layout-scanner.ts";
import { recordMemory, RECORDS_FROM } from "../../json/record-memory.ts";
import { newInstance } from "../../webassembly.ts";
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

/** Room for batches. A longer one is checked and read where it lies. */
const LONGEST = 1024 * 1024;
/** The checksum of fewer bytes takes no longer than to fold them. */
const FOLDED_FROM = 16 * 1024;

/** What is where in the memory, behind what belongs to the scanner of records. */
const CURSOR = RECORDS_FROM;
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

const PLACES = {
  cursor: CURSOR,
  off: OFF,
  len: LEN,
  keyOff: KEY_OFF,
  keyLen: KEY_LEN,
  ts: TS,
  offset: OFFSET,
  window: WINDOW,
  rest: REST,
};

/** Bytes of a batch in the memory. */
interface Held {
  readonly header: BatchHeader;
  /** Where they came from, and what of it they are. */
  readonly buf: Buffer;
  readonly from: number;
  readonly to: number;
  readonly place: number;
}

/**
 * Runs record-batch.wat on batches that it copies into its memory: what it reads then is in the processor's cache, and so it is for
 * those who get the records, which lie there until others are read.
 */
export class BatchDecoder {
  /** Of the records that were read last. */
  readonly columns: RecordColumns;
  /** Where they lie. */
  buf: Buffer;
  private readonly bytes: Buffer;
  private readonly cursor: Int32Array;
  private readonly fold: (from: number, to: number) => number;
  private readonly decode: (...args: readonly number[]) => number;
  /** The batch that came into the memory last. */
  private held: Held | undefined;
  /** End of the records in the memory that may still be needed. */
  private top = DATA;

  constructor() {
    const memory = recordMemory(BYTES);
    const exports = newInstance(recordBatchCode, { kafka: { memory, ...PLACES } });
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
    this.buf = this.bytes = Buffer.from(memory.buffer);
    this.cursor = new Int32Array(memory.buffer, CURSOR, 2);
    this.fold = exports["fold"] as typeof this.fold;
    this.decode = exports["decode"] as typeof this.decode;
  }

  /** Nobody needs the records any more that were read before. */
  clear(): void {
    this.top = DATA;
  }

  /** Whether so many bytes come behind what is in the memory. */
  hasRoom(bytes: number): boolean {
    return this.top + bytes <= DATA + LONGEST;
  }

  /** As `checksumHolds`. */
  holds(buf: Buffer, header: BatchHeader): boolean {
    const from = header.start + CRC_FROM;
    const length = header.end - from;
    if (length < FOLDED_FROM || !this.hasRoom(length)) return checksumHolds(buf, header);
    const { place } = this.hold({ header, buf, at: from, end: header.end });
    return this.checksum(place, length) === checksumOf(buf, header);
  }

  /** Whether these records can be read behind the `n` that were: all of a batch lie in one buffer. */
  takes(cursor: RecordCursor, n: number): boolean {
    if (n === 0) return true;
    const bytes = cursor.end - cursor.at;
    if (bytes > LONGEST) return this.buf === cursor.buf;
    return this.buf === this.bytes && (this.heldOf(cursor) !== undefined || this.hasRoom(bytes));
  }

  /** As `decodeRecords`, into its own columns; the places are those in `buf`. */
  read(cursor: RecordCursor, n: number, limits: DecodeLimits): number {
    const { header, buf, at, end } = cursor;
    if (end - at > LONGEST) {
      this.buf = buf;
      return decodeRecords(cursor, this.columns, n, limits);
    }
    const held = this.heldOf(cursor) ?? this.hold(cursor);
    const shift = held.from - held.place;
    this.buf = this.bytes;
    this.top = Math.max(this.top, held.place + held.to - held.from + 1);
    this.cursor[0] = at - shift;
    this.cursor[1] = cursor.left;
    const to = this.decode(
      end - shift,
      n,
      Math.min(limits.maxRecords, MAX_BATCH_RECORDS),
      Math.min(0x7fff_ffff, at - shift + limits.maxBytes),
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

  private heldOf({ header, buf, at }: RecordCursor): Held | undefined {
    const { held } = this;
    return held?.header === header && held.buf === buf && held.from <= at ? held : undefined;
  }

  /** Copies them behind what is in the memory. Behind them is a zero, where scans end. */
  private hold({ header, buf, at, end }: Pick<RecordCursor, "header" | "buf" | "at" | "end">): Held {
    if (!this.hasRoom(end - at)) this.clear();
    const place = this.top;
    buf.copy(this.bytes, place, at, end);
    this.bytes[place + end - at] = 0;
    this.held = { header, buf, from: at, to: end, place };
    return this.held;
  }

  /** Of the bytes there. A checksum begins as if the first four were others, which then are of no account. */
  private checksum(place: number, length: number): number {
    const { bytes } = this;
    invert(bytes, place);
    const left = this.fold(place, place + length);
    invert(bytes, place);
    invert(bytes, REST);
    return crc32c(bytes.subarray(REST, REST + left));
  }
}

function invert(bytes: Buffer, at: number): void {
  bytes.writeInt32LE(~bytes.readInt32LE(at), at);
}
