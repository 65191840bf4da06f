import type { Division } from "./division.ts";
import { entryDivision } from "../windows/entry-division.ts";
import type { PlanTrigger } from "../plan.ts";
import type { KeyedNode, KeyedSnapshot } from "../program.ts";
import { PAGE_BITS } from "../windows/bucket.ts";
import type { HashedKey } from "../windows/bucket.ts";
import type { CellLayout } from "../windows/cells.ts";
import { readChunk, STATE_VERSION } from "../windows/entry-codec.ts";
import type { DecodedEntry } from "../windows/entry-codec.ts";
import { murmur2 } from "../windows/murmur2.ts";
import { requireRestorable } from "../windows/restorable.ts";
import { Snapshots } from "../windows/snapshots.ts";
import type { ShardAtBarrier } from "../windows/snapshots.ts";
import type { Fire } from "../windows/window-state.ts";
import { TableBucket } from "./table-bucket.ts";

/**
 * Own cells of an entry: when it was last written (NaN: it is gone), and what its trigger counts: records, or by time, which of
 * the keys of its shard that wait for their result it is, from 1 on.
 */
export const WRITTEN_AT = 0;
export const TRIGGER = 1;

/** Cells of an entry before those of its aggregates. */
export const ownCells = ({ slots, cells }: CellLayout): number => (slots.length === 0 ? cells : TRIGGER + 1);

/** Below this many entries a table is not worth being made smaller. */
const SMALL = 1024;

export interface TableOptions {
  readonly node: string;
  readonly stateSignature: string;
  readonly layout: CellLayout;
  /** 0: keys are never forgotten. */
  readonly ttlMs: number;
  /** Of time, where results are given by it. */
  readonly trigger?: PlanTrigger;
}

export interface KeyedShard {
  readonly index: number;
  floor: number;
  bucket: TableBucket;
  /** Entries of the bucket that are gone. */
  dead: number;
  /** When it is next looked for keys that were forgotten. */
  sweepAt: number;
}

/**
 * Keyed state without windows: shard → keys. Time is event time, as in windows: a key was last written at its record's
 * time or the watermark, whichever is later, and is forgotten when the watermark has come `ttlMs` further. So it does not
 * depend on when a worker runs, and a restored job forgets what it would have forgotten.
 */
export class KeyedTable implements KeyedNode {
  readonly node: string;
  readonly stateVersion = STATE_VERSION;
  readonly stateSignature: string;
  readonly layout: CellLayout;
  readonly snapshots = new Snapshots({ marked: true });
  watermark = Number.NEGATIVE_INFINITY;
  /** Of the record that comes next; filled anew each time. */
  readonly key: HashedKey = { bytes: new Uint8Array(0), start: 0, stop: 0, hash: 0 };
  /** Where the entry is that was asked for last. */
  bucket: TableBucket;
  /** Shards and hashes of the keys of the next records. */
  private readonly sought = new Int32Array(1024);
  private readonly glanced = new Int32Array(512);
  private soughtCount = 0;
  /** So that what is glanced at is read indeed. */
  seen = 0;
  private readonly ttl: number;
  protected readonly owned = new Map<number, KeyedShard>();
  protected readonly byIndex: (KeyedShard | undefined)[] = [];
  /** The end of time is not a time: a bounded input that ended forgets nothing. */
  private time = Number.NEGATIVE_INFINITY;

  constructor({ node, stateSignature, layout, ttlMs }: TableOptions) {
    this.node = node;
    this.stateSignature = stateSignature;
    this.layout = layout;
    this.ttl = ttlMs;
    this.bucket = new TableBucket(layout);
  }

  private open(index: number): KeyedShard {
    const bucket = new TableBucket(this.layout);
    const shard: KeyedShard = {
      index,
      floor: Number.NEGATIVE_INFINITY,
      bucket,
      dead: 0,
      sweepAt: Number.NEGATIVE_INFINITY,
    };
    this.owned.set(index, shard);
    this.byIndex[index] = shard;
    return shard;
  }

  private now(shard: KeyedShard): number {
    return Math.max(this.time, shard.floor);
  }

  /** A record with a key of that hash comes soon. */
  seek(shard: number, hash: number): void {
    const { sought } = this;
    if (this.soughtCount === sought.length) return;
    sought[this.soughtCount++] = shard;
    sought[this.soughtCount++] = hash;
  }

