import { WeirError } from "../../errors.ts";
import { EntryWriter, entryText, readChunk, savedEntry } from "../functions/entry-codec.ts";
import { byTime } from "../functions/function-store.ts";
import type { DueAt, FunctionStore } from "../functions/function-store.ts";
import { isForgotten, isGone, isLive, newEntry } from "../functions/key-entry.ts";
import type { KeyEntry } from "../functions/key-entry.ts";
import type { StateForm } from "../functions/state-form.ts";
import type { KeyedSnapshot, PiecePosition, StatePiece } from "../program.ts";
import type { DatabaseSnapshot, RocksState } from "./database.ts";
import { shardPrefix } from "./entry-store.ts";
import { Forgetting } from "./forgetting.ts";
import { VALUE_HEADER } from "./packed-writes.ts";
import { nameOf } from "./stored-map.ts";
import type { StoredMap, ValueCodec } from "./stored-map.ts";
import { StoredTimers } from "./stored-timers.ts";
import { ValueStore } from "./value-store.ts";

/** Kinds of keys in the database: entries, timers, and those that stand at the end of the input. */
const ENTRY = 0;
const TIMER = 1;
const STANDING = 2;

interface Shard {
  readonly index: number;
  /** The watermark of its restored state: timers up to it have been due. */
  floor: number;
  readonly timers: StoredTimers;
}

/**
 * `FunctionState` in RocksDB: only the keys in use are in memory. What is forgotten goes when the database rewrites its
 * files; until then it counts as gone wherever it is read.
 */
export class RocksFunctions implements FunctionStore {
  watermark = Number.NEGATIVE_INFINITY;
  readonly store: ValueStore;
  private readonly entries: StoredMap<KeyEntry>;
  private readonly ttlMs: number;
  private readonly owned = new Map<number, Shard>();
  private time = Number.NEGATIVE_INFINITY;
  private readonly forgetting: Forgetting;
  /** Keys that there are, also those that are forgotten. */
  private known = 0;

  constructor(node: string, ttlMs: number, state: RocksState) {
    this.ttlMs = ttlMs;
    this.store = new ValueStore(state.open(node), state.cacheBytes);
    this.entries = this.store.map(ENTRY, entryCodec);
    this.forgetting = new Forgetting(this.store.database, { ttlMs });
  }

  private open(index: number): Shard {
    let shard = this.owned.get(index);
    if (shard === undefined) {
      const timers = new StoredTimers(this.store.database, shardPrefix(TIMER, index));
      shard = { index, floor: Number.NEGATIVE_INFINITY, timers };
      this.owned.set(index, shard);
    }
    return shard;
  }

  now(index: number): number {
    return Math.max(this.time, this.open(index).floor);
  }

  /** A record of the key comes soon. */
  want(index: number, key: string): void {
    this.entries.want(nameOf(index, key));
  }

  find(index: number, key: string): KeyEntry | undefined {
    this.store.room();
    const now = this.now(index);
    const name = nameOf(index, key);
    const entry = this.entries.get(name);
    if (entry === undefined || !isForgotten(entry, this.ttlMs, now)) return entry;
    if (entry.timers.size === 0) {
      this.remove(name);
      return undefined;
    }
    if (entry.fields.size > 0) this.entries.put(name, entry);
    entry.fields.clear();
    return entry;
  }

  private remove(name: string): void {
    this.entries.delete(name);
    this.known--;
  }

  own(index: number, key: string): KeyEntry {
    const name = nameOf(index, key);
    let entry = this.entries.get(name);
    if (entry === undefined) this.known++;
    entry ??= newEntry(key, 0);
    this.entries.put(name, entry);
    return entry;
  }

  armed({ shard, key, name, time }: DueAt): void {
    this.open(shard).timers.add(time, idOf(key, name));
  }

  settle(index: number, key: string): void {
    const name = nameOf(index, key);
    const entry = this.entries.get(name);
    if (entry !== undefined && isGone(entry)) this.remove(name);
  }

