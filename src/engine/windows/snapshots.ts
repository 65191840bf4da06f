import type { KeyedSnapshot } from "../program.ts";
import { PAGE_BITS } from "./bucket.ts";
import type { Bucket } from "./bucket.ts";
import type { Held } from "../accumulators/accumulator.ts";
import type { CellLayout } from "./cells.ts";
import { EntryWriter } from "./entry-codec.ts";

interface Page {
  readonly cells: Float64Array;
  readonly texts: readonly Held[];
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

  begin(layout: CellLayout, shards: ReadonlyMap<number, ShardAtBarrier>): KeyedSnapshot {
    this.epoch++;
    const snapshot = new Snapshot(this.epoch, layout, shards);
    this.live.push(snapshot);
    return {
      chunks: (shard) => snapshot.chunks(shard),
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
  return { cells: bucket.cells.slice(from * cells, to * cells), texts: bucket.texts.slice(from * texts, to * texts) };
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
    if (at === undefined) return;
    const writer = new EntryWriter(this.layout, at.watermark);
    for (const bucket of at.buckets) {
      const held = this.held.get(bucket) as AtBarrier;
      for (let page = 0; page << PAGE_BITS < held.n; page++) {
        writePage(writer, held, page, at.alive);
        if (writer.full()) yield writer.take();
      }
    }
    yield writer.take();
  }
}

function writePage(writer: EntryWriter, held: AtBarrier, page: number, alive?: ShardAtBarrier["alive"]): void {
  const { bucket, n, saved } = held;
  const copy = saved.get(page);
  const first = page << PAGE_BITS;
  const base = copy === undefined ? 0 : first;
  const from: Page = copy ?? bucket;
  const { cells, texts } = bucket.layout;
  for (let e = first; e < Math.min(n, first + (1 << PAGE_BITS)); e++) {
    if (alive?.(from.cells, (e - base) * cells) === false) continue;
    const key = { bytes: bucket.keys, start: bucket.keyAt[e] as number, stop: bucket.keyAt[e + 1] as number };
    const values = { cells: from.cells, cellAt: (e - base) * cells, texts: from.texts, textAt: (e - base) * texts };
    writer.add(bucket.end, key, values);
  }
}
