import { stays } from "./held.ts";
import type { Held, Sweep, Unwritten } from "./held.ts";
import type { KeyForm, KeyList } from "./key-list.ts";
import type { KeyBytes, PackedWrites } from "./packed-writes.ts";
import type { ValueStore } from "./value-store.ts";

/** What an object takes beside its name and its bytes, about; and what its bytes are taken for until they are known. */
const OBJECT_BYTES = 216;
const UNKNOWN_BYTES = 256;
/** A big object counts as many. */
const BIG_BITS = 12;

const NOTHING = new Uint8Array(0);
const nameBytes = (name: Name): number => (typeof name === "string" ? name.length * 2 : 0);

/** How objects are bytes in the database. */
export interface ValueCodec<T, Name = string> {
  /** Bytes that are good until the next call. */
  encode(value: T): Uint8Array;
  /** Nothing where the bytes say that the object is gone. */
  decode(bytes: Buffer, name: Name): T | undefined;
  /** About how many bytes these are, where that is known without writing them. */
  weigh?(value: T): number;
  /** The database has it as it is now: who changes it must put it again. */
  written?(value: T): void;
  /** What stays in the place of one that is gone, so that a checkpoint can tell; absent where nothing must. */
  readonly gone?: Uint8Array;
}

/** What changes on its way to the database needs. */
export interface WriteOut {
  readonly writes: PackedWrites;
  readonly keys: KeyList;
}

/** Shard and text of a name, as one string and as a key of the database: names of a shard are in order of their text's bytes. */
export const nameOf = (shard: number, text: string): string => String.fromCharCode(shard) + text;

/** A key as the text of a name: a character a byte, whatever the bytes are. */
export const keyText = ({ bytes, start, stop }: KeyBytes): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, stop - start).toString("latin1");

export const textKey =
  (kind: number): KeyForm<string> =>
  (name, keys) => {
    keys.byte(kind);
    keys.short(name.charCodeAt(0));
    keys.text(name.slice(1));
  };

export type Name = string | number;
/** Of anything, by any name: what the store knows of its maps. */
export type AnyMap = StoredMap<unknown, never>;

/** Objects of one kind by name, of which those in use are in memory. */
export class StoredMap<T, N extends Name = string> {
  /** Counts what it holds, about. */
  bytes = 0;
  private readonly store: ValueStore;
  private readonly form: KeyForm<N>;
  private readonly codec: ValueCodec<T, N>;
  private readonly held = new Map<N, Held<T>>();
  private readonly changed = new Map<N, Held<T>>();
  private readonly wanted = new Set<N>();
  /** Held names of which the database has said that it has nothing. */
  private lacking: N[] = [];
  /**
   * Where the last sweep has ended, if it was not long ago: an iterator that stands keeps all that its map has had since.
   * What is held stays in its place, and what is new is behind all others.
   */
  private hand: Iterator<[N, Held<T>], unknown> | undefined;
  /** Objects that came since. */
  private come = 0;
  /** Something of it is, or was, in the database. */
  written = false;

  constructor(store: ValueStore, form: KeyForm<N>, codec: ValueCodec<T, N>) {
    this.store = store;
    this.form = form;
    this.codec = codec;
  }

  /** Names that are held, some of which name nothing. */
  get size(): number {
    return this.held.size;
  }

  get(name: N): T | undefined {
    const held = this.held.get(name);
    if (held !== undefined) {
      held.used = this.store.turn;
      return held.value;
    }
    if (!this.mayHave()) return undefined;
    this.store.read([{ map: this as unknown as AnyMap, names: [name as never] }]);
    return this.held.get(name)?.value;
  }

  /** Whether the database may have what is not held: what was never written out is nowhere else. */
  private mayHave(): boolean {
    return this.store.cold && this.written;
  }

  /** The object is this one now, or was changed. */
  put(name: N, value: T): void {
    this.change(name, value, this.mayHave());
  }

  /** The same of a name that nothing had before, unless it is held: the database need not forget it. */
  add(name: N, value: T): void {
    this.change(name, value, false);
  }

  delete(name: N): void {
    this.change(name, undefined, this.mayHave());
  }

  private change(name: N, value: T | undefined, stored: boolean): void {
    let held = this.held.get(name);
    if (held === undefined) held = this.hold(name, value, { bytes: this.weightOf(value), stored });
    this.leave(held);
    held.value = value;
    held.number = this.store.number;
    held.used = this.store.turn;
    if (value === undefined && !held.stored) return this.forget(name, held);
    if (held.changed) return;
    held.changed = true;
    this.changed.set(name, held);
    this.store.unwritten++;
    this.store.changes += 1 + (held.bytes >> BIG_BITS);
  }

  /** What is not written, and changes now, or is: a snapshot that has it may be the only one from here on. */
  private leave({ changed, number, bytes }: Held<T>): void {
    if (changed && this.store.begun > 0 && number < this.store.number) this.store.heldBytes += bytes;
  }

  /** Nobody knows of it but this map. */
  private forget(name: N, held: Held<T>): void {
    this.held.delete(name);
    if (this.changed.delete(name)) this.store.unwritten--;
    this.count(-held.bytes);
  }

