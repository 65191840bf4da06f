import type { KeyedSnapshot, PiecePosition, StatePiece } from "../program.ts";
import { PAGE_BITS } from "./bucket.ts";
import type { Bucket } from "./bucket.ts";
import type { Held } from "../accumulators/accumulator.ts";
import type { CellLayout } from "./cells.ts";
import { EntryWriter } from "./entry-codec.ts";
import { anew, NOTHING, OWN_HISTORY } from "./pieces.ts";

interface Page {
  readonly cells: Float64Array;
  readonly texts: readonly Held[];
  readonly numbers: Float64Array | undefined;
}

interface AtBarrier {
  readonly bucket: Bucket;
  /** Entries at the barrier. */
  readonly n: number;
  /** Pages that changed since, as they were. */
  readonly saved: Map<number, Page>;
}

export interface ShardAtBarrier {
  readonly watermark: number;
  readonly buckets: readonly Bucket[];
  /** Which entries are worth saving; all, where it is not said. */
  readonly alive?: (cells: Float64Array, at: number) => boolean;
}

/**
 * Copy on write by epoch stamp. A page whose stamp is older than a live snapshot still has the values of its barrier:
 * before the page changes, it is copied into that snapshot. So `beginSnapshot` costs a walk over buckets, not entries.
 */
export class Snapshots {
  epoch = 0;
  private live: Snapshot[] = [];
  private readonly marked: boolean;

  /** `marked`: whoever changes an entry sets its mark (`Bucket.marks`), so that a checkpoint can tell what changed. */
  constructor({ marked }: { readonly marked: boolean }) {
    this.marked = marked;
  }

  /** Whether one that is not released has this bucket. */
  isRead(bucket: Bucket): boolean {
    return this.live.some((snapshot) => snapshot.has(bucket));
  }

  begin(layout: CellLayout, shards: ReadonlyMap<number, ShardAtBarrier>): KeyedSnapshot {
    this.epoch++;
    const snapshot = new Snapshot(this.epoch, layout, shards);
    this.live.push(snapshot);
    return {
      chunks: (shard) => snapshot.chunks(shard),
      ...(this.marked ? { pieces: (shard: number) => snapshot.pieces(shard) } : {}),
      release: () => {
        this.live = this.live.filter((s) => s !== snapshot);
      },
    };
  }

  /** Called before an entry changes whose page's stamp is not the epoch. */
  touch(bucket: Bucket, page: number): void {
    const stamp = bucket.stamps[page] as number;
    bucket.stamps[page] = this.epoch;
    let copy: Page | undefined;
    for (const snapshot of this.live) {
      if (snapshot.epoch <= stamp || !snapshot.wants(bucket, page)) continue;
      copy ??= copyOf(bucket, page);
      snapshot.save(bucket, page, copy);
    }
  }
}

function copyOf(bucket: Bucket, page: number): Page {
  const from = page << PAGE_BITS;
  const to = Math.min(bucket.n, from + (1 << PAGE_BITS));
  const { cells, texts } = bucket.layout;
  return {
    cells: bucket.cells.slice(from * cells, to * cells),
    texts: bucket.texts.slice(from * texts, to * texts),
    numbers: bucket.numbers?.slice(from * texts, to * texts),
  };
}

class Snapshot {
  readonly epoch: number;
  private readonly layout: CellLayout;
  private readonly held = new Map<Bucket, AtBarrier>();
  private readonly shards: ReadonlyMap<number, ShardAtBarrier>;

  constructor(epoch: number, layout: CellLayout, shards: ReadonlyMap<number, ShardAtBarrier>) {
    this.epoch = epoch;
    this.layout = layout;
    this.shards = shards;
    for (const { buckets } of shards.values())
      for (const bucket of buckets) this.held.set(bucket, { bucket, n: bucket.n, saved: new Map() });
  }

  has(bucket: Bucket): boolean {
    return this.held.has(bucket);
  }

  wants(bucket: Bucket, page: number): boolean {
    const held = this.held.get(bucket);
    return held !== undefined && page << PAGE_BITS < held.n && !held.saved.has(page);
  }

  save(bucket: Bucket, page: number, copy: Page): void {
    this.held.get(bucket)?.saved.set(page, copy);
  }

  /** A page is encoded without a pause, so that it cannot change half-way; pauses are between chunks only. */
  *chunks(shard: number): Generator<Buffer> {
    const at = this.shards.get(shard);
    if (at !== undefined) yield* this.written(at);
  }

