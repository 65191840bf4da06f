import type { KeyBytes, PackedWrites } from "./packed-writes.ts";
import type { ValueStore } from "./value-store.ts";

/** What an object takes beside its name and its bytes, about; and what its bytes are taken for until they are known. */
const OBJECT_BYTES = 200;
const UNKNOWN_BYTES = 256;
/** A big object counts as many. */
const BIG_BITS = 12;

/** How objects are bytes in the database. */
export interface ValueCodec<T> {
  /** Bytes that are good until the next call. */
  encode(value: T): Uint8Array;
  /** Nothing where the bytes say that the object is gone. */
  decode(bytes: Buffer, name: string): T | undefined;
  /** What stays in the place of one that is gone, so that a checkpoint can tell; absent where nothing must. */
  readonly gone?: Uint8Array;
}

interface Held<T> {
  value: T | undefined;
  changed: boolean;
  bytes: number;
}

/** Shard and text of a name, as one string and as a key of the database: names of a shard are in order of their text's bytes. */
export const nameOf = (shard: number, text: string): string => String.fromCharCode(shard) + text;

/** A key as the text of a name: a character a byte, whatever the bytes are. */
export const keyText = ({ bytes, start, stop }: KeyBytes): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, stop - start).toString("latin1");

/** Objects of one kind by name, of which those in use are in memory. */
export class StoredMap<T> {
  /** Counts what it holds, about. */
  bytes = 0;
  private readonly store: ValueStore;
  private readonly kind: number;
  private readonly codec: ValueCodec<T>;
  private readonly held = new Map<string, Held<T>>();
  private readonly changed = new Map<string, Held<T>>();
  private readonly wanted = new Set<string>();
  /** Held names of which the database has said that it has nothing. */
  private lacking: string[] = [];
  /** Something of it is, or was, in the database. */
  written = false;

  constructor(store: ValueStore, kind: number, codec: ValueCodec<T>) {
    this.store = store;
    this.kind = kind;
    this.codec = codec;
  }

  /** Names that are held, some of which name nothing. */
  get size(): number {
    return this.held.size;
  }

  get(name: string): T | undefined {
    const held = this.held.get(name);
    if (held !== undefined) return held.value;
    if (!this.mayHave()) return undefined;
    this.store.read([{ map: this as StoredMap<unknown>, name }]);
    return this.held.get(name)?.value;
  }

  /** Whether the database may have what is not held: what was never written out is nowhere else. */
  private mayHave(): boolean {
    return this.store.cold && this.written;
  }

  /** The object is this one now, or was changed. */
  put(name: string, value: T): void {
    this.change(name, value);
  }

  delete(name: string): void {
    this.change(name, undefined);
  }

  private change(name: string, value: T | undefined): void {
    let held = this.held.get(name);
    if (held === undefined) held = this.hold(name, value, UNKNOWN_BYTES);
    held.value = value;
    if (held.changed) return;
    held.changed = true;
    this.changed.set(name, held);
    this.store.changes += 1 + (held.bytes >> BIG_BITS);
  }

  private hold(name: string, value: T | undefined, bytes: number): Held<T> {
    const held = { value, changed: false, bytes: OBJECT_BYTES + name.length * 2 + bytes * 2 };
    this.held.set(name, held);
    this.count(held.bytes);
    this.store.taken += held.bytes;
    return held;
  }

  /**
   * It will be asked for soon: false where that needs no reading, or was said before. While nothing was written out
   * nobody fetches, and the names would only gather.
   */
  want(name: string): boolean {
    if (!this.mayHave() || this.held.has(name) || this.wanted.has(name)) return false;
    this.wanted.add(name);
    this.store.wanting.add(this as StoredMap<unknown>);
    return true;
  }

  /** Gives the names that were wanted, once. What is held may have changed since it was written: it is not read again. */
  takeWanted(): string[] {
    const missing = [...this.wanted].filter((name) => !this.held.has(name));
    this.wanted.clear();
    return missing;
  }

  /** Takes the bytes that the database has for a name; none where it has nothing. */
  load(name: string, bytes: Buffer | undefined): void {
    if (bytes !== undefined) {
      this.hold(name, this.codec.decode(bytes, name), bytes.length);
      return;
    }
    this.hold(name, undefined, 0);
    this.lacking.push(name);
    this.store.lacking.add(this as StoredMap<unknown>);
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

  keyOf(name: string): Buffer {
    const text = name.slice(1);
    const key = Buffer.allocUnsafe(3 + Buffer.byteLength(text));
    key[0] = this.kind;
    key.writeUInt16BE(name.charCodeAt(0), 1);
    key.write(text, 3);
    return key;
  }

  /** Puts what was changed into `writes`. */
  write(writes: PackedWrites, number: number): void {
    const { codec } = this;
    this.written ||= this.changed.size > 0;
    for (const [name, held] of this.changed) {
      const bytes = held.value === undefined ? codec.gone : codec.encode(held.value);
      const key = this.keyOf(name);
      if (bytes === undefined) writes.delete(key);
      else writes.value(key, number, bytes);
      held.changed = false;
      const now = OBJECT_BYTES + name.length * 2 + (bytes?.length ?? 0) * 2;
      this.count(now - held.bytes);
      held.bytes = now;
    }
    this.changed.clear();
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