  private hold(name: N, value: T | undefined, of: { bytes: number; stored: boolean }): Held<T> {
    const { bytes, stored } = of;
    const size = OBJECT_BYTES + nameBytes(name) + bytes * 2;
    const held = { value, changed: false, number: 0, used: this.store.turn, stored, bytes: size };
    this.held.set(name, held);
    if (++this.come > this.held.size) this.hand = undefined;
    this.count(held.bytes);
    this.store.taken += held.bytes;
    return held;
  }

  /**
   * It will be asked for soon: false where that needs no reading, or was said before. While nothing was written out
   * nobody fetches, and the names would only gather.
   */
  want(name: N): boolean {
    if (!this.mayHave() || this.isHeld(name) || this.wanted.has(name)) return false;
    this.wanted.add(name);
    this.store.wanting.add(this as unknown as AnyMap);
    return true;
  }

  private isHeld(name: N): boolean {
    const held = this.held.get(name);
    if (held !== undefined) held.used = this.store.turn;
    return held !== undefined;
  }

  /** Gives the names that were wanted, once. What is held may have changed since it was written: it is not read again. */
  takeWanted(): N[] {
    const missing: N[] = [];
    for (const name of this.wanted) if (!this.held.has(name)) missing.push(name);
    this.wanted.clear();
    return missing;
  }

  /** Takes the bytes that the database has for a name; none where it has nothing. */
  load(name: N, bytes: Buffer | undefined): void {
    if (bytes !== undefined) {
      this.hold(name, this.codec.decode(bytes, name), { bytes: bytes.length, stored: true });
      return;
    }
    this.hold(name, undefined, { bytes: 0, stored: false });
    this.lacking.push(name);
    this.store.lacking.add(this as unknown as AnyMap);
  }

  /** Most names that name nothing are asked for by one batch only: they are not worth their memory. */
  forgetLacking(): void {
    for (const name of this.lacking) {
      const held = this.held.get(name);
      if (held === undefined || held.changed || held.value !== undefined) continue;
      this.held.delete(name);
      this.count(-held.bytes);
    }
    this.lacking = [];
  }

  addKey(name: N, keys: KeyList): void {
    this.form(name, keys);
    keys.end();
  }

  unwritten(): Map<N, Unwritten<T>> {
    const found = new Map<N, Unwritten<T>>();
    for (const [name, { value, number }] of this.changed) found.set(name, { value, number });
    return found;
  }

  /** How many that are. */
  get changes(): number {
    return this.changed.size;
  }

  /** Puts what was changed into `writes`; what was changed first comes first, and so many are enough. */
  write(out: WriteOut, most = Number.POSITIVE_INFINITY): void {
    let left = most;
    for (const [name, held] of this.changed) {
      if (left-- <= 0) break;
      this.writeOne(name, held, out);
    }
  }

  private writeOne(name: N, held: Held<T>, { writes, keys }: WriteOut): void {
    const { codec } = this;
    this.leave(held);
    this.written = true;
    const bytes = held.value === undefined ? codec.gone : codec.encode(held.value);
    keys.clear();
    this.addKey(name, keys);
    const key = { bytes: keys.bytes, start: 0, stop: keys.at[1] as number };
    if (bytes === undefined) writes.delete(NOTHING, key);
    else writes.value(key, held.number, bytes);
    this.changed.delete(name);
    this.store.unwritten--;
    held.changed = false;
    held.stored = true;
    this.recount(name, held, bytes?.length ?? 0);
    if (held.value !== undefined) codec.written?.(held.value);
  }

  /** Lets go of so many bytes of objects, one after the other around all of them; what was changed is put into `writes`. */
  sweep(bytes: number, among: Sweep, out: WriteOut): void {
    const enough = this.bytes - bytes;
    this.come = 0;
    for (let left = this.held.size; left > 0 && this.bytes > enough; left--) {
      const [name, held] = this.next();
      if (stays(held, among, this.store.turn)) continue;
      if (held.changed) this.writeOne(name, held, out);
      this.held.delete(name);
      this.count(-held.bytes);
    }
  }

  /** What comes next to the hand; something is held. */
  private next(): [N, Held<T>] {
    const next = this.hand?.next();
    if (next !== undefined && next.done !== true) return next.value;
    this.hand = this.held.entries();
    return this.hand.next().value as [N, Held<T>];
  }

  /** Counts an object that is held as what it is now. */
  weigh(name: N): void {
    const held = this.held.get(name);
    if (held !== undefined) this.recount(name, held, this.weightOf(held.value));
  }

  private weightOf(value: T | undefined): number {
    return (value === undefined ? 0 : this.codec.weigh?.(value)) ?? UNKNOWN_BYTES;
  }

  private recount(name: N, held: Held<T>, bytes: number): void {
    const now = OBJECT_BYTES + nameBytes(name) + bytes * 2;
    this.count(now - held.bytes);
    held.bytes = now;
  }

  private count(bytes: number): void {
    this.bytes += bytes;
    this.store.bytes += bytes;
  }

  /** All of it is written. */
  clear(): void {
    this.bytes = 0;
    this.held.clear();
    this.hand = undefined;
    this.lacking = [];
  }
}