  /**
   * Reads a word of whatever the sought keys will need, each kind in a loop of its own: the processor asks memory for
   * many of them at once. What is read means nothing.
   */
  glance(): void {
    const { sought, soughtCount, byIndex, glanced } = this;
    const n = soughtCount >> 1;
    let sum = 0;
    for (let i = 0; i < n; i++) {
      const bucket = byIndex[sought[2 * i] as number]?.bucket ?? this.bucket;
      sum ^= glanced[i] = bucket.glance(sought[2 * i + 1] as number);
    }
    for (let i = 0; i < n; i++) {
      const bucket = byIndex[sought[2 * i] as number]?.bucket ?? this.bucket;
      sum ^= glanced[i] = bucket.glanceAt(glanced[i] as number);
    }
    for (let i = 0; i < n; i++) {
      const bucket = byIndex[sought[2 * i] as number]?.bucket ?? this.bucket;
      const at = glanced[i] as number;
      // Nearly half of the keys lie in two lines of the cache.
      sum ^= (bucket.keys[at] ?? 0) ^ (bucket.keys[at + FURTHER] ?? 0);
    }
    this.seen = sum;
    this.soughtCount = 0;
  }

  /** The entry of `key`, which may be changed now; a new one where there was none or it is forgotten. */
  entry(shardIndex: number): number {
    const { bytes, start, stop, hash } = this.key;
    const shard = this.byIndex[shardIndex] ?? this.open(shardIndex);
    if (shard.dead > SMALL && shard.dead * 2 > shard.bucket.n) this.compact(shard);
    const { bucket } = shard;
    this.bucket = bucket;
    let e = bucket.find(bytes, start, stop, hash);
    if (e < 0) {
      e = bucket.insert(bytes, start, stop, { hash, place: e });
      bucket.cells[e * this.layout.cells + WRITTEN_AT] = Number.NEGATIVE_INFINITY;
    } else if (!this.alive(bucket.cells, e * this.layout.cells, this.now(shard))) {
      this.remove(shardIndex, e);
      e = bucket.renew(e, bytes, start, stop);
      bucket.cells[e * this.layout.cells + WRITTEN_AT] = Number.NEGATIVE_INFINITY;
    }
    this.touch(bucket, e);
    return e;
  }

  /** The entry of `key` if it is not there, or is forgotten; −1 if it is there. */
  fresh(shardIndex: number): number {
    const { bytes, start, stop, hash } = this.key;
    const shard = this.byIndex[shardIndex] ?? this.open(shardIndex);
    const e = shard.bucket.find(bytes, start, stop, hash);
    if (e >= 0 && this.alive(shard.bucket.cells, e * this.layout.cells, this.now(shard))) return -1;
    return this.entry(shardIndex);
  }

  protected touch(bucket: TableBucket, e: number): void {
    const page = e >> PAGE_BITS;
    bucket.marks[e] = this.snapshots.epoch;
    if (bucket.stamps[page] !== this.snapshots.epoch) this.snapshots.touch(bucket, page);
  }

  /** Notes that an entry is written: −∞, as `entry` makes it, is one that never was. */
  written(shardIndex: number, e: number, ts: number): void {
    const shard = this.byIndex[shardIndex] as KeyedShard;
    this.bucket.cells[e * this.layout.cells + WRITTEN_AT] = Math.max(ts, this.now(shard));
  }

  protected alive(cells: Float64Array, at: number, now: number): boolean {
    const written = cells[at + WRITTEN_AT] as number;
    return this.ttl === 0 ? !Number.isNaN(written) : written + this.ttl > now;
  }

  /** Makes an entry count as gone; it keeps its place until the table is made smaller. */
  remove(shardIndex: number, e: number): void {
    const shard = this.byIndex[shardIndex] as KeyedShard;
    this.touch(shard.bucket, e);
    shard.bucket.cells[e * this.layout.cells + WRITTEN_AT] = Number.NaN;
    shard.dead++;
  }

