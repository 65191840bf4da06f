import { refuseGiven } from "../keyed-state/division.ts";
import type { Division } from "../keyed-state/division.ts";
import type { KeyedNode, KeyedSnapshot } from "../program.ts";
import { Bucket, LITTLE } from "./bucket.ts";
import type { BucketRoom } from "./bucket.ts";
import type { CellLayout, WindowNode } from "./cells.ts";
import { layoutOf, stateSignature } from "./cells.ts";
import { readChunk, STATE_VERSION } from "./entry-codec.ts";
import type { DecodedEntry, EntryKey } from "./entry-codec.ts";
import { entryDivision } from "./entry-division.ts";
import type { SavedEntry } from "./entry-division.ts";
import { mergeEntry } from "./merge.ts";
import { murmur2 } from "./murmur2.ts";
import { paneEnd, panesOf, passedWindows } from "./panes.ts";
import type { Panes, PaneWindow } from "./panes.ts";
import { requireRestorable } from "./restorable.ts";
import { Snapshots } from "./snapshots.ts";
import type { ShardAtBarrier } from "./snapshots.ts";

/** Where the row chain finds an entry's key and values. */
export type Rows = Pick<Bucket, "keys" | "keyAt" | "cells" | "texts">;

/** Called for every row that is due: the entry's result goes down the row chain. `end` is the window's. */
export type Fire = (rows: Rows, entry: number, shard: number, end: number) => void;

/** What generated code asks before it changes an entry: whether its page was changed in this epoch. */
export interface PageStamps {
  readonly epoch: number;
  touch(bucket: Bucket, page: number): void;
}

/** Epoch of accumulators that live as long as the merge of a window. */
export const MERGED = -2;

/** Emptying a larger one, and keeping it, is not worth it. */
const KEPT_BYTES = 1024 * 1024;

export interface WindowShard {
  readonly index: number;
  /** Watermark at the restored barrier: what was late then is late now, whatever the other shards say. */
  floor: number;
  /** By the pane's end. */
  readonly buckets: Map<number, Bucket>;
  /** The bucket of the last record: most batches stay in one pane. */
  last: Bucket | undefined;
  /** Of the last pane that was dropped, for the next one: where many are open, others begin small. */
  paneRoom: BucketRoom;
}

/**
 * State of one aggregate over tumbling, sliding or cumulating windows in memory: shard → pane → keys. Windows fire in
 * order of their end; within a window by shard, and within a shard by pane and first arrival of the key in it. So the
 * rows of a shard come in the same order wherever the shard lives.
 */
export class WindowState implements KeyedNode {
  readonly node: string;
  readonly stateVersion = STATE_VERSION;
  readonly stateSignature: string;
  readonly layout: CellLayout;
  private readonly pages = new Snapshots({ marked: true });
  readonly snapshots: PageStamps = this.pages;
  watermark = Number.NEGATIVE_INFINITY;
  /** Place in the order of arrival, for first and last of merged panes. */
  arrivals = 0;
  protected readonly panes: Panes;
  /** Where the panes of a window are merged. */
  private merging: Bucket | undefined;
  /** What a large one came to, for the next. */
  private mergedRoom = LITTLE;
  private readonly paneMs: number;
  private readonly lateness: number;
  protected readonly owned = new Map<number, WindowShard>();
  protected readonly byIndex: (WindowShard | undefined)[] = [];
  /** No pane is due to fire or to be dropped below this watermark. */
  private nextDue = Number.POSITIVE_INFINITY;

  constructor(node: WindowNode & { readonly window: PaneWindow }) {
    this.node = node.name;
    this.panes = panesOf(node.window);
    this.paneMs = this.panes.paneMs;
    this.lateness = node.allowedLatenessMs;
    this.layout = layoutOf(node);
    this.stateSignature = stateSignature(node);
  }

  /** The bucket that an event time falls into, or undefined when it is too late for all of its windows. */
  bucket(shardIndex: number, ts: number): Bucket | undefined {
    const shard = this.byIndex[shardIndex] ?? this.open(shardIndex);
    const { last } = shard;
    if (last !== undefined && ts < last.end && ts >= last.end - this.paneMs) return last;
    const end = paneEnd(this.panes, ts);
    const bucket = shard.buckets.get(end) ?? this.openBucket(shard, end);
    shard.last = bucket;
    return bucket;
  }

  get floor(): number {
    return Math.max(...[...this.owned.values()].map((s) => s.floor));
  }

