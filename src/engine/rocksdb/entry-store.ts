import { PAGE_BITS, Bucket } from "../windows/bucket.ts";
import type { HashedKey } from "../windows/bucket.ts";
import type { CellLayout } from "../windows/cells.ts";
import { cellLayout } from "../windows/cells.ts";
import type { Database, DatabaseSnapshot } from "./database.ts";
import { heldOf } from "../windows/entry-codec.ts";
import { copyInto, NO_TEXT, PackedWrites, VALUE_HEADER } from "./packed-writes.ts";
import { StoredBucket } from "./stored-bucket.ts";

/** What an entry takes beside its key, cells and texts, about. */
const ENTRY_BYTES = 64;
/** So many pages with changes at most, and as many changes before they are looked at: a barrier has little to write. */
const DIRTY_PAGES = 32;
const CHANGES = 8192;
const MARKS = 0xffff;

export interface StoreOptions {
  readonly database: Database;
  readonly layout: CellLayout;
  readonly cacheBytes: number;
  /** Entries have an order of arrival, which an index in the database keeps. */
  readonly ordered: boolean;
  /** Makes a new entry of a key that is not stored. */
  readonly absent: (bucket: StoredBucket, entry: number) => void;
}

/**
 * Entries of one node in the database, and those in use in buckets: a write-back cache. What was changed is known by the
 * stamps and marks that any bucket has (`Snapshots` uses them to copy pages; here they say what to write). When there are
 * too many entries all of them are written and dropped: keys in use are soon back, and nothing is kept per access.
 */
export class EntryStore {
  readonly database: Database;
  /** What generated code calls before an entry changes. `epoch` counts flushes. */
  readonly snapshots = { epoch: 1, touch: (bucket: Bucket, page: number) => this.touch(bucket, page) };
  /** Number of the newest snapshot: what is written now was changed after it. */
  number = 0;
  /** Some bucket has keys in the database only. */
  cold = false;
  private bytes = 0;
  private changes = 0;
  private dirty: { readonly bucket: StoredBucket; readonly page: number }[] = [];
  private readonly buckets = new Set<StoredBucket>();
  private readonly layout: CellLayout;
  private readonly options: StoreOptions;
  private readonly writes = new PackedWrites();
  /** Keys of the next records, as they are in the database, by the hash of the key alone; and what was read of them. */
  private readonly ahead = new Bucket(0, cellLayout([]), false);
  private readonly aheadAt: number[] = [];
  private aheadValues: Buffer | undefined;
  private name = Buffer.alloc(256);
  /** What is stored of the key that is inserted next, where that is known. */
  private found: StoredAt | undefined;

  constructor(options: StoreOptions) {
    this.options = options;
    this.database = options.database;
    this.layout = options.layout;
  }

  bucket(end: number, prefix: Buffer): StoredBucket {
    const bucket = new StoredBucket(end, this.layout, { prefix, keeper: this });
    this.buckets.add(bucket);
    return bucket;
  }

  /** Forgets a bucket and everything that is stored below its prefix. */
  drop(bucket: StoredBucket, index: Buffer): void {
    this.buckets.delete(bucket);
    for (const weight of bucket.weights) this.bytes -= weight;
    if (!bucket.stored) return;
    this.database.remove(bucket.prefix);
    if (this.options.ordered) this.database.remove(index);
  }

  private touch(bucket: Bucket, page: number): void {
    bucket.stamps[page] = this.snapshots.epoch;
    this.dirty.push({ bucket: bucket as StoredBucket, page });
  }

  /** The entry is about to change, or was changed just now. */
  changed(bucket: Bucket, e: number): void {
    bucket.marks[e] = this.snapshots.epoch;
    const page = e >> PAGE_BITS;
    if (bucket.stamps[page] !== this.snapshots.epoch) this.touch(bucket, page);
  }

  /** The database was given keys of a bucket in another way. */
  isCold(bucket: StoredBucket): void {
    bucket.stored = bucket.cold = this.cold = true;
  }