  /** Moves what lives into a new bucket; a snapshot that is being written keeps the old one. */
  private compact(shard: KeyedShard): void {
    const { cells, texts } = this.layout;
    const from = shard.bucket;
    const to = new TableBucket(this.layout);
    const now = this.now(shard);
    for (let e = 0; e < from.n; e++) {
      if (!this.alive(from.cells, e * cells, now)) continue;
      const k = to.obtain(from.keys, from.keyAt[e] as number, from.keyAt[e + 1] as number, from.hashes[e] as number);
      to.cells.set(from.cells.subarray(e * cells, (e + 1) * cells), k * cells);
      for (let i = 0; i < texts; i++) to.put(k, i, from.held(e, i));
    }
    shard.bucket = to;
    shard.dead = 0;
  }

  /** Moves the watermark, and forgets keys. */
  advance(watermark: number, _fire?: Fire): void {
    if (watermark <= this.watermark) return;
    this.watermark = watermark;
    if (watermark !== Number.POSITIVE_INFINITY) this.time = watermark;
    if (this.ttl > 0) for (const shard of this.owned.values()) this.sweep(shard);
  }

  /** Looks for forgotten keys twice in their time to live, so that at most half as many again are held. */
  private sweep(shard: KeyedShard): void {
    const now = this.now(shard);
    if (now < shard.sweepAt) return;
    shard.sweepAt = now + this.ttl / 2;
    if (shard.bucket.n > SMALL && this.living(shard, now) * 2 < shard.bucket.n) this.compact(shard);
  }

  private living(shard: KeyedShard, now: number): number {
    const { cells, n } = shard.bucket;
    let living = 0;
    for (let e = 0; e < n; e++) if (this.alive(cells, e * this.layout.cells, now)) living++;
    return living;
  }

  shards(): readonly number[] {
    return [...this.owned.keys()].toSorted((a, b) => a - b);
  }

  beginSnapshot(): KeyedSnapshot {
    const shards = new Map<number, ShardAtBarrier>();
    for (const shard of this.owned.values()) {
      const now = this.now(shard);
      const alive = (cells: Float64Array, at: number): boolean => this.alive(cells, at, now);
      shards.set(shard.index, { watermark: Math.max(this.watermark, shard.floor), buckets: [shard.bucket], alive });
    }
    return this.snapshots.begin(this.layout, shards);
  }

  restore(index: number, chunks: readonly Buffer[], stateVersion: number): void {
    requireRestorable(this.node, { index, isOwned: this.owned.has(index), stateVersion });
    const shard = this.open(index);
    for (const chunk of chunks) {
      const floor = this.readSaved(chunk, (entry) => this.add(shard, entry));
      shard.floor = Math.max(shard.floor, floor);
    }
  }

  protected readSaved(chunk: Buffer, each: (entry: DecodedEntry) => void): number {
    return readChunk(chunk, this.layout, each);
  }

  division(floor: number): Division {
    return entryDivision({ layout: this.layout, floor, own: ownCells(this.layout) });
  }

  /** Of several forms of an entry the last one counts; a key that came back after it was gone is the last to have arrived. */
  private add(shard: KeyedShard, { key, cells, texts }: DecodedEntry): void {
    const { bytes, start, stop } = key;
    const { bucket } = shard;
    const hash = murmur2(bytes, start, stop);
    let e = bucket.find(bytes, start, stop, hash);
    const wasGone = e >= 0 && Number.isNaN(bucket.cells[e * this.layout.cells + WRITTEN_AT] as number);
    const isGone = Number.isNaN(cells[WRITTEN_AT] as number);
    if (isGone) shard.dead += e >= 0 && !wasGone ? 1 : 0;
    if (isGone && (e < 0 || wasGone)) return;
    if (e < 0) e = bucket.insert(bytes, start, stop, { hash, place: e });
    else if (wasGone) e = bucket.renew(e, bytes, start, stop);
    bucket.cells.set(cells, e * this.layout.cells);
    for (let i = 0; i < this.layout.texts; i++) bucket.put(e, i, texts[i]);
  }

  size(): number {
    let n = 0;
    for (const shard of this.owned.values()) n += this.living(shard, this.now(shard));
    return n;
  }
}

/** Bytes behind the first of a key that are looked at beside it. */
const FURTHER = 24;
const WIDE = 2 ** 31;

/** What is left of a division of doubles is a call into a library; of integers it is one instruction. */
export const isMultiple = (count: number, of: number): boolean =>
  count < WIDE && of < WIDE ? (count | 0) % (of | 0) === 0 : count % of === 0;