  protected open(index: number): WindowShard {
    const shard: WindowShard = {
      index,
      floor: Number.NEGATIVE_INFINITY,
      buckets: new Map(),
      last: undefined,
      paneRoom: LITTLE,
    };
    this.owned.set(index, shard);
    this.byIndex[index] = shard;
    return shard;
  }

  private openBucket(shard: WindowShard, end: number): Bucket | undefined {
    const now = Math.max(this.watermark, shard.floor);
    if (this.panes.last(end) - 1 + this.lateness <= now) return undefined;
    const bucket = this.newBucket(shard, end);
    shard.buckets.set(end, bucket);
    this.schedule(bucket, now);
    return bucket;
  }

  protected newBucket(shard: WindowShard, end: number): Bucket {
    const room = shard.paneRoom;
    shard.paneRoom = LITTLE;
    return new Bucket(end, this.layout, false, room);
  }

  /** Notes when the pane is due next: for its next window, or to be dropped. */
  protected schedule(bucket: Bucket, now: number): void {
    const { first, last, stepMs } = this.panes;
    const begin = first(bucket.end);
    const end = last(bucket.end);
    bucket.fired = begin - 1 <= now;
    const next = bucket.fired ? begin + (Math.floor((now + 1 - begin) / stepMs) + 1) * stepMs : begin;
    this.nextDue = Math.min(this.nextDue, next <= end ? next - 1 : end - 1 + this.lateness);
  }

  /** Moves the watermark, fires windows that it passes and drops panes whose last window's lateness is over. */
  advance(watermark: number, fire: Fire): void {
    if (watermark <= this.watermark) return;
    const from = this.watermark;
    this.watermark = watermark;
    if (watermark < this.nextDue) return;
    for (const { shard, end } of this.passed(from, watermark)) this.fireWindow(shard, end, fire);
    this.drop(watermark);
  }

  private passed(from: number, to: number): { shard: WindowShard; end: number }[] {
    const due: { shard: WindowShard; end: number }[] = [];
    for (const shard of this.owned.values()) {
      const ends = new Set<number>();
      for (const pane of shard.buckets.keys())
        for (const end of passedWindows(this.panes, pane, Math.max(from, shard.floor), to)) ends.add(end);
      for (const end of ends) due.push({ shard, end });
    }
    return due.toSorted((a, b) => a.end - b.end || a.shard.index - b.shard.index);
  }

  protected fireWindow(shard: WindowShard, end: number, fire: Fire): void {
    const [only, ...others] = this.panesIn(shard, end);
    if (only === undefined) return;
    const all = others.length === 0 ? only : this.merged([only, ...others]);
    for (let e = 0; e < all.n; e++) fire(all, e, shard.index, end);
    if (all === this.merging && all.bytes > KEPT_BYTES) {
      this.mergedRoom = all.filled;
      this.merging = undefined;
      all.free();
    }
  }

  protected panesIn(shard: WindowShard, end: number): Bucket[] {
    const start = this.panes.start(end);
    const single = end - start === this.paneMs;
    const within = single
      ? [shard.buckets.get(end)].filter((b) => b !== undefined)
      : [...shard.buckets.values()].filter((b) => b.end > start && b.end <= end);
    return within.toSorted((a, b) => a.end - b.end);
  }

  /** Until the next merge. */
  private merged(panes: readonly Bucket[]): Bucket {
    const all = this.emptied();
    for (const pane of panes) for (let e = 0; e < pane.n; e++) this.mergeInto(all, pane, e);
    return all;
  }

  private emptied(): Bucket {
    if (this.merging === undefined) this.merging = new Bucket(0, this.layout, true, this.mergedRoom);
    else this.merging.clear();
    this.mergedRoom = LITTLE;
    return this.merging;
  }

  private mergeInto(all: Bucket, pane: Bucket, e: number): void {
    const { cells, texts } = this.layout;
    const hash = pane.hashes[e] as number;
    const to = all.obtain(pane.keys, pane.keyAt[e] as number, pane.keyAt[e + 1] as number, hash);
    const into = { cells: all.cells, cellAt: to * cells, texts: all.texts, textAt: to * texts };
    const from = { cells: pane.cells, cellAt: e * cells, texts: pane.texts, textAt: e * texts };
    mergeEntry(this.layout, into, from, MERGED);
  }

