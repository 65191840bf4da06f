import type { Division } from "../keyed-state/division.ts";
import { entryDivision } from "../windows/entry-division.ts";
import type { KeyedNode, KeyedSnapshot, StatePiece } from "../program.ts";
import { WRITTEN_AT, ownCells } from "../keyed-state/keyed-table.ts";
import type { TableOptions } from "../keyed-state/keyed-table.ts";
import { isWaiting } from "../keyed-state/timed-table.ts";
import type { HashedKey } from "../windows/bucket.ts";
import type { CellLayout } from "../windows/cells.ts";
import { ChunkWriter } from "../windows/chunk-writer.ts";
import { readChunk, STATE_VERSION } from "../windows/entry-codec.ts";
import type { DecodedEntry } from "../windows/entry-codec.ts";
import { murmur2 } from "../windows/murmur2.ts";
import { requireRestorable } from "../windows/restorable.ts";
import type { Fire } from "../windows/window-state.ts";
import type { DatabaseSnapshot, RocksState, ScanRequest } from "./database.ts";
import { ENTRY, EntryStore, shardPrefix } from "./entry-store.ts";
import { Forgetting } from "./forgetting.ts";
import { PackedWrites } from "./packed-writes.ts";
import type { StoredBucket } from "./stored-bucket.ts";

export interface TableShard {
  readonly index: number;
  floor: number;
  readonly bucket: StoredBucket;
}

/**
 * `KeyedTable` in RocksDB: only the keys in use are in memory. What is forgotten goes when the database rewrites its
 * files; until then it counts as gone wherever it is read. The order of their keys means nothing, and saved state has them by key.
 */
export class RocksTable implements KeyedNode {
  readonly node: string;
  readonly stateVersion = STATE_VERSION;
  readonly stateSignature: string;
  readonly layout: CellLayout;
  readonly store: EntryStore;
  readonly snapshots: EntryStore["snapshots"];
  watermark = Number.NEGATIVE_INFINITY;
  /** Of the record that comes next; filled anew each time. */
  readonly key: HashedKey = { bytes: new Uint8Array(0), start: 0, stop: 0, hash: 0 };
  /** Where the entry is that was asked for last. */
  bucket: StoredBucket;
  private readonly ttl: number;
  private readonly mayWait: boolean;
  protected readonly owned = new Map<number, TableShard>();
  protected readonly byIndex: (TableShard | undefined)[] = [];
  /** The end of time is not a time: a bounded input that ended forgets nothing. */
  private time = Number.NEGATIVE_INFINITY;
  private readonly forgetting: Forgetting;
  /** Keys that came and were not removed, also those that are forgotten. */
  protected known = 0;

  /** `mayWait`: keys may wait for their result, and are not forgotten before it was given. */
  constructor({ node, stateSignature, layout, ttlMs }: TableOptions, state: RocksState, mayWait = false) {
    this.node = node;
    this.stateSignature = stateSignature;
    this.layout = layout;
    this.ttl = ttlMs;
    const database = state.open(node);
    const absent = (bucket: StoredBucket, e: number): void => {
      bucket.cells[e * layout.cells + WRITTEN_AT] = Number.NaN;
    };
    this.store = new EntryStore({ database, layout, cacheBytes: state.cacheBytes, ordered: false, absent });
    this.snapshots = this.store.snapshots;
    this.mayWait = mayWait;
    this.forgetting = new Forgetting(database, { ttlMs, mayWait });
    this.bucket = this.store.bucket(0, Buffer.alloc(0));
  }

  protected open(index: number): TableShard {
    const bucket = this.store.bucket(0, shardPrefix(ENTRY, index));
    const shard: TableShard = { index, floor: Number.NEGATIVE_INFINITY, bucket };
    this.owned.set(index, shard);
    this.byIndex[index] = shard;
    return shard;
  }

  private now(shardIndex: number): number {
    return Math.max(this.time, (this.byIndex[shardIndex] as TableShard).floor);
  }

