import { Bucket, LITTLE } from "../windows/bucket.ts";
import type { BucketRoom } from "../windows/bucket.ts";
import { cellLayout } from "../windows/cells.ts";
import type { Row } from "../batch.ts";
import { isNullKey } from "./row.ts";
import type { IncomingRow, RowAt } from "./row.ts";

/** Cells of a key: its first and its last row, plus one; 0 is none. */
const CHAIN = cellLayout([], { own: 2 });
const FIRST = 0;
const LAST = 1;

/** A job has a log for each shard, side and span of time, and most may be short. */
const SMALLEST_SEGMENT = 256;
const LARGEST_SEGMENT = 1024 * 1024;

/** Of the arrays: for a row, and what is there for none. */
const ROW_BYTES = 32;
const LOG_BYTES = 1536;

/** What a log comes to: a log that has this room from the start does not grow. */
export interface LogRoom {
  readonly keys: BucketRoom;
  readonly rows: number;
  readonly bytes: number;
}

export const SHORT_LOG: LogRoom = { keys: LITTLE, rows: 8, bytes: SMALLEST_SEGMENT };

/**
 * The records of one side of a join in one shard and one span of time, as the bytes or objects they came as: chained by
 * key, in order of arrival. Only ever added to and dropped as a whole, so a snapshot needs no copy of it.
 */
export class RowLog {
  /** First millisecond after its span. */
  readonly end: number;
  readonly keys: Bucket;
  n = 0;
  ts: Float64Array;
  /** 0 for a row that has had no partner; else the number of snapshots that had begun when it had its first, plus one. */
  matched: Int32Array;
  private keyOf: Int32Array;
  /** The next row of the same key, plus one. */
  private following: Int32Array;
  private segmentOf: Int32Array;
  private startOf: Int32Array;
  private stopOf: Int32Array;
  private readonly segments: Buffer[] = [];
  /** Of rows that came as objects. */
  private readonly objects: (Row | undefined)[] = [];
  private segmentBytes = 0;
  /** Bytes of the last segment that are taken. */
  private taken = 0;
  private readonly firstSegment: number;

  constructor(end: number, { keys, rows, bytes }: LogRoom = SHORT_LOG) {
    this.end = end;
    this.keys = new Bucket(0, CHAIN, false, keys);
    this.ts = new Float64Array(rows);
    this.matched = new Int32Array(rows);
    this.keyOf = new Int32Array(rows);
    this.following = new Int32Array(rows);
    this.segmentOf = new Int32Array(rows);
    this.startOf = new Int32Array(rows);
    this.stopOf = new Int32Array(rows);
    // A little more rarely needs a second one.
    this.firstSegment = Math.min(LARGEST_SEGMENT, bytes + (bytes >> 3));
  }

  /** For the next one of its kind, which will probably be like it. */
  get filled(): LogRoom {
    const before = this.segments.slice(0, -1).reduce((sum, segment) => sum + segment.length, 0);
    const rows = Math.max(this.n, SHORT_LOG.rows);
    return { keys: this.keys.filled, rows, bytes: Math.max(before + this.taken, SHORT_LOG.bytes) };
  }

  /** What it takes in memory, about. */
  get bytes(): number {
    return LOG_BYTES + this.segmentBytes + this.ts.length * ROW_BYTES + this.keys.bytes;
  }

  add(row: IncomingRow): number {
    const i = this.n;
    if (i === this.ts.length) this.grow();
    if (row.row === undefined) this.copy(i, row);
    else this.objects[i] = row.row;
    this.ts[i] = row.ts;
    this.chain(i, this.keys.obtain(row.key, row.keyStart, row.keyEnd, row.hash));
    this.n = i + 1;
    return i;
  }

  private copy(i: number, row: IncomingRow): void {
    const length = row.end - row.start;
    const segment = this.room(length + 1);
    const stop = this.taken + length;
    row.bytes.copy(segment, this.taken, row.start, row.end);
    // A tokenizer looks one byte further; old memory there that is a space would send it the slow way.
    segment[stop] = 0;
    this.segmentOf[i] = this.segments.length - 1;
    this.startOf[i] = this.taken;
    this.stopOf[i] = stop;
    this.taken = stop + 1;
  }

  private chain(row: number, key: number): void {
    const { cells } = this.keys;
    const last = cells[key * 2 + LAST] as number;
    this.keyOf[row] = key;
    if (last === 0) cells[key * 2 + FIRST] = row + 1;
    else this.following[last - 1] = row + 1;
    cells[key * 2 + LAST] = row + 1;
  }

  private room(length: number): Buffer {
    const last = this.segments.at(-1);
    if (last !== undefined && this.taken + length <= last.length) return last;
    const size = Math.min(LARGEST_SEGMENT, last === undefined ? this.firstSegment : last.length * 2);
    const segment = Buffer.allocUnsafeSlow(Math.max(size, length));
    this.segments.push(segment);
    this.segmentBytes += segment.length;
    this.taken = 0;
    return segment;
  }

  private grow(): void {
    const capacity = this.ts.length * 2;
    const longer = (from: Int32Array): Int32Array<ArrayBuffer> => {
      const to = new Int32Array(capacity);
      to.set(from);
      return to;
    };
    const times = new Float64Array(capacity);
    times.set(this.ts);
    this.ts = times;
    this.matched = longer(this.matched);
    this.keyOf = longer(this.keyOf);
    this.following = longer(this.following);
    this.segmentOf = longer(this.segmentOf);
    this.startOf = longer(this.startOf);
    this.stopOf = longer(this.stopOf);
  }

  /** Notes that a row has had a partner, after so many snapshots had begun. */
  match(row: number, snapshots: number): void {
    if (this.matched[row] === 0) this.matched[row] = snapshots + 1;
  }

  /** Whether a row had had a partner when a snapshot began. */
  wasMatched(row: number, snapshot: number): boolean {
    const since = this.matched[row] as number;
    return since > 0 && since <= snapshot;
  }

  /** The first row of a key of the table, or −1. */
  first(key: number): number {
    return (this.keys.cells[key * 2 + FIRST] as number) - 1;
  }

  /** The next row of the same key, or −1. */
  next(row: number): number {
    return (this.following[row] as number) - 1;
  }

  read(row: number, into: RowAt): void {
    into.row = this.objects[row];
    if (into.row !== undefined) return;
    into.bytes = this.segments[this.segmentOf[row] as number] as Buffer;
    into.start = this.startOf[row] as number;
    into.end = this.stopOf[row] as number;
  }

  /** Where the key of a row of the table is. */
  keyOfRow(row: number): { bytes: Buffer; start: number; stop: number } {
    return this.keyAt(this.keyOf[row] as number);
  }

  keyAt(key: number): { bytes: Buffer; start: number; stop: number } {
    const { keys, keyAt } = this.keys;
    return { bytes: keys, start: keyAt[key] as number, stop: keyAt[key + 1] as number };
  }

  /** The key of another table in this one, or −1; null is equal to no key. */
  partner(other: RowLog, key: number): number {
    const { bytes, start, stop } = other.keyAt(key);
    if (isNullKey({ bytes, start, stop })) return -1;
    return Math.max(-1, this.keys.find(bytes, start, stop, other.keys.hashes[key] as number));
  }
}
