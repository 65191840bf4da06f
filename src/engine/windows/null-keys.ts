import type { ShareOf } from "../keyed-state/division.ts";
import type { CellLayout } from "./cells.ts";
import { EntryWriter, newDecoded, readEntry } from "./entry-codec.ts";
import type { DecodedEntry, EntryPlace } from "./entry-codec.ts";
import { mergeEntry } from "./merge.ts";

const NULL = Buffer.from("null");
/** No epoch: accumulators are copied before they change. */
const MERGED = -2;

/** A key that is null is in any split: what several shards kept of it becomes one entry. */
export class NullKeys {
  /** By end, then by shard: the last form of it. */
  private readonly entries = new Map<number, Map<number, DecodedEntry>>();
  private readonly layout: CellLayout;
  private readonly own: number;
  private readonly writer: EntryWriter;
  private shard = 0;

  constructor({ layout, own, floor }: { layout: CellLayout; own: number; floor: number }) {
    this.layout = layout;
    this.own = own;
    this.writer = new EntryWriter(layout, floor);
  }

  /** Another shard comes. */
  next(): void {
    this.shard++;
  }

  takes({ end, keyStart, keyStop }: EntryPlace, chunk: Buffer, bytes: () => Buffer): boolean {
    if (keyStop - keyStart !== NULL.length || chunk.compare(NULL, 0, NULL.length, keyStart, keyStop) !== 0)
      return false;
    const entry = newDecoded(this.layout);
    readEntry(bytes(), 0, { layout: this.layout, entry });
    const shards = this.entries.get(end) ?? new Map<number, DecodedEntry>();
    this.entries.set(end, shards.set(this.shard, entry));
    return true;
  }

  give(shareOf: ShareOf): void {
    // Of a part that is not asked for this key there is none: a share would be opened for nothing.
    if (this.entries.size === 0) return;
    const share = shareOf(NULL, 0, NULL.length);
    for (const [end, shards] of this.entries) {
      // One that is gone has no time.
      const [first, ...others] = [...shards.values()].filter(({ cells }) => !(this.own > 0 && Number.isNaN(cells[0])));
      if (first === undefined || share === undefined) continue;
      for (const other of others) this.merge(first, other);
      const values = { cells: first.cells, cellAt: 0, texts: first.texts, textAt: 0 };
      this.writer.add(end, { bytes: NULL, start: 0, stop: NULL.length }, values);
      share.raw(this.writer.only());
    }
    this.entries.clear();
  }

  /** Of its own cells the first is a time, and the second what a trigger counts. */
  private merge(first: DecodedEntry, other: DecodedEntry): void {
    const { layout, own } = this;
    if (own > 0) first.cells[0] = Math.max(first.cells[0] as number, other.cells[0] as number);
    if (own > 1) first.cells[1] = (first.cells[1] as number) + (other.cells[1] as number);
    const into = { cells: first.cells, cellAt: 0, texts: first.texts, textAt: 0 };
    mergeEntry(layout, into, { cells: other.cells, cellAt: 0, texts: other.texts, textAt: 0 }, MERGED);
    if (layout.slots.length > 0) return;
    const [mine, theirs] = [first.texts[0], other.texts[0]];
    if (typeof mine === "object" && typeof theirs === "object") mine.merge(theirs);
  }
}