  private alive({ index, bucket }: TableShard, e: number): boolean {
    const at = e * this.layout.cells;
    const written = bucket.cells[at + WRITTEN_AT] as number;
    if (this.ttl === 0) return !Number.isNaN(written);
    return written + this.ttl > this.now(index) || (this.mayWait && isWaiting(bucket.cells, at));
  }

  /** A record of `key` comes soon. */
  want(shardIndex: number): void {
    const { bytes, start, stop, hash } = this.key;
    const bucket = this.byIndex[shardIndex]?.bucket;
    if (bucket?.cold !== true || bucket.find(bytes, start, stop, hash) >= 0) return;
    this.store.want(bucket, this.key);
  }

  /** Sets `key`. */
  protected tell(bytes: Uint8Array, start: number, stop: number): void {
    const { key } = this;
    key.bytes = bytes;
    key.start = start;
    key.stop = stop;
    key.hash = murmur2(bytes, start, stop);
  }

  /** The entry of `key` as it is, one that is gone where there is none. */
  protected find({ bucket }: TableShard): number {
    this.store.room();
    const { bytes, start, stop, hash } = this.key;
    this.bucket = bucket;
    const e = bucket.find(bytes, start, stop, hash);
    return e >= 0 ? e : bucket.insert(bytes, start, stop, { hash, place: e });
  }

  /** The entry of `key`, which may be changed now; a new one where there was none or it is forgotten. */
  entry(shardIndex: number): number {
    const shard = this.byIndex[shardIndex] ?? this.open(shardIndex);
    return this.changeable(shard, this.find(shard));
  }

  /** The entry of `key` if it is not there, or is forgotten; −1 if it is there. */
  fresh(shardIndex: number): number {
    const shard = this.byIndex[shardIndex] ?? this.open(shardIndex);
    const e = this.find(shard);
    return this.alive(shard, e) ? -1 : this.changeable(shard, e);
  }

