import { WeirError } from "../../errors.ts";
import type { KeyedSnapshot } from "../program.ts";
import { Timers } from "../windows/timers.ts";
import { EntryWriter, entryText, readChunk } from "./entry-codec.ts";
import { byTime, inOrder } from "./function-store.ts";
import type { DueAt, FunctionStore } from "./function-store.ts";
import { entryCopy, isForgotten, isGone, isLive, newEntry } from "./key-entry.ts";
import type { KeyEntry } from "./key-entry.ts";
import type { StateForm } from "./state-form.ts";

interface Shard {
  readonly index: number;
  /** The watermark of its restored state: timers up to it have been due. */
  floor: number;
  readonly entries: Map<string, KeyEntry>;
  /** A timer that was moved or deleted stays here until its old time. */
  readonly timers: Timers<DueAt>;
  /** When it is next looked for what is forgotten. */
  sweepAt: number;
}

interface ShardAtBarrier {
  readonly watermark: number;
  readonly now: number;
  readonly entries: readonly KeyEntry[];
}

/**
 * The keys of a function: shard → key → entry. An entry is copied before it changes where a snapshot may hold it (by its
 * epoch), so a snapshot is a list of entries.
 */
export class FunctionState implements FunctionStore {
  watermark = Number.NEGATIVE_INFINITY;
  private readonly ttlMs: number;
  private readonly owned = new Map<number, Shard>();
  private epoch = 0;
  private time = Number.NEGATIVE_INFINITY;

  constructor(ttlMs: number) {
    this.ttlMs = ttlMs;
  }

  private open(index: number): Shard {
    let shard = this.owned.get(index);
    if (shard === undefined) {
      const none = Number.NEGATIVE_INFINITY;
      shard = { index, floor: none, entries: new Map(), timers: new Timers(), sweepAt: none };
      this.owned.set(index, shard);
    }
    return shard;
  }

  now(index: number): number {
    return Math.max(this.time, this.open(index).floor);
  }

  find(index: number, key: string): KeyEntry | undefined {
    const shard = this.open(index);
    const entry = shard.entries.get(key);
    if (entry === undefined || !isForgotten(entry, this.ttlMs, this.now(index))) return entry;
    return this.forget(shard, entry);
  }

  /** Timers outlive the state. */
  private forget(shard: Shard, entry: KeyEntry): KeyEntry | undefined {
    if (entry.timers.size === 0) {
      shard.entries.delete(entry.key);
      return undefined;
    }
    if (entry.fields.size === 0) return entry;
    const own = this.own(shard.index, entry.key);
    own.fields.clear();
    return own;
  }

  own(index: number, key: string): KeyEntry {
    const { entries } = this.open(index);
    const entry = entries.get(key);
    if (entry?.epoch === this.epoch) return entry;
    const own = entry === undefined ? newEntry(key, this.epoch) : entryCopy(entry, this.epoch);
    entries.set(key, own);
    return own;
  }

  armed(due: DueAt): void {
    this.open(due.shard).timers.add(due.time, due);
  }

  settle(index: number, key: string): void {
    const { entries } = this.open(index);
    const entry = entries.get(key);
    if (entry !== undefined && isGone(entry)) entries.delete(key);
  }

  advance(watermark: number): void {
    this.watermark = watermark;
    if (watermark !== Number.POSITIVE_INFINITY) this.time = watermark;
    if (this.ttlMs > 0) for (const shard of this.owned.values()) this.sweep(shard);
  }

  /** Looks for what is forgotten twice in the time to live, so that at most half as much again is held. */
  private sweep(shard: Shard): void {
    const now = this.now(shard.index);
    if (now < shard.sweepAt) return;
    shard.sweepAt = now + this.ttlMs / 2;
    for (const entry of shard.entries.values()) if (isForgotten(entry, this.ttlMs, now)) this.forget(shard, entry);
  }

  *due(): Generator<DueAt> {
    if (this.watermark === Number.POSITIVE_INFINITY) return yield* this.all();
    for (let group = this.next(); group.length > 0; group = this.next())
      for (const timer of group) if (this.stands(timer)) yield timer;
  }

  private *all(): Generator<DueAt> {
    const standing: DueAt[] = [];
    for (const shard of this.owned.values())
      for (const { key, timers } of shard.entries.values())
        for (const [name, time] of timers) standing.push({ shard: shard.index, key, name, time });
    for (const timer of standing.toSorted(byTime)) if (this.stands(timer)) yield timer;
  }

  /** The timers of the earliest time that is due, in order. */
  private next(): DueAt[] {
    const shards = [...this.owned.values()].filter((s) => s.floor < this.watermark && s.timers.next <= this.watermark);
    const at = shards.reduce((earliest, s) => Math.min(earliest, s.timers.next), Number.POSITIVE_INFINITY);
    const group: DueAt[] = [];
    for (const { timers } of shards)
      for (let timer = timers.take(at); timer !== undefined; timer = timers.take(at)) group.push(timer);
    return group.toSorted(inOrder);
  }

  private stands({ shard, key, name, time }: DueAt): boolean {
    return this.owned.get(shard)?.entries.get(key)?.timers.get(name) === time;
  }

  shards(): readonly number[] {
    return [...this.owned.keys()].toSorted((a, b) => a - b);
  }

  beginSnapshot(): KeyedSnapshot {
    this.epoch++;
    const held = new Map<number, ShardAtBarrier>();
    for (const { index, floor, entries } of this.owned.values()) {
      const watermark = Math.max(this.watermark, floor);
      held.set(index, { watermark, now: this.now(index), entries: [...entries.values()] });
    }
    return { chunks: (shard) => this.chunks(held.get(shard)), release: () => held.clear() };
  }

  private *chunks(at: ShardAtBarrier | undefined): Generator<Buffer> {
    if (at === undefined) return;
    const writer = new EntryWriter(at.watermark);
    for (const entry of at.entries) {
      if (!isLive(entry, this.ttlMs, at.now)) continue;
      writer.add(entryText(entry, this.ttlMs, at.now));
      if (writer.full()) yield writer.take();
    }
    yield writer.take();
  }

  restore(index: number, chunks: readonly Buffer[], form: StateForm): void {
    if (this.owned.has(index))
      throw new WeirError("INTERNAL", `shard ${index} of a function's state is restored twice`);
    const shard = this.open(index);
    const add = (saved: KeyEntry): void => {
      const entry = isGone(saved) ? undefined : form(saved);
      if (entry === undefined) return void shard.entries.delete(saved.key);
      shard.entries.set(entry.key, entry);
      for (const [name, time] of entry.timers) shard.timers.add(time, { shard: index, key: entry.key, name, time });
    };
    for (const chunk of chunks) shard.floor = Math.max(shard.floor, readChunk(chunk, this.epoch, add));
  }

  size(): number {
    let n = 0;
    for (const { index, entries } of this.owned.values())
      for (const entry of entries.values()) if (isLive(entry, this.ttlMs, this.now(index))) n++;
    return n;
  }
}
