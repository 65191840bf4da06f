import { heldValue } from "../accumulators/accumulator.ts";
import type { Held } from "../accumulators/accumulator.ts";
import { Bucket, grown } from "../windows/bucket.ts";
import type { CellLayout } from "../windows/cells.ts";

/**
 * The keys of a table in one shard. First and last values that are numbers are kept apart from texts: in a list of
 * objects most numbers are objects themselves, of which every record would make one, and leave one behind.
 */
export class TableBucket extends Bucket {
  /** By place among the texts: the number that is held there; NaN where it is a text or nothing. */
  override numbers: Float64Array;

  constructor(layout: CellLayout) {
    super(0, layout, false);
    this.numbers = new Float64Array(roomFor(layout, this.capacity)).fill(Number.NaN);
  }

  /** The entry at the place where the search for a key begins, or 0: it need not be the key's. */
  glance(hash: number): number {
    const e = (this.table[this.home(hash) + 1] as number) - 1;
    return e < 0 ? 0 : e;
  }

  /** Reads a word of what an entry has, whatever it is; tells where its key begins, or beside it. */
  glanceAt(e: number): number {
    const { cells, texts } = this.layout;
    const at = this.keyAt[e] as number;
    return (this.cells[e * cells] as number) === 0 && (this.numbers[e * texts] as number) === 0 ? at + 1 : at;
  }

  override hold(e: number, at: number, value: unknown): void {
    const i = e * this.layout.texts + at;
    if (typeof value === "number" && value - value === 0) {
      this.numbers[i] = value + 0;
      return;
    }
    this.put(e, at, heldValue(value));
  }

  override held(e: number, at: number): Held {
    const i = e * this.layout.texts + at;
    const number = this.numbers[i] as number;
    return Number.isNaN(number) ? this.texts[i] : number;
  }

  /** Keeps what another entry held, or what was saved of it. */
  put(e: number, at: number, held: Held): void {
    const i = e * this.layout.texts + at;
    this.numbers[i] = typeof held === "number" ? held : Number.NaN;
    this.texts[i] = typeof held === "number" ? undefined : held;
  }

  override clear(): void {
    super.clear();
    this.numbers.fill(Number.NaN);
  }

  protected override growEntries(): void {
    super.growEntries();
    const from = this.numbers;
    this.numbers = grown(from, new Float64Array(roomFor(this.layout, this.capacity)));
    this.numbers.fill(Number.NaN, from.length);
  }
}

/** At least one, so that there is something to glance at. */
const roomFor = ({ texts }: CellLayout, entries: number): number => Math.max(1, entries * texts);