  private changeable(shard: TableShard, e: number): number {
    const { cells, texts, initial } = this.layout;
    const { bucket } = shard;
    this.store.changed(bucket, e);
    if (this.alive(shard, e)) return e;
    if (Number.isNaN(bucket.cells[e * cells + WRITTEN_AT])) this.known++;
    bucket.cells.set(initial, e * cells);
    bucket.cells[e * cells + WRITTEN_AT] = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < texts; i++) bucket.texts[e * texts + i] = undefined;
    return e;
  }

  /** Notes that an entry is written: −∞, as `entry` makes it, is one that never was. */
  written(shardIndex: number, e: number, ts: number): void {
    const shard = this.byIndex[shardIndex] as TableShard;
    shard.bucket.cells[e * this.layout.cells + WRITTEN_AT] = Math.max(ts, this.now(shardIndex));
  }

  /** Makes an entry count as gone. */
  remove(shardIndex: number, e: number): void {
    const { bucket } = this.byIndex[shardIndex] as TableShard;
    this.store.changed(bucket, e);
    bucket.cells[e * this.layout.cells + WRITTEN_AT] = Number.NaN;
    this.known--;
  }

  advance(watermark: number, _fire?: Fire): void {
    if (watermark <= this.watermark) return;
    this.watermark = watermark;
    if (watermark === Number.POSITIVE_INFINITY) return;
    this.time = watermark;
    this.forgetting.advance(this.time, this.store.number);
  }

  shards(): readonly number[] {
    return [...this.owned.keys()].toSorted((a, b) => a - b);
  }

  beginSnapshot(): KeyedSnapshot {
    const { number, of } = this.store.snapshot();
    this.forgetting.hold();
    const shards = new Map<number, ShardAtBarrier>();
    for (const shard of this.owned.values()) {
      const livingAfter = this.ttl === 0 ? Number.NEGATIVE_INFINITY : this.now(shard.index) - this.ttl;
      const watermark = Math.max(this.watermark, shard.floor);
      const living = { livingAfter, orWaiting: this.mayWait };
      shards.set(shard.index, { number, watermark, bucket: shard.bucket, living });
    }
    return {
      chunks: (shard) => allOf(of, shards.get(shard)),
      pieces: (shard) => piecesOf(of, shards.get(shard), this.forgetting.goneBelow),
      release: () => {
        of.release();
        this.forgetting.release();
      },
    };
  }

  restore(index: number, chunks: readonly Buffer[], stateVersion: number): void {
    requireRestorable(this.node, { index, isOwned: this.owned.has(index), stateVersion });
    const shard = this.open(index);
    const writes = new PackedWrites();
    const { cells: cellCount, texts: textCount } = this.layout;
    for (const chunk of chunks) {
      const floor = this.readSaved(chunk, (entry) => {
        const { key, cells, texts } = entry;
        // Of several forms of an entry the last one counts.
        if (Number.isNaN(cells[WRITTEN_AT] as number)) return writes.delete(shard.bucket.prefix, key);
        const value = { number: 0, seq: 0, cells, cellAt: 0, cellCount, texts, textAt: 0, textCount };
        writes.entry(shard.bucket.prefix, key, value);
        this.restored(index, entry);
      });
      shard.floor = Math.max(shard.floor, floor);
      this.store.database.write(writes);
    }
    this.store.isCold(shard.bucket);
    this.known += this.count(shard);
  }

  protected readSaved(chunk: Buffer, each: (entry: DecodedEntry) => void): number {
    return readChunk(chunk, this.layout, each);
  }

  division(floor: number): Division {
    return entryDivision({ layout: this.layout, floor, own: ownCells(this.layout) });
  }

  /** An entry was read from a checkpoint; a later form of it may follow. */
  protected restored(_shardIndex: number, _entry: DecodedEntry): void {
    // Tables that give results by themselves have more of it to keep.
  }

  private count({ bucket: { prefix } }: TableShard): number {
    return this.store.database.withSnapshot((snapshot) => {
      let n = 0;
      for (const chunk of snapshot.scan({ prefix, end: 0, watermark: 0 })) n += chunk.readUInt32LE(8);
      return n;
    });
  }

  /** With a time to live it is an estimate: a forgotten key counts until the database rewrites the files that have it. */
  size(): number {
    return this.ttl === 0 ? this.known : Math.min(this.known, this.store.estimatedKeys());
  }
}

interface ShardAtBarrier {
  readonly number: number;
  readonly watermark: number;
  readonly bucket: StoredBucket;
  readonly living: Pick<ScanRequest, "livingAfter" | "orWaiting">;
}

const livingOf = ({ bucket, watermark, living }: ShardAtBarrier): ScanRequest => ({
  prefix: bucket.prefix,
  end: 0,
  watermark,
  ...living,
});

function* allOf(snapshot: DatabaseSnapshot, at: ShardAtBarrier | undefined): Generator<Buffer> {
  if (at === undefined) return;
  yield* snapshot.scan(livingOf(at));
  yield new ChunkWriter(at.watermark).take();
}

/** All entries are one piece; another one has the shard's watermark in any case. */
function* piecesOf(
  snapshot: DatabaseSnapshot,
  at: ShardAtBarrier | undefined,
  goneBelow: number,
): Generator<StatePiece> {
  if (at === undefined) return;
  const { number, watermark, bucket } = at;
  yield {
    of: bucket,
    at: { snapshot: number, entries: 0 },
    whole: () => snapshot.scan(livingOf(at)),
    // Entries that are gone are among those that changed: what is restored before them must go.
    since: (earlier) => {
      if (earlier.snapshot < goneBelow) return undefined;
      return snapshot.scan({ prefix: bucket.prefix, end: 0, watermark, since: earlier.snapshot });
    },
  };
  const head = (): Buffer[] => [new ChunkWriter(watermark).take()];
  yield { at: { snapshot: number, entries: 0 }, whole: head, since: () => undefined };
}