  /** Keys here and in the database, some of them twice. */
  estimatedKeys(): number {
    let here = 0;
    for (const bucket of this.buckets) here += bucket.n;
    return here + this.database.keys();
  }

  /** Called where no entry is about to be changed: makes room for the next ones. */
  room(): void {
    if (this.bytes > this.options.cacheBytes) this.evict();
    else if (++this.changes > CHANGES && this.dirty.length > DIRTY_PAGES) this.flush();
  }

  private evict(): void {
    this.flush();
    for (const bucket of this.buckets) {
      if (bucket.stored) bucket.cold = true;
      bucket.clear();
    }
    this.bytes = 0;
    this.cold = true;
    this.forgetAhead();
  }

  /** Writes what was changed. */
  flush(): void {
    const { writes } = this;
    const mark = this.snapshots.epoch & MARKS;
    for (const { bucket, page } of this.dirty) {
      if (!this.buckets.has(bucket)) continue;
      const first = page << PAGE_BITS;
      const end = Math.min(bucket.n, first + (1 << PAGE_BITS));
      for (let e = first; e < end; e++) if (bucket.marks[e] === mark) this.write(bucket, e);
      bucket.stored = true;
      if (writes.length > FLUSH_BYTES) this.database.write(writes);
    }
    this.database.write(writes);
    for (const { bucket } of this.dirty) bucket.indexed = bucket.arrived;
    this.dirty = [];
    this.changes = 0;
    this.snapshots.epoch++;
  }

  /** What is there now; what changes from here on has the next number. */
  snapshot(): { readonly number: number; readonly of: DatabaseSnapshot } {
    this.flush();
    return { number: ++this.number, of: this.database.snapshot() };
  }

  private write(bucket: StoredBucket, e: number): void {
    const { cells, texts } = this.layout;
    const key = { bytes: bucket.keys, start: bucket.keyAt[e] as number, stop: bucket.keyAt[e + 1] as number };
    const seq = bucket.seqs[e] as number;
    const textBytes = this.writes.entry(bucket.prefix, key, {
      number: this.number,
      seq,
      cells: bucket.cells,
      cellAt: e * cells,
      cellCount: cells,
      texts: bucket.texts,
      textAt: e * texts,
      textCount: texts,
    });
    this.weigh(bucket, e, textBytes);
    if (this.options.ordered && seq >= bucket.indexed) this.writes.put(indexKey(bucket.prefix, seq), key);
  }

  private weigh(bucket: StoredBucket, e: number, textBytes: number): void {
    const length = (bucket.keyAt[e + 1] as number) - (bucket.keyAt[e] as number);
    const weight = ENTRY_BYTES + length + this.layout.cells * 8 + 2 * textBytes;
    this.bytes += weight - (bucket.weights[e] ?? 0);
    bucket.weights[e] = weight;
  }

  /** A key came into a bucket: what is stored of it comes along. */
  inserted(bucket: StoredBucket, e: number): void {
    bucket.seqs[e] = 0;
    const found = this.found ?? (bucket.cold ? this.stored(bucket, keyOf(bucket, e)) : undefined);
    this.found = undefined;
    this.weigh(bucket, e, found === undefined ? 0 : this.load(bucket, e, found));
    if (found === undefined) {
      if (this.options.ordered) bucket.seqs[e] = bucket.arrived++;
      this.options.absent(bucket, e);
    }
  }

  /** The entry of a key, here or in the database; a negative number where there is none. */
  existing(bucket: StoredBucket, key: HashedKey): number {
    const { bytes, start, stop, hash } = key;
    const place = bucket.find(bytes, start, stop, hash);
    if (place >= 0 || !bucket.cold) return place;
    this.found = this.stored(bucket, key);
    return this.found === undefined ? place : bucket.insert(bytes, start, stop, { hash, place });
  }