  advance(watermark: number): void {
    this.watermark = watermark;
    if (watermark === Number.POSITIVE_INFINITY) return;
    this.time = watermark;
    this.forgetting.advance(this.time, this.store.number);
  }

  *due(): Generator<DueAt> {
    if (this.watermark === Number.POSITIVE_INFINITY) return yield* this.all();
    for (;;) {
      const shards = this.inOrder().filter((shard) => shard.floor < this.watermark);
      const at = Math.min(...shards.map(({ timers }) => timers.next));
      if (!(at <= this.watermark)) return;
      for (const shard of shards) yield* this.standing(shard, at);
    }
  }

  private *standing(shard: Shard, by: number): Generator<DueAt> {
    for (let due = takeOf(shard, by); due !== undefined; due = takeOf(shard, by)) if (this.stands(due)) yield due;
  }

  private inOrder(): Shard[] {
    return [...this.owned.values()].toSorted((a, b) => a.index - b.index);
  }

  /** Those that stand now: one that is set meanwhile may have the time of an old one. */
  private *all(): Generator<DueAt> {
    const heads = this.inOrder().map((shard) => {
      const timers = new StoredTimers(this.store.database, shardPrefix(STANDING, shard.index));
      for (const { time, key, name } of this.standing(shard, Infinity)) timers.add(time, idOf(key, name));
      const queue = { index: shard.index, timers };
      return { queue, due: takeOf(queue, Infinity) };
    });
    for (;;) {
      let [least] = heads;
      for (const head of heads) if (isBefore(head.due, least?.due)) least = head;
      if (least?.due === undefined) return;
      const { due, queue } = least;
      least.due = takeOf(queue, Infinity);
      if (this.stands(due)) yield due;
    }
  }

  private stands({ shard, key, name, time }: DueAt): boolean {
    return this.find(shard, key)?.timers.get(name) === time;
  }

  shards(): readonly number[] {
    return [...this.owned.keys()].toSorted((a, b) => a - b);
  }

  beginSnapshot(): KeyedSnapshot {
    const { number, of } = this.store.snapshot();
    this.forgetting.hold();
    const held = new Map<number, ShardAtBarrier>();
    for (const shard of this.owned.values()) {
      const watermark = Math.max(this.watermark, shard.floor);
      held.set(shard.index, { number, watermark, now: this.now(shard.index), shard });
    }
    return {
      chunks: (shard) => this.chunks(of, held.get(shard)),
      pieces: (shard) => this.pieces(of, held.get(shard)),
      release: () => {
        this.forgetting.release();
        of.release();
      },
    };
  }

  private *chunks(from: DatabaseSnapshot, at: ShardAtBarrier | undefined): Generator<Buffer> {
    if (at === undefined) return;
    const writer = new EntryWriter(at.watermark);
    yield* this.fill(writer, from, at);
    yield writer.take();
  }

  /** All entries are one piece; another one has the shard's watermark in any case. */
  private *pieces(from: DatabaseSnapshot, at: ShardAtBarrier | undefined): Generator<StatePiece> {
    if (at === undefined) return;
    const position = { snapshot: at.number, entries: 0 };
    const changed = (since: number): Generator<Buffer> => this.written(from, at, since);
    const since = ({ snapshot }: PiecePosition): Iterable<Buffer> | undefined =>
      snapshot < this.forgetting.goneBelow ? undefined : changed(snapshot);
    yield { of: at.shard, at: position, whole: () => changed(0), since };
    const head = (): Buffer[] => [new EntryWriter(at.watermark).take()];
    yield { at: position, whole: head, since: () => undefined };
  }

  private *written(from: DatabaseSnapshot, at: ShardAtBarrier, since: number): Generator<Buffer> {
    const writer = new EntryWriter(at.watermark);
    yield* this.fill(writer, from, at, since);
    if (!writer.empty()) yield writer.take();
  }

