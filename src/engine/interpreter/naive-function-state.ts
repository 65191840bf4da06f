import { EntryWriter, entryText, readChunk } from "../functions/entry-codec.ts";
import { byTime } from "../functions/function-store.ts";
import type { DueAt, FunctionStore } from "../functions/function-store.ts";
import { isForgotten, isGone, isLive, newEntry } from "../functions/key-entry.ts";
import type { KeyEntry } from "../functions/key-entry.ts";
import type { StateForm } from "../functions/state-form.ts";
import type { KeyedSnapshot } from "../program.ts";

/** The keys of a function in plain maps: nothing is shared with a snapshot, and timers are looked for, not kept in order. */
export class NaiveFunctionState implements FunctionStore {
  watermark = Number.NEGATIVE_INFINITY;
  private readonly ttlMs: number;
  private readonly owned = new Map<number, { floor: number; readonly entries: Map<string, KeyEntry> }>();
  private time = Number.NEGATIVE_INFINITY;

  constructor(ttlMs: number) {
    this.ttlMs = ttlMs;
  }

  private open(index: number): { floor: number; readonly entries: Map<string, KeyEntry> } {
    const shard = this.owned.get(index) ?? { floor: Number.NEGATIVE_INFINITY, entries: new Map<string, KeyEntry>() };
    this.owned.set(index, shard);
    return shard;
  }

  now(index: number): number {
    return Math.max(this.time, this.open(index).floor);
  }

  find(index: number, key: string): KeyEntry | undefined {
    const { entries } = this.open(index);
    const entry = entries.get(key);
    if (entry === undefined || !isForgotten(entry, this.ttlMs, this.now(index))) return entry;
    entry.fields.clear();
    if (entry.timers.size > 0) return entry;
    entries.delete(key);
    return undefined;
  }

  own(index: number, key: string): KeyEntry {
    const { entries } = this.open(index);
    const entry = entries.get(key) ?? newEntry(key, 0);
    entries.set(key, entry);
    return entry;
  }

  armed(): void {
    // Timers are looked for in the entries.
  }

  settle(index: number, key: string): void {
    const entry = this.find(index, key);
    if (entry?.fields.size === 0 && entry.timers.size === 0) this.open(index).entries.delete(key);
  }

  advance(watermark: number): void {
    this.watermark = watermark;
    if (watermark < Infinity) this.time = watermark;
  }

  *due(): Generator<DueAt> {
    const { watermark } = this;
    if (watermark === Infinity) {
      for (const timer of this.standing().toSorted(byTime)) if (this.stands(timer)) yield timer;
      return;
    }
    for (;;) {
      const due = this.standing().filter(
        (t) => t.time <= watermark && (this.owned.get(t.shard)?.floor ?? 0) < watermark,
      );
      const [first] = due.toSorted(byTime);
      if (first === undefined) return;
      for (const timer of due.filter((t) => t.time === first.time).toSorted(byTime))
        if (this.stands(timer)) yield timer;
    }
  }

  private standing(): DueAt[] {
    return [...this.owned].flatMap(([shard, { entries }]) =>
      [...entries.values()].flatMap(({ key, timers }) =>
        [...timers].map(([name, time]) => ({ shard, key, name, time })),
      ),
    );
  }

  private stands({ shard, key, name, time }: DueAt): boolean {
    return this.owned.get(shard)?.entries.get(key)?.timers.get(name) === time;
  }

  shards(): readonly number[] {
    return [...this.owned.keys()].toSorted((a, b) => a - b);
  }

  beginSnapshot(): KeyedSnapshot {
    const chunks = new Map<number, Buffer>();
    for (const [index, { floor, entries }] of this.owned) {
      const writer = new EntryWriter(Math.max(this.watermark, floor));
      const now = this.now(index);
      for (const entry of entries.values())
        if (isLive(entry, this.ttlMs, now)) writer.add(entryText(entry, this.ttlMs, now));
      chunks.set(index, writer.take());
    }
    return { chunks: (shard) => [chunks.get(shard)].filter((c) => c !== undefined), release: () => chunks.clear() };
  }

  restore(index: number, chunks: readonly Buffer[], form: StateForm): void {
    const shard = this.open(index);
    const add = (saved: KeyEntry): void => {
      const entry = isGone(saved) ? undefined : form(saved);
      if (entry === undefined) shard.entries.delete(saved.key);
      else shard.entries.set(entry.key, entry);
    };
    for (const chunk of chunks) shard.floor = Math.max(shard.floor, readChunk(chunk, 0, add));
  }

  size(): number {
    return [...this.owned].reduce(
      (n, [index, { entries }]) =>
        n + [...entries.values()].filter((e) => isLive(e, this.ttlMs, this.now(index))).length,
      0,
    );
  }
}