  private *written(at: ShardAtBarrier): Generator<Buffer> {
    const writer = new EntryWriter(this.layout, at.watermark);
    for (const bucket of at.buckets) yield* this.entries(writer, bucket, livingOf(at));
    yield writer.take();
  }

  private *entries(writer: EntryWriter, bucket: Bucket, wanted: Wanted): Generator<Buffer> {
    const held = this.held.get(bucket) as AtBarrier;
    for (let page = 0; page << PAGE_BITS < held.n; page++) {
      writePage(writer, held, page, wanted);
      if (writer.full()) yield writer.take();
    }
  }

  /** Large buckets one by one; the small ones between them together. The last piece has the shard's watermark in any case. */
  *pieces(shard: number): Generator<StatePiece> {
    const at = this.shards.get(shard);
    if (at === undefined) return;
    let small: Bucket[] = [];
    for (const bucket of at.buckets) {
      if ((this.held.get(bucket) as AtBarrier).n < OWN_HISTORY) {
        small.push(bucket);
        continue;
      }
      if (small.length > 0) yield this.anew({ ...at, buckets: small });
      small = [];
      yield this.large(at, bucket);
    }
    yield this.anew({ ...at, buckets: small });
  }

  private anew(at: ShardAtBarrier): StatePiece {
    return anew(this.epoch, () => this.written(at));
  }

  private large(at: ShardAtBarrier, bucket: Bucket): StatePiece {
    const only = { ...at, buckets: [bucket] };
    return {
      of: bucket,
      at: { snapshot: this.epoch, entries: (this.held.get(bucket) as AtBarrier).n },
      whole: () => this.written(only),
      since: (earlier) => {
        if (this.epoch - earlier.snapshot >= MARKS / 2) return undefined;
        return this.changed(at, bucket, earlier);
      },
    };
  }

  /** An entry that is gone is written as well: what is restored before it must go. */
  private *changed(at: ShardAtBarrier, bucket: Bucket, earlier: PiecePosition): Generator<Buffer> {
    // Of the bucket's arrays, none is held over a pause: they change hands when it grows.
    const isNew: Wanted = (e) =>
      e >= earlier.entries || (((bucket.marks[e] as number) - earlier.snapshot) & (MARKS - 1)) < MARKS / 2;
    const held = this.held.get(bucket) as AtBarrier;
    const writer = new EntryWriter(this.layout, at.watermark);
    for (let page = 0; page << PAGE_BITS < held.n; page++) {
      if (page % PAGES_AT_ONCE === 0) yield NOTHING;
      const isOld = (bucket.stamps[page] as number) < earlier.snapshot && (page + 1) << PAGE_BITS <= earlier.entries;
      if (isOld) continue;
      writePage(writer, held, page, isNew);
      if (writer.full()) yield writer.take();
    }
    if (!writer.empty()) yield writer.take();
  }
}

/** Of pages that have little to write, so many are looked at before others may work. */
const PAGES_AT_ONCE = 64;

const livingOf =
  ({ alive }: ShardAtBarrier): Wanted =>
  (_entry, cells, at) =>
    alive?.(cells, at) !== false;

/** Marks are 16 bits of an epoch: half of them can be told to be later. */
const MARKS = 1 << 16;

/** Whether an entry is to be written, by its number and its cells. */
type Wanted = (entry: number, cells: Float64Array, at: number) => boolean;

function writePage(writer: EntryWriter, held: AtBarrier, page: number, wanted: Wanted): void {
  const { bucket, n, saved } = held;
  const copy = saved.get(page);
  const first = page << PAGE_BITS;
  const base = copy === undefined ? 0 : first;
  const from: Page = copy ?? bucket;
  const { cells, texts } = bucket.layout;
  // One of each for the page: objects for every entry would be garbage by the million.
  const key = { bytes: bucket.keys, start: 0, stop: 0 };
  const values = { cells: from.cells, cellAt: 0, texts: from.texts, textAt: 0, numbers: from.numbers };
  for (let e = first; e < Math.min(n, first + (1 << PAGE_BITS)); e++) {
    values.cellAt = (e - base) * cells;
    values.textAt = (e - base) * texts;
    if (!wanted(e, from.cells, values.cellAt)) continue;
    key.start = bucket.keyAt[e] as number;
    key.stop = bucket.keyAt[e + 1] as number;
    writer.add(bucket.end, key, values);
  }
}
