import type { KeyedNode, KeyedSnapshot } from "../program.ts";
import type { CellLayout } from "../windows/cells.ts";
import { EntryWriter, readChunk, STATE_VERSION } from "../windows/entry-codec.ts";
import type { DecodedEntry } from "../windows/entry-codec.ts";
import type { NaiveEntry, NaiveRecord } from "./naive-entry.ts";
import { readEntry, writeEntry } from "./naive-entry.ts";

/** A result that is due. */
export interface NaiveRow {
  readonly entry: NaiveEntry;
  /** Fields between the key and the aggregates. */
  readonly window: readonly (readonly [string, number])[];
  readonly ts: number;
  readonly where: string;
}

export type NaiveFire = (row: NaiveRow, shard: number) => void;

/** A saved entry with what names its window. */
export interface Saved {
  readonly end: number;
  readonly entry: NaiveEntry;
}

/**
 * Keyed state as plain maps: what the states of generated code must be equal to. Same saved form, so each restores the
 * other. Subclasses say what a record changes and what time does.
 */
export abstract class NaiveState<Shard> implements KeyedNode {
  readonly node: string;
  readonly stateVersion: number = STATE_VERSION;
  readonly stateSignature: string;
  readonly layout: CellLayout;
  watermark = Number.NEGATIVE_INFINITY;
  protected arrivals = 0;
  protected readonly owned = new Map<number, { floor: number; readonly held: Shard }>();

  constructor(node: string, layout: CellLayout, signature: string) {
    this.node = node;
    this.layout = layout;
    this.stateSignature = signature;
  }

  /** Adds a record; gives the rows that are due at once. Throws before anything changes where a sum overflows. */
  abstract add(shard: number, record: NaiveRecord): readonly NaiveRow[] | "late";
  abstract advance(watermark: number, fire: NaiveFire): void;
  protected abstract empty(): Shard;
  /** In the order in which generated code saves them. */
  protected abstract saved(shard: Shard, now: number): readonly Saved[];
  protected abstract load(shard: Shard, saved: Saved): void;
  protected abstract count(shard: Shard, now: number): number;

  get floor(): number {
    return Math.max(...[...this.owned.values()].map((s) => s.floor));
  }

  protected open(index: number): { floor: number; readonly held: Shard } {
    let shard = this.owned.get(index);
    if (shard === undefined) {
      shard = { floor: Number.NEGATIVE_INFINITY, held: this.empty() };
      this.owned.set(index, shard);
    }
    return shard;
  }

  protected now({ floor }: { floor: number }): number {
    return Math.max(this.watermark, floor);
  }

  protected readonly arrival = (): number => ++this.arrivals;

  shards(): readonly number[] {
    return [...this.owned.keys()].toSorted((a, b) => a - b);
  }

  /** Encodes everything at once: a snapshot cannot tear when nothing runs in between. */
  beginSnapshot(): KeyedSnapshot {
    const chunks = new Map<number, Buffer>();
    for (const [index, shard] of this.owned) {
      const saved = this.saved(shard.held, this.now(shard));
      chunks.set(index, this.written(saved, Math.max(this.watermark, shard.floor)));
    }
    return { chunks: (shard) => [chunks.get(shard)].filter((c) => c !== undefined), release: () => chunks.clear() };
  }

  protected written(saved: readonly Saved[], watermark: number): Buffer {
    const writer = new EntryWriter(this.layout, watermark);
    for (const { end, entry } of saved) writeEntry(writer, end, entry);
    return writer.take();
  }

  restore(index: number, chunks: readonly Buffer[]): void {
    const shard = this.open(index);
    const add = (decoded: DecodedEntry): void => this.load(shard.held, this.loaded(decoded));
    for (const chunk of chunks) shard.floor = Math.max(shard.floor, this.readSaved(chunk, chunks, add));
  }

  protected loaded(decoded: DecodedEntry): Saved {
    const entry = readEntry(decoded);
    for (const { order } of this.layout.slots)
      if (order >= 0) this.arrivals = Math.max(this.arrivals, entry.cells[order] as number);
    return { end: decoded.end, entry };
  }

  protected readSaved(chunk: Buffer, _all: readonly Buffer[], each: (entry: DecodedEntry) => void): number {
    return readChunk(chunk, this.layout, each);
  }

  size(): number {
    let n = 0;
    for (const shard of this.owned.values()) n += this.count(shard.held, this.now(shard));
    return n;
  }
}
