import { WeirError } from "../../errors.ts";
import { heldValue } from "../accumulators/accumulator.ts";
import type { Held } from "../accumulators/accumulator.ts";
import { Block, giveArrays, takeBytes } from "./block.ts";
import type { CellLayout } from "./cells.ts";

export const PAGE_BITS = 8;
const SHORT_KEY = 64;
const PAGE = 1 << PAGE_BITS;

/**
 * 2^32 divided by the golden ratio: multiplying by it spreads what the low bits of a hash have in common over the high
 * ones (Knuth, The Art of Computer Programming 3, 6.4). All keys of a shard agree in them: they made it its shard.
 */
export const SPREAD = 0x9e3779b1;

/** The arrays of a bucket that has given back its memory: what still reads it finds nothing of another, and cannot add to it. */
const GONE = {
  keys: Buffer.alloc(0),
  keyAt: new Int32Array(),
  cells: new Float64Array(),
  hashes: new Int32Array(),
  table: new Int32Array(2),
  stamps: new Int32Array(),
  marks: new Uint16Array(),
};

/** A key with its hash, somewhere in bytes. */
export interface HashedKey {
  bytes: Uint8Array;
  start: number;
  stop: number;
  hash: number;
}

/** What a bucket comes to. One that has this room from the start does not grow, which costs more than filling it. */
export interface BucketRoom {
  readonly keys: number;
  readonly bytes: number;
}

export const LITTLE: BucketRoom = { keys: 8, bytes: 128 };

/**
 * The keys of one window in one shard: an open-addressing hash table over key bytes. Entries are only ever added, in
 * order of arrival, so keys need no copy for a snapshot; cells are copied by page before they change (see
 * `snapshots.ts`). Nothing is allocated for a key that is there.
 */
export class Bucket {
  readonly end: number;
  readonly layout: CellLayout;
  /** The watermark has passed the window: a record that still comes fires its key at once. */
  fired: boolean;
  n = 0;
  keys: Buffer;
  /** Key of entry e is keys[keyAt[e]] … keys[keyAt[e + 1]]. */
  keyAt: Int32Array;
  cells: Float64Array;
  texts: Held[] = [];
  /** Numbers that are held apart from texts, where that is so (see `TableBucket`). */
  readonly numbers: Float64Array | undefined;
  /** Snapshot epoch in which a page was last made writable. */
  stamps: Int32Array;
  /** Low bits of the snapshot epoch in which an entry was last made writable: what a checkpoint must write again. */
  marks: Uint16Array;
  hashes: Int32Array;
  /** Pairs of hash and entry + 1, 0 for a free place: a key is looked for in one line of the processor's cache. */
  protected table: Int32Array;
  /** How many bits of a spread hash are too many for a place in the table. */
  private shift: number;

  constructor(end: number, layout: CellLayout, fired: boolean, room: BucketRoom = LITTLE) {
    this.end = end;
    this.layout = layout;
    this.fired = fired;
    const bits = 32 - Math.clz32(room.keys - 1);
    const arrays = arraysFor(1 << bits, layout);
    this.cells = arrays.cells;
    this.table = arrays.table;
    this.hashes = arrays.hashes;
    this.keyAt = arrays.keyAt;
    this.stamps = arrays.stamps;
    this.marks = arrays.marks;
    this.shift = 31 - bits;
    this.keyAt[0] = 0;
    this.keys = takeBytes(room.bytes);
  }

  /** For the next one of its kind, which will probably be like it, or have an eighth more. */
  get filled(): BucketRoom {
    const { n } = this;
    const bytes = this.keyAt[n] as number;
    return { keys: Math.max(n + (n >> 3), LITTLE.keys), bytes: Math.max(bytes + (bytes >> 3), LITTLE.bytes) };
  }

  /** Of its arrays, but the least ones. */
  get bytes(): number {
    return this.keys.length + this.table.length * 4 + this.hashes.length * (10 + this.layout.cells * 8);
  }

  /** Where the search for a key begins. */
  protected home(hash: number): number {
    return (Math.imul(hash, SPREAD) >>> this.shift) << 1;
  }

  /** The entry of a key, or −1 − its place in the table. */
  find(bytes: Uint8Array, start: number, stop: number, hash: number): number {
    const { table } = this;
    const mask = table.length - 1;
    for (let at = this.home(hash); ; at = (at + 2) & mask) {
      const e = (table[at + 1] as number) - 1;
      if (e < 0) return -1 - at;
      if (table[at] === hash && this.holds(e, bytes, start, stop)) return e;
    }
  }

  private holds(e: number, bytes: Uint8Array, start: number, stop: number): boolean {
    const at = this.keyAt[e] as number;
    if ((this.keyAt[e + 1] as number) - at !== stop - start) return false;
    const { keys } = this;
    for (let i = start, k = at; i < stop; i++, k++) if (bytes[i] !== keys[k]) return false;
    return true;
  }

  /** The entry of a key; a new one with initial cells where there is none. */
  obtain(bytes: Uint8Array, start: number, stop: number, hash: number): number {
    const e = this.find(bytes, start, stop, hash);
    return e >= 0 ? e : this.insert(bytes, start, stop, { hash, place: e });
  }

