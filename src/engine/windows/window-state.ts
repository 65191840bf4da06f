import { WeirError } from "../../errors.ts";
import type { KeyedNode, KeyedSnapshot } from "../program.ts";
import { Bucket } from "./bucket.ts";
import type { CellLayout, WindowNode } from "./cells.ts";
import { cellLayout, stateSignature, windowEnd } from "./cells.ts";
import { readChunk, STATE_VERSION } from "./entry-codec.ts";
import type { DecodedEntry } from "./entry-codec.ts";
import { murmur2 } from "./murmur2.ts";
import { Snapshots } from "./snapshots.ts";
import type { ShardAtBarrier } from "./snapshots.ts";

/** Called for every row that is due: the entry's result goes down the row chain. */
export type Fire = (bucket: Bucket, entry: number, shard: number) => void;

interface Shard {
  readonly index: number;
  /** Watermark at the restored barrier: what was late then is late now, whatever the other shards say. */
  floor: number;
  readonly buckets: Map<number, Bucket>;
  /** The bucket of the last record: most batches stay in one window. */
  last: Bucket | undefined;
}

/**
 * State of one windowed aggregate in memory: shard → window → keys. Windows fire in order of their end; within a
 * window by shard, and within a shard in order of the keys' first arrival. So the rows of a shard come in the same order
 * wherever the shard lives.
 */
export class WindowState implements KeyedNode {
  readonly node: string;
  readonly stateVersion = STATE_VERSION;
  readonly stateSignature: string;
  readonly layout: CellLayout;
  readonly snapshots = new Snapshots();
  watermark = Number.NEGATIVE_INFINITY;
  private readonly window: WindowNode["window"];
  private readonly lateness: number;
  private readonly owned = new Map<number, Shard>();
  private readonly byIndex: (Shard | undefined)[] = [];
  /** No bucket is due to fire or to be dropped below this watermark. */
  private nextDue = Number.POSITIVE_INFINITY;

  constructor(node: WindowNode) {
    this.node = node.name;
    this.window = node.window;
    this.lateness = node.allowedLatenessMs;
    this.layout = cellLayout(node.aggregates);
    this.stateSignature = stateSignature(node);
  }

  /** The bucket that an event time falls into, or undefined when it is too late. */
  bucket(shardIndex: number, ts: number): Bucket | undefined {
    const shard = this.byIndex[shardIndex] ?? this.open(shardIndex);
    const { last } = shard;
    if (last !== undefined && ts < last.end && ts >= last.end - this.window.sizeMs) return last;
    const end = windowEnd(this.window, ts);
    const bucket = shard.buckets.get(end) ?? this.openBucket(shard, end);
    shard.last = bucket;
    return bucket;
  }

  private open(index: number): Shard {
    const shard: Shard = { index, floor: Number.NEGATIVE_INFINITY, buckets: new Map(), last: undefined };
    this.owned.set(index, shard);
    this.byIndex[index] = shard;
    return shard;
  }

  private openBucket(shard: Shard, end: number): Bucket | undefined {
    const now = Math.max(this.watermark, shard.floor);
    if (end - 1 + this.lateness <= now) return undefined;
    const bucket = new Bucket(end, this.layout, end - 1 <= now);
    shard.buckets.set(end, bucket);
    this.nextDue = Math.min(this.nextDue, this.due(bucket));
    return bucket;
  }

  private due(bucket: Bucket): number {
    return bucket.fired ? bucket.end - 1 + this.lateness : bucket.end - 1;
  }

  /** Moves the watermark, fires windows that it passes and drops those whose lateness is over. */
  advance(watermark: number, fire: Fire): void {
    if (watermark <= this.watermark) return;
    this.watermark = watermark;
    if (watermark < this.nextDue) return;
    for (const { shard, bucket } of this.passed(watermark)) {
      bucket.fired = true;
      for (let e = 0; e < bucket.n; e++) fire(bucket, e, shard.index);
    }
    this.drop(watermark);
  }

  private passed(watermark: number): { shard: Shard; bucket: Bucket }[] {
    const due: { shard: Shard; bucket: Bucket }[] = [];
    for (const shard of this.owned.values())
      for (const bucket of shard.buckets.values())
        if (!bucket.fired && bucket.end - 1 <= watermark) due.push({ shard, bucket });
    return due.toSorted((a, b) => a.bucket.end - b.bucket.end || a.shard.index - b.shard.index);
  }

  private drop(watermark: number): void {
    this.nextDue = Number.POSITIVE_INFINITY;
    for (const shard of this.owned.values()) {
      for (const [end, bucket] of shard.buckets) {
        if (end - 1 + this.lateness <= watermark) shard.buckets.delete(end);
        else this.nextDue = Math.min(this.nextDue, this.due(bucket));
      }
      shard.last = undefined;
    }
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
    return this.snapshots.begin(this.layout, shards);
  }

  restore(index: number, chunks: readonly Buffer[], stateVersion: number): void {
    if (stateVersion !== STATE_VERSION)
      throw new WeirError("RESTORE_REFUSED", `node "${this.node}": state version ${stateVersion} is not known`);
    if (this.owned.has(index)) throw new WeirError("INTERNAL", `node "${this.node}": shard ${index} is restored twice`);
    const shard = this.open(index);
    for (const chunk of chunks) {
      const floor = readChunk(chunk, this.layout, (entry) => this.add(shard, entry));
      shard.floor = Math.max(shard.floor, floor);
    }
    for (const bucket of shard.buckets.values()) {
      bucket.fired = bucket.end - 1 <= shard.floor;
      this.nextDue = Math.min(this.nextDue, this.due(bucket));
    }
  }

  private add(shard: Shard, entry: DecodedEntry): void {
    let bucket = shard.buckets.get(entry.end);
    if (bucket === undefined) shard.buckets.set(entry.end, (bucket = new Bucket(entry.end, this.layout, false)));
    const { bytes, start, stop } = entry.key;
    const hash = murmur2(bytes, start, stop);
    const e = bucket.insert(bytes, start, stop, { hash, place: bucket.find(bytes, start, stop, hash) });
    bucket.cells.set(entry.cells, e * this.layout.cells);
    for (let i = 0; i < this.layout.texts; i++) bucket.texts[e * this.layout.texts + i] = entry.texts[i];
  }

  size(): number {
    let n = 0;
    for (const shard of this.owned.values()) for (const bucket of shard.buckets.values()) n += bucket.n;
    return n;
  }
}
