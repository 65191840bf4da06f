import { ShortCopy, targetOf } from "../short-copy.ts";
import type { Target } from "../short-copy.ts";
import { Block, giveArrays, takeBytes } from "../windows/block.ts";
import { Bucket, grown, LITTLE } from "../windows/bucket.ts";
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

/** Words of a row, beside its time. */
const WORDS = 6;
const MATCHED = 0;
const KEY = 1;
/** The next row of the same key, plus one. */
const FOLLOWING = 2;
const SEGMENT = 3;
const START = 4;
const STOP = 5;

/** Of the arrays: for a row, and what is there for none. */
const ROW_BYTES = 32;
const LOG_BYTES = 1024;

/** What a log comes to: a log that has this room from the start does not grow. */
export interface LogRoom {
  readonly keys: BucketRoom;
  readonly rows: number;
  readonly bytes: number;
}

/** Rows come one after the other from few buffers. */
const copies = new ShortCopy();

export const SHORT_LOG: LogRoom = { keys: LITTLE, rows: 8, bytes: SMALLEST_SEGMENT };

function arraysFor(rows: number) {
  const all = new Block(rows * 8, rows * WORDS * 4);
  return { ts: all.float64(rows), words: all.int32(rows * WORDS) };
}

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
  private words: Int32Array;
  private segments: Buffer[] = [];
  /** The last one. */
  private open: Target | undefined;
  /** Of rows that came as objects. */
  private readonly objects: (Row | undefined)[] = [];
  private segmentBytes = 0;
  /** Bytes of the last segment that are taken. */
  private taken = 0;
  private readonly firstSegment: number;

  constructor(end: number, { keys, rows, bytes }: LogRoom = SHORT_LOG) {
    this.end = end;
    this.keys = new Bucket(0, CHAIN, false, keys);
    const arrays = arraysFor(rows);
    this.ts = arrays.ts;
    this.words = arrays.words;
    // A little more rarely needs a second one.
    this.firstSegment = Math.min(LARGEST_SEGMENT, bytes + (bytes >> 3));
  }

  /** For the next one of its kind, which will probably be like it. */
  get filled(): LogRoom {
    const before = this.segments
      .slice(0, Math.max(0, this.segments.length - 1))
      .reduce((sum, segment) => sum + segment.length, 0);
    const rows = Math.max(this.n + (this.n >> 3), SHORT_LOG.rows);
    return { keys: this.keys.filled, rows, bytes: Math.max(before + this.taken, SHORT_LOG.bytes) };
  }

  /** Gives back its memory. It must not be used any more. */
  free(): void {
    this.keys.free();
    giveArrays([this.ts, this.words, ...this.segments]);
    this.ts = new Float64Array();
    this.words = new Int32Array();
    this.segments = [];
    this.open = undefined;
    this.n = 0;
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
    const to = this.room(row.end - row.start + 1);
    const stop = copies.copy(row.bytes, row.start, row.end, { to, at: this.taken });
    // A tokenizer looks one byte further; old memory there that is a space would send it the slow way.
    to.bytes[stop] = 0;
    const { words } = this;
    const w = i * WORDS;
    words[w + SEGMENT] = this.segments.length - 1;
    words[w + START] = this.taken;
    words[w + STOP] = stop;
    this.taken = stop + 1;
  }

  private chain(row: number, key: number): void {
    const { words } = this;
    const { cells } = this.keys;
    const last = cells[key * 2 + LAST] as number;
    words[row * WORDS + KEY] = key;
    words[row * WORDS + FOLLOWING] = 0;
    words[row * WORDS + MATCHED] = 0;
    if (last === 0) cells[key * 2 + FIRST] = row + 1;
    else words[(last - 1) * WORDS + FOLLOWING] = row + 1;
    cells[key * 2 + LAST] = row + 1;
  }

  private room(length: number): Target {
    const { open } = this;
    if (open !== undefined && this.taken + length <= open.bytes.length) return open;
    const size = Math.min(LARGEST_SEGMENT, open === undefined ? this.firstSegment : open.bytes.length * 2);
    const segment = takeBytes(Math.max(size, length));
    this.segments.push(segment);
    this.segmentBytes += segment.length;
    this.taken = 0;
    return (this.open = targetOf(segment));
  }

  private grow(): void {
    const { ts, words } = this;
    const arrays = arraysFor(ts.length * 2);
    this.ts = grown(ts, arrays.ts);
    this.words = grown(words, arrays.words);
    giveArrays([ts, words]);
  }

  /** Notes that a row has had a partner, after so many snapshots had begun. */
  match(row: number, snapshots: number): void {
    if (this.matched(row) === 0) this.words[row * WORDS + MATCHED] = snapshots + 1;
  }

  /** 0 for a row that has had no partner; else the number of snapshots that had begun when it had its first, plus one. */
  matched(row: number): number {
    return this.words[row * WORDS + MATCHED] as number;
  }

  /** Whether a row had had a partner when a snapshot began. */
  wasMatched(row: number, snapshot: number): boolean {
    const since = this.matched(row);
    return since > 0 && since <= snapshot;
  }

  /** The first row of a key of the table, or −1. */
  first(key: number): number {
    return (this.keys.cells[key * 2 + FIRST] as number) - 1;
  }

  /** The next row of the same key, or −1. */
  next(row: number): number {
    return (this.words[row * WORDS + FOLLOWING] as number) - 1;
  }

  read(row: number, into: RowAt): void {
    into.row = this.objects[row];
    if (into.row !== undefined) return;
    const { words } = this;
    const w = row * WORDS;
    into.bytes = this.segments[words[w + SEGMENT] as number] as Buffer;
    into.start = words[w + START] as number;
    into.end = words[w + STOP] as number;
  }

  /** Where the key of a row of the table is. */
  keyOfRow(row: number): { bytes: Buffer; start: number; stop: number } {
    return this.keyAt(this.words[row * WORDS + KEY] as number);
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
