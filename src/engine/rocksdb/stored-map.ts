import type { KeyForm, KeyList } from "./key-list.ts";
import type { KeyBytes, PackedWrites } from "./packed-writes.ts";
import type { ValueStore } from "./value-store.ts";

/** What an object takes beside its name and its bytes, about; and what its bytes are taken for until they are known. */
const OBJECT_BYTES = 200;
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
  /** What stays in the place of one that is gone, so that a checkpoint can tell; absent where nothing must. */
  readonly gone?: Uint8Array;
}

interface Held<T> {
  value: T | undefined;
  changed: boolean;
  /** The database may have something by the name. */
  stored: boolean;
  bytes: number;
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
    if (held !== undefined) return held.value;
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
    this.change(name, value);
  }

  delete(name: N): void {
    this.change(name, undefined);
  }

  private change(name: N, value: T | undefined): void {
    let held = this.held.get(name);
    if (held === undefined) held = this.hold(name, value, { bytes: this.weightOf(value), stored: this.mayHave() });
    held.value = value;
    if (value === undefined && !held.stored) return this.forget(name, held);
    if (held.changed) return;
    held.changed = true;
    this.changed.set(name, held);
    this.store.changes += 1 + (held.bytes >> BIG_BITS);
  }

  /** Nobody knows of it but this map. */
  private forget(name: N, held: Held<T>): void {
    this.held.delete(name);
    this.changed.delete(name);
    this.count(-held.bytes);
  }

  private hold(name: N, value: T | undefined, of: { bytes: number; stored: boolean }): Held<T> {
    const { bytes, stored } = of;
    const held = { value, changed: false, stored, bytes: OBJECT_BYTES + nameBytes(name) + bytes * 2 };
    this.held.set(name, held);
    this.count(held.bytes);
    this.store.taken += held.bytes;
    return held;
  }

  /**
   * It will be asked for soon: false where that needs no reading, or was said before. While nothing was written out
   * nobody fetches, and the names would only gather.
   */
  want(name: N): boolean {
    if (!this.mayHave() || this.held.has(name) || this.wanted.has(name)) return false;
    this.wanted.add(name);
    this.store.wanting.add(this as unknown as AnyMap);
    return true;
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

  /** What the database does not have as it is: nothing for what is gone. */
  unwritten(): Map<N, T | undefined> {
    const found = new Map<N, T | undefined>();
    for (const [name, { value }] of this.changed) found.set(name, value);
    return found;
  }

  /** Puts what was changed into `writes`. */
  write(writes: PackedWrites, number: number, keys: KeyList): void {
    const { codec } = this;
    if (this.changed.size === 0) return;
    this.written = true;
    for (const [name, held] of this.changed) {
      const bytes = held.value === undefined ? codec.gone : codec.encode(held.value);
      keys.clear();
      this.addKey(name, keys);
      const key = { bytes: keys.bytes, start: 0, stop: keys.at[1] as number };
      if (bytes === undefined) writes.delete(NOTHING, key);
      else writes.value(key, number, bytes);
      held.changed = false;
      held.stored = true;
      this.recount(name, held, bytes?.length ?? 0);
    }
    this.changed.clear();
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

  clear(): void {
    this.bytes = 0;
    this.held.clear();
    this.lacking = [];
  }
}