  /** With `since` also those that are gone. */
  private *fill(writer: EntryWriter, from: DatabaseSnapshot, at: ShardAtBarrier, since = 0): Generator<Buffer> {
    for (const part of from.pairs(shardPrefix(ENTRY, at.shard.index), { since })) {
      for (const { key, value } of part) {
        const text = this.savedText(value, at.now) ?? (since > 0 ? goneText(key) : undefined);
        if (text !== undefined) writer.add(text);
        if (writer.full()) yield writer.take();
      }
      if (since > 0) yield NOTHING;
    }
  }

  /** An entry as it is saved; nothing for one that is not worth it. */
  private savedText(value: Buffer, now: number): string | Buffer | undefined {
    const written = value.readDoubleLE(VALUE_HEADER);
    const text = value.subarray(VALUE_HEADER + WRITTEN_BYTES);
    if (Number.isNaN(written)) return undefined;
    if (this.ttlMs === 0) return text;
    const entry = savedEntry(text.toString(), 0);
    return isLive(entry, this.ttlMs, now) ? entryText(entry, this.ttlMs, now) : undefined;
  }

  restore(index: number, chunks: readonly Buffer[], form: StateForm): void {
    if (this.owned.has(index))
      throw new WeirError("INTERNAL", `shard ${index} of a function's state is restored twice`);
    const shard = this.open(index);
    const add = (saved: KeyEntry): void => {
      this.store.room();
      const entry = isGone(saved) ? undefined : form(saved);
      const name = nameOf(index, saved.key);
      if (this.entries.get(name) !== undefined) this.remove(name);
      if (entry === undefined) return;
      this.known++;
      this.entries.put(name, entry);
      for (const [timer, time] of entry.timers) shard.timers.add(time, idOf(entry.key, timer));
    };
    for (const chunk of chunks) shard.floor = Math.max(shard.floor, readChunk(chunk, 0, add));
  }

  /** With a time to live it is an estimate: a forgotten key counts until the database rewrites the files that have it. */
  size(): number {
    return this.ttlMs === 0 ? this.known : Math.min(this.known, this.store.database.keys() + this.entries.size);
  }
}

interface ShardAtBarrier {
  readonly number: number;
  readonly watermark: number;
  readonly now: number;
  readonly shard: Shard;
}

const NOTHING = Buffer.alloc(0);
const WRITTEN_BYTES = 8;
/** Of entries that stay as long as they have timers. */
const WITH_TIMERS = Number.POSITIVE_INFINITY;

/** When it was written, as a table has it (`native.cc` forgets by it), and the entry as it is saved. */
const entryCodec: ValueCodec<KeyEntry> = {
  encode: (entry) => {
    const text = entryText(entry, 0, 0);
    const bytes = Buffer.allocUnsafe(WRITTEN_BYTES + text.length * 3);
    bytes.writeDoubleLE(entry.timers.size > 0 ? WITH_TIMERS : entry.writtenAt, 0);
    return bytes.subarray(0, WRITTEN_BYTES + bytes.write(text, WRITTEN_BYTES));
  },
  decode: (bytes) =>
    Number.isNaN(bytes.readDoubleLE(0)) ? undefined : savedEntry(bytes.toString("utf8", WRITTEN_BYTES), 0),
  gone: Buffer.from(Float64Array.of(Number.NaN).buffer),
};

/** An entry in which nothing is left. */
const goneText = (key: Buffer): string => `[${JSON.stringify(key.toString())},null,[],[]]`;

/** No key's JSON has this character. */
const BETWEEN = "\u0000";
const idOf = (key: string, name: string): string => `${key}${BETWEEN}${name}`;

function takeOf({ index, timers }: Pick<Shard, "index" | "timers">, by: number): DueAt | undefined {
  const timer = timers.take(by);
  if (timer === undefined) return undefined;
  const at = timer.id.indexOf(BETWEEN);
  return { shard: index, key: timer.id.slice(0, at), name: timer.id.slice(at + 1), time: timer.at };
}

/** The first of two that are due; what is over comes last. */
const isBefore = (a: DueAt | undefined, b: DueAt | undefined): boolean =>
  a !== undefined && (b === undefined || byTime(a, b) < 0);
