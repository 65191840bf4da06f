import { refuseGiven } from "./division.ts";
import type { Division } from "./division.ts";
import { entryDivision } from "../windows/entry-division.ts";
import type { SavedEntry } from "../windows/entry-division.ts";
import type { CellLayout } from "../windows/cells.ts";
import { lastWatermark } from "../windows/chunk-writer.ts";
import { readChunk } from "../windows/entry-codec.ts";
import type { DecodedEntry } from "../windows/entry-codec.ts";
import type { Fire } from "../windows/window-state.ts";
import { KeyedTable, ownCells, TRIGGER, WRITTEN_AT } from "./keyed-table.ts";
import type { KeyedShard, TableOptions } from "./keyed-table.ts";
import type { TableBucket } from "./table-bucket.ts";

/** Keys of one shard whose result is still to be given, in the order in which they changed. */
interface Waiting {
  readonly bucket: TableBucket;
  readonly entries: number[];
  /** What the last of them has in its trigger's cell. */
  last: number;
}

/**
 * A table that gives the results of keys that changed by time, in the order in which they changed. A key that waits for its
 * result is not forgotten, however short the time to live: what was counted would go without a word.
 */
export class TimedTable extends KeyedTable {
  private readonly everyMs: number;
  private readonly waiting: (Waiting | undefined)[] = [];
  /** Of the shard that is restored: the watermark at its checkpoint. */
  private savedAt = Number.NEGATIVE_INFINITY;

  constructor(options: TableOptions, everyMs: number) {
    super(options);
    this.everyMs = everyMs;
  }

  protected override alive(cells: Float64Array, at: number, now: number): boolean {
    return super.alive(cells, at, now) || isWaiting(cells, at);
  }

  /** A key changed for the first time since its result was given. */
  waits(shardIndex: number, e: number): void {
    const { bucket } = this.byIndex[shardIndex] as KeyedShard;
    const waiting = this.waitingOf(shardIndex, bucket);
    bucket.cells[e * this.layout.cells + TRIGGER] = ++waiting.last;
    waiting.entries.push(e);
  }

  /** After a restore, and when the table was made smaller, entries have other places. */
  private waitingOf(shardIndex: number, bucket: TableBucket): Waiting {
    const held = this.waiting[shardIndex];
    if (held?.bucket === bucket) return held;
    const entries = waitingIn(bucket, this.layout);
    const last = entries.length === 0 ? 0 : turnOf(bucket, this.layout, entries.at(-1) as number);
    const waiting = { bucket, entries, last };
    this.waiting[shardIndex] = waiting;
    return waiting;
  }

  override advance(watermark: number, fire: Fire): void {
    const from = this.watermark;
    if (watermark <= from) return;
    super.advance(watermark);
    const boundary = passedBoundary(this.everyMs, watermark);
    for (const index of this.shards()) {
      const shard = this.byIndex[index] as KeyedShard;
      if (boundary > passedBoundary(this.everyMs, Math.max(from, shard.floor))) this.giveChanged(shard, boundary, fire);
    }
  }

  private giveChanged({ index, bucket }: KeyedShard, boundary: number, fire: Fire): void {
    const { entries } = this.waitingOf(index, bucket);
    this.waiting[index] = { bucket, entries: [], last: 0 };
    for (const e of entries) {
      const at = e * this.layout.cells;
      this.touch(bucket, e);
      bucket.cells[at + TRIGGER] = 0;
      const written = bucket.cells[at + WRITTEN_AT] as number;
      fire(bucket, e, index, resultAt(this.everyMs, boundary, written));
    }
  }

  override restore(index: number, chunks: readonly Buffer[], stateVersion: number): void {
    this.savedAt = lastWatermark(chunks);
    super.restore(index, chunks, stateVersion);
    this.waiting[index] = undefined;
  }

  override division(floor: number): Division {
    const { node, layout, everyMs } = this;
    return timedDivision({ node, layout, everyMs, floor });
  }

  protected override readSaved(chunk: Buffer, each: (entry: DecodedEntry) => void): number {
    return readTimed(chunk, { layout: this.layout, everyMs: this.everyMs, savedAt: this.savedAt }, each);
  }
}

/** Entries of a bucket that wait, in their order; where a checkpoint has none, in that in which their keys came. */
function waitingIn(bucket: TableBucket, layout: CellLayout): number[] {
  const entries: number[] = [];
  for (let e = 0; e < bucket.n; e++) if (isWaiting(bucket.cells, e * layout.cells)) entries.push(e);
  return entries.sort((a, b) => turnOf(bucket, layout, a) - turnOf(bucket, layout, b) || a - b);
}

const turnOf = ({ cells }: TableBucket, layout: CellLayout, e: number): number =>
  cells[e * layout.cells + TRIGGER] as number;

/**
 * As `readChunk`. What waited for its result when a part was written was given since, if the checkpoint is of a time after
 * that: where the key was then forgotten, no later part tells of it.
 */
export function readTimed(
  chunk: Buffer,
  of: { readonly layout: CellLayout; readonly everyMs: number; readonly savedAt: number },
  each: (entry: DecodedEntry) => void,
): number {
  const wasGiven = passedBoundary(of.everyMs, chunk.readDoubleLE(0)) < passedBoundary(of.everyMs, of.savedAt);
  return readChunk(chunk, of.layout, (entry) => {
    if (wasGiven) entry.cells[TRIGGER] = 0;
    each(entry);
  });
}

/** What waited when its part was written and was given since does not wait in what is put together, either. */
export function timedDivision(of: {
  readonly node: string;
  readonly layout: CellLayout;
  readonly everyMs: number;
  readonly floor: number;
}): Division {
  const { node, layout, everyMs, floor } = of;
  const triggerOf = ({ chunk, at }: SavedEntry): number => chunk.readDoubleLE(at.keyStop + 8 * TRIGGER);
  const wasGiven = ({ written, watermark }: SavedEntry): boolean =>
    passedBoundary(everyMs, written) < passedBoundary(everyMs, watermark);
  const check = (entry: SavedEntry): void => {
    const waits = triggerOf(entry) > 0 && !wasGiven(entry);
    if (waits && passedBoundary(everyMs, floor) < passedBoundary(everyMs, entry.watermark))
      refuseGiven(node, { given: entry.watermark, floor });
  };
  const changed = (entry: SavedEntry): Buffer | undefined => {
    if (triggerOf(entry) === 0 || !wasGiven(entry)) return undefined;
    const { chunk, at } = entry;
    const copy = Buffer.from(chunk.subarray(at.from, at.to));
    copy.writeDoubleLE(0, at.keyStop - at.from + 8 * TRIGGER);
    return copy;
  };
  return entryDivision({ layout, floor, own: ownCells(layout), check, changed });
}

/** A key that is there, and whose result is still to be given. */
export const isWaiting = (cells: Float64Array, at: number): boolean =>
  (cells[at + TRIGGER] as number) > 0 && !Number.isNaN(cells[at + WRITTEN_AT]);

/** The last multiple of `every` whose last millisecond the watermark has reached. */
export const passedBoundary = (every: number, watermark: number): number => Math.floor((watermark + 1) / every) * every;

/** At the end of the input the last boundary is the one that the key's record would have waited for. */
export const resultAt = (every: number, boundary: number, written: number): number =>
  Number.isFinite(boundary) ? boundary : passedBoundary(every, written) + every;