  /** A record came into a pane of which windows have fired: those that are still kept fire its key again, at once. */
  refire(bucket: Bucket, entry: number, shardIndex: number, fire: Fire): void {
    const shard = this.byIndex[shardIndex] as WindowShard;
    const now = Math.max(this.watermark, shard.floor);
    for (const end of passedWindows(this.panes, bucket.end, now - this.lateness, now))
      this.fireKey(shard, end, { bucket, entry, fire });
  }

  private fireKey(shard: WindowShard, end: number, of: { bucket: Bucket; entry: number; fire: Fire }): void {
    const { bucket, entry, fire } = of;
    const panes = this.panesIn(shard, end);
    if (panes.length === 1) return fire(bucket, entry, shard.index, end);
    const [start, stop] = [bucket.keyAt[entry] as number, bucket.keyAt[entry + 1] as number];
    const all = this.emptied();
    for (const pane of panes) {
      const e = this.findIn(pane, { bytes: bucket.keys, start, stop }, bucket.hashes[entry] as number);
      if (e >= 0) this.mergeInto(all, pane, e);
    }
    fire(all, 0, shard.index, end);
  }

  /** The entry of a key in another pane; negative where there is none. */
  protected findIn(pane: Bucket, { bytes, start, stop }: EntryKey, hash: number): number {
    return pane.find(bytes, start, stop, hash);
  }

  protected drop(watermark: number): void {
    this.nextDue = Number.POSITIVE_INFINITY;
    for (const shard of this.owned.values()) {
      for (const [end, bucket] of shard.buckets) {
        if (this.panes.last(end) - 1 + this.lateness <= watermark) this.dropBucket(shard, bucket);
        else this.schedule(bucket, Math.max(watermark, shard.floor));
      }
      shard.last = undefined;
    }
  }

  protected dropBucket(shard: WindowShard, bucket: Bucket): void {
    shard.buckets.delete(bucket.end);
    shard.paneRoom = bucket.filled;
    if (!this.pages.isRead(bucket)) bucket.free();
  }

  shards(): readonly number[] {
    return [...this.owned.keys()].toSorted((a, b) => a - b);
  }

  beginSnapshot(): KeyedSnapshot {
    const shards = new Map<number, ShardAtBarrier>();
    for (const shard of this.owned.values()) {
      const buckets = [...shard.buckets.values()].toSorted((a, b) => a.end - b.end);
      shards.set(shard.index, { watermark: Math.max(this.watermark, shard.floor), buckets });
    }
    return this.pages.begin(this.layout, shards);
  }

  restore(index: number, chunks: readonly Buffer[], stateVersion: number): void {
    requireRestorable(this.node, { index, isOwned: this.owned.has(index), stateVersion });
    const shard = this.open(index);
    for (const chunk of chunks) {
      const floor = readChunk(chunk, this.layout, (entry) => this.add(shard, entry));
      shard.floor = Math.max(shard.floor, floor);
    }
    for (const bucket of shard.buckets.values()) this.schedule(bucket, shard.floor);
  }

  division(floor: number): Division {
    const { layout, panes, node } = this;
    const check = ({ at, watermark }: SavedEntry): void => {
      const [again] = passedWindows(panes, at.end, floor, watermark);
      if (again !== undefined) refuseGiven(node, { given: watermark, floor });
    };
    return entryDivision({ layout, floor, late: true, own: 0, check });
  }

  private add(shard: WindowShard, entry: DecodedEntry): void {
    let bucket = shard.buckets.get(entry.end);
    if (bucket === undefined) shard.buckets.set(entry.end, (bucket = new Bucket(entry.end, this.layout, false)));
    const { bytes, start, stop } = entry.key;
    const e = bucket.obtain(bytes, start, stop, murmur2(bytes, start, stop));
    bucket.cells.set(entry.cells, e * this.layout.cells);
    for (let i = 0; i < this.layout.texts; i++) bucket.texts[e * this.layout.texts + i] = entry.texts[i];
    this.noteArrivals(entry);
  }

  /** What comes after a restore has come later than what was restored. */
  protected noteArrivals({ cells }: DecodedEntry): void {
    for (const { order } of this.layout.slots)
      if (order >= 0) this.arrivals = Math.max(this.arrivals, cells[order] as number);
  }

  size(): number {
    let n = 0;
    for (const shard of this.owned.values()) for (const bucket of shard.buckets.values()) n += bucket.n;
    return n;
  }
}