  /** Adds a key anew whose entry is dead: that one is found no more, and the key is the last to have arrived. */
  renew(dead: number, bytes: Uint8Array, start: number, stop: number): number {
    const hash = this.hashes[dead] as number;
    return this.insert(bytes, start, stop, { hash, place: -1 - this.placeOf(hash, dead + 1) });
  }

  /** Adds a key that `find` did not find, with initial cells. `place` is what `find` returned. */
  insert(bytes: Uint8Array, start: number, stop: number, at: { hash: number; place: number }): number {
    const e = this.n;
    let place = -1 - at.place;
    if (e === this.capacity) {
      const named = this.table[place + 1] as number;
      this.growEntries();
      place = this.placeOf(at.hash, named);
    }
    const from = this.keyAt[e] as number;
    const to = from + stop - start;
    if (to > this.keys.length) this.growKeys(to);
    this.copyKey(bytes, start, stop);
    this.keyAt[e + 1] = to;
    this.hashes[e] = at.hash;
    const { initial, cells, texts } = this.layout;
    for (let i = 0, c = e * cells; i < cells; i++, c++) this.cells[c] = initial[i] as number;
    for (let i = 0; i < texts; i++) this.texts.push(undefined);
    const { table } = this;
    table[place] = at.hash;
    table[place + 1] = e + 1;
    this.n = e + 1;
    return e;
  }

  /** Behind the last key. A loop is faster than a view of a few bytes. */
  private copyKey(bytes: Uint8Array, start: number, stop: number): void {
    const { keys } = this;
    const from = this.keyAt[this.n] as number;
    if (stop - start > SHORT_KEY) keys.set(bytes.subarray(start, stop), from);
    else for (let i = start, k = from; i < stop; i++, k++) keys[k] = bytes[i] as number;
  }

  /** Keeps a value of an entry, a first or a last one, at a place among its texts. */
  hold(e: number, at: number, value: unknown): void {
    this.texts[e * this.layout.texts + at] = heldValue(value);
  }

  /** What is kept there. */
  held(e: number, at: number): Held {
    return this.texts[e * this.layout.texts + at];
  }

  /** Forgets all keys, and keeps the room that they had. Whoever changes entries must know that they are gone. */
  clear(): void {
    this.n = 0;
    this.table.fill(0);
    this.texts = [];
  }

  /** Gives back the room of many keys that were forgotten. */
  protected giveBack(): void {
    const { keys, keyAt, cells, hashes, table, stamps, marks, shift } = new Bucket(this.end, this.layout, this.fired);
    Object.assign(this, { keys, keyAt, cells, hashes, table, stamps, marks, shift });
  }

  /** Gives back its memory. It must not be used any more. */
  free(): void {
    const { keys, keyAt, cells, hashes, table, stamps, marks } = this;
    giveArrays([keys, keyAt, cells, hashes, table, stamps, marks]);
    Object.assign(this, GONE);
    this.n = 0;
  }

  /** Entries that there is room for. */
  protected get capacity(): number {
    return this.hashes.length;
  }

  /** Nobody may hold one of the arrays over a pause: they are others' from now on. */
  protected growEntries(): void {
    if (this.capacity === 0) throw new WeirError("INTERNAL", "a window was used that is gone");
    const { cells, table, hashes, keyAt, stamps, marks } = this;
    const arrays = arraysFor(this.capacity * 2, this.layout);
    this.cells = grown(cells, arrays.cells);
    this.hashes = grown(hashes, arrays.hashes);
    this.keyAt = grown(keyAt, arrays.keyAt);
    this.stamps = grown(stamps, arrays.stamps);
    this.marks = grown(marks, arrays.marks);
    this.table = arrays.table;
    this.shift--;
    this.rehash(table);
    giveArrays([cells, table, hashes, keyAt, stamps, marks]);
  }

  private growKeys(needed: number): void {
    const { keys } = this;
    this.keys = grown(keys, takeBytes(Math.max(needed, keys.length * 2)));
    giveArrays([keys]);
  }

  private rehash(from: Int32Array): void {
    const { table } = this;
    for (let place = 0; place < from.length; place += 2) {
      if (from[place + 1] === 0) continue; // entries that no place names were renewed
      const hash = from[place] as number;
      const at = this.placeOf(hash, 0);
      table[at] = hash;
      table[at + 1] = from[place + 1] as number;
    }
  }

  /** The first place for a hash that names this entry + 1, or is free. */
  private placeOf(hash: number, named: number): number {
    const { table } = this;
    const mask = table.length - 1;
    let at = this.home(hash);
    while (table[at + 1] !== named) at = (at + 2) & mask;
    return at;
  }
}

/** New ones, of which those are zero that must be. */
function arraysFor(capacity: number, { cells }: CellLayout) {
  const pages = Math.ceil(capacity / PAGE);
  const all = new Block(8 * capacity * cells, 16 * capacity, 4 * capacity, 4 * capacity + 4, 4 * pages, 2 * capacity);
  return {
    cells: all.float64(capacity * cells),
    table: all.zeros32(4 * capacity),
    hashes: all.int32(capacity),
    keyAt: all.int32(capacity + 1),
    stamps: all.zeros32(pages),
    marks: all.zeros16(capacity),
  };
}

export function grown<T extends Int32Array | Uint16Array | Float64Array | Buffer>(from: T, to: T): T {
  to.set(from);
  return to;
}