  /** Where the stored value of a key is; nothing where there is none. */
  private stored(bucket: StoredBucket, { bytes, start, stop, hash }: HashedKey): StoredAt | undefined {
    const length = this.nameOf(bucket.prefix, bytes, start, stop);
    const { name, aheadValues } = this;
    if (aheadValues !== undefined) {
      const a = this.ahead.find(name, 0, length, hash);
      if (a >= 0) {
        const at = this.aheadAt[a] as number;
        return at < 0 ? undefined : { from: aheadValues, at };
      }
    }
    const from = this.database.read(name, Int32Array.of(0, length), 1);
    return from.readUInt32LE(0) === NO_TEXT ? undefined : { from, at: 4 };
  }

  /** The key as it is in the database. */
  private nameOf(prefix: Buffer, bytes: Uint8Array, start: number, stop: number): number {
    const length = prefix.length + stop - start;
    if (length > this.name.length) this.name = Buffer.alloc(length * 2);
    copyInto(this.name, 0, { bytes: prefix, start: 0, stop: prefix.length });
    copyInto(this.name, prefix.length, { bytes, start, stop });
    return length;
  }

  private load(bucket: StoredBucket, e: number, { from, at }: StoredAt): number {
    const { cells, texts, accumulators } = this.layout;
    bucket.seqs[e] = from.readUInt32LE(at + 4);
    let place = at + VALUE_HEADER;
    for (let i = 0; i < cells; i++, place += 8) bucket.cells[e * cells + i] = from.readDoubleLE(place);
    const textsAt = place;
    for (let i = 0; i < texts; i++) {
      const length = from.readUInt32LE(place);
      place += 4;
      if (length === NO_TEXT) continue;
      bucket.texts[e * texts + i] = heldOf(from, place, place + length, accumulators[i]);
      place += length;
    }
    return place - textsAt;
  }

  /** The key will be asked for soon. */
  want(bucket: StoredBucket, { bytes, start, stop, hash }: HashedKey): void {
    const length = this.nameOf(bucket.prefix, bytes, start, stop);
    this.ahead.obtain(this.name, 0, length, hash);
  }

  /** Reads what was wanted, in one call. */
  fetch(): void {
    const { ahead, aheadAt } = this;
    if (ahead.n === 0) return;
    const values = this.database.read(ahead.keys, ahead.keyAt, ahead.n);
    for (let i = 0, at = 0; i < ahead.n; i++) {
      const length = values.readUInt32LE(at);
      aheadAt[i] = length === NO_TEXT ? -1 : at + 4;
      at += 4 + (length === NO_TEXT ? 0 : length);
    }
    this.aheadValues = values;
  }

  /** What was read ahead is old as soon as it was used. */
  forgetAhead(): void {
    this.ahead.clear();
    this.aheadValues = undefined;
  }
}

/** A value that was read, behind its length. */
interface StoredAt {
  readonly from: Buffer;
  readonly at: number;
}

const keyOf = ({ keys, keyAt, hashes }: StoredBucket, e: number): HashedKey => ({
  bytes: keys,
  start: keyAt[e] as number,
  stop: keyAt[e + 1] as number,
  hash: hashes[e] as number,
});

const FLUSH_BYTES = 1024 * 1024;

/** Kinds of keys in the database: entries, and the order of their arrival. */
export const ENTRY = 0;
export const INDEX = 1;

/** `<kind u8><shard u16>`: before the keys of a table's shard. Big endian, so that they are in order. */
export function shardPrefix(kind: number, shard: number): Buffer {
  const prefix = Buffer.alloc(3);
  prefix[0] = kind;
  prefix.writeUInt16BE(shard, 1);
  return prefix;
}

/** `<kind u8><shard u16><end of the window f64>`: each window is by itself, in whatever order. */
export function panePrefix(kind: number, shard: number, end: number): Buffer {
  const prefix = Buffer.alloc(11);
  shardPrefix(kind, shard).copy(prefix);
  prefix.writeDoubleBE(end, 3);
  return prefix;
}

/** `<prefix of the index><place in the order of arrival u32>` */
export function indexKey(prefix: Buffer, seq: number): Buffer {
  const key = Buffer.alloc(prefix.length + 4);
  prefix.copy(key);
  key[0] = INDEX;
  key.writeUInt32BE(seq, prefix.length);
  return key;
}
