import type { KeyedSnapshot, StatePiece } from "../program.ts";
import type { Bucket, HashedKey } from "../windows/bucket.ts";
import { Bucket as Rows } from "../windows/bucket.ts";
import type { WindowNode } from "../windows/cells.ts";
import { ChunkWriter } from "../windows/chunk-writer.ts";
import { readChunk } from "../windows/entry-codec.ts";
import type { DecodedEntry, EntryKey } from "../windows/entry-codec.ts";
import { mergeEntry } from "../windows/merge.ts";
import { murmur2 } from "../windows/murmur2.ts";
import { paneEnd } from "../windows/panes.ts";
import type { PaneWindow } from "../windows/panes.ts";
import { requireRestorable } from "../windows/restorable.ts";
import { MERGED, WindowState } from "../windows/window-state.ts";
import type { Fire, PageStamps, WindowShard } from "../windows/window-state.ts";
import type { DatabaseSnapshot, RocksState, ScanRequest } from "./database.ts";
import { ENTRY, EntryStore, INDEX, indexKey, panePrefix } from "./entry-store.ts";
import type { StoredBucket } from "./stored-bucket.ts";

/**
 * Windows in RocksDB: `WindowState` of which only the keys in use are in memory. A window that fits is fired from memory;
 * another is read, or merged of its panes, in the order in which its keys arrived, so that the rows are those of the
 * Memory backend.
 */
export class RocksWindows extends WindowState {
  readonly store: EntryStore;
  /** Of a record that comes soon; filled anew each time. */
  readonly key: HashedKey = { bytes: new Uint8Array(0), start: 0, stop: 0, hash: 0 };
  override readonly snapshots: PageStamps;

  constructor(node: WindowNode & { readonly window: PaneWindow }, state: RocksState) {
    super(node);
    const database = state.open(node.name);
    const absent = (): void => undefined;
    const { layout } = this;
    this.store = new EntryStore({ database, layout, cacheBytes: state.cacheBytes, ordered: true, absent });
    this.snapshots = this.store.snapshots;
  }

  override bucket(shardIndex: number, ts: number): Bucket | undefined {
    this.store.room();
    return super.bucket(shardIndex, ts);
  }

  /** A record of `key` comes soon. */
  want(shardIndex: number, ts: number): void {
    const { bytes, start, stop, hash } = this.key;
    const bucket = this.byIndex[shardIndex]?.buckets.get(paneEnd(this.panes, ts)) as StoredBucket | undefined;
    if (bucket?.cold !== true || bucket.find(bytes, start, stop, hash) >= 0) return;
    this.store.want(bucket, this.key);
  }

  protected override newBucket(shard: WindowShard, end: number): Bucket {
    return this.store.bucket(end, panePrefix(ENTRY, shard.index, end));
  }

  protected override dropBucket(shard: WindowShard, bucket: Bucket): void {
    shard.buckets.delete(bucket.end);
    this.store.drop(bucket as StoredBucket, panePrefix(INDEX, shard.index, bucket.end));
  }

  protected override findIn(pane: Bucket, key: EntryKey, hash: number): number {
    return this.store.existing(pane as StoredBucket, { ...key, hash });
  }

  protected override fireWindow(shard: WindowShard, end: number, fire: Fire): void {
    const panes = this.panesIn(shard, end) as StoredBucket[];
    if (!panes.some(({ cold }) => cold)) return super.fireWindow(shard, end, fire);
    const [only, ...others] = panes;
    if (only !== undefined && others.length === 0) return this.fireStored(only, { shard, end, fire });
    const all = this.store.bucket(end, panePrefix(ENTRY, shard.index, MERGE));
    this.mergeStored(panes, all);
    if (all.cold) this.fireStored(all, { shard, end, fire });
    else for (let e = 0; e < all.n; e++) fire(all, e, shard.index, end);
    this.store.drop(all, panePrefix(INDEX, shard.index, MERGE));
  }

  private fireStored(bucket: StoredBucket, { shard, end, fire }: Firing): void {
    this.eachStored(bucket, (chunk) => {
      for (const [rows, e] of this.rowsOf(chunk, end)) fire(rows, e, shard.index, end);
    });
  }

  /** Everything of a bucket, in the order of arrival. */
  private eachStored(bucket: StoredBucket, each: (chunk: Buffer) => void): void {
    this.store.flush();
    this.store.database.withSnapshot((snapshot) => {
      for (const chunk of snapshot.scan(inOrder(bucket, this.watermark))) each(chunk);
    });
  }

  /** As in memory, pane after pane; a result that does not fit goes to the database like any other entry. */
  private mergeStored(panes: readonly StoredBucket[], all: StoredBucket): void {
    for (const pane of panes)
      this.eachStored(pane, (chunk) => {
        this.store.room();
        if (all.cold) readChunk(chunk, this.layout, ({ key }) => this.store.want(all, hashed(key)));
        this.store.fetch();
        readChunk(chunk, this.layout, (entry) => this.mergeDecoded(all, entry));
        this.store.forgetAhead();
      });
  }

  private mergeDecoded(all: StoredBucket, { key: { bytes, start, stop }, cells, texts }: DecodedEntry): void {
    const e = all.obtain(bytes, start, stop, murmur2(bytes, start, stop));
    const into = { cells: all.cells, cellAt: e * this.layout.cells, texts: all.texts, textAt: e * this.layout.texts };
    mergeEntry(this.layout, into, { cells, cellAt: 0, texts, textAt: 0 }, MERGED);
    this.store.changed(all, e);
  }

  private *rowsOf(chunk: Buffer, end: number): Generator<[Rows, number]> {
    const rows = new Rows(end, this.layout, true);
    readChunk(chunk, this.layout, (entry) => this.copy(rows, entry));
    for (let e = 0; e < rows.n; e++) yield [rows, e];
  }

  private copy(rows: Bucket, { key: { bytes, start, stop }, cells, texts }: DecodedEntry): number {
    const e = rows.obtain(bytes, start, stop, murmur2(bytes, start, stop));
    rows.cells.set(cells, e * this.layout.cells);
    for (let i = 0; i < this.layout.texts; i++) rows.texts[e * this.layout.texts + i] = texts[i];
    return e;
  }

  override beginSnapshot(): KeyedSnapshot {
    const { number, of } = this.store.snapshot();
    const shards = new Map<number, WindowsAtBarrier>();
    for (const { index, floor, buckets } of this.owned.values()) {
      const panes = [...buckets.values()].toSorted((a, b) => a.end - b.end) as StoredBucket[];
      const watermark = Math.max(this.watermark, floor);
      shards.set(index, { number, watermark, panes: panes.map((bucket) => ({ bucket, entries: bucket.arrived })) });
    }
    return orderedSnapshot(of, shards);
  }

  override restore(index: number, chunks: readonly Buffer[], stateVersion: number): void {
    requireRestorable(this.node, { index, isOwned: this.owned.has(index), stateVersion });
    const shard = this.open(index);
    for (const chunk of chunks) {
      this.store.room();
      this.readAhead(shard, chunk);
      const floor = readChunk(chunk, this.layout, (entry) => this.keep(shard, entry));
      shard.floor = Math.max(shard.floor, floor);
      this.store.forgetAhead();
    }
    for (const bucket of shard.buckets.values()) this.schedule(bucket, shard.floor);
  }

  private readAhead(shard: WindowShard, chunk: Buffer): void {
    if (!this.store.cold) return;
    readChunk(chunk, this.layout, ({ end, key }) => {
      const bucket = shard.buckets.get(end) as StoredBucket | undefined;
      if (bucket?.cold !== true) return;
      this.store.want(bucket, hashed(key));
    });
    this.store.fetch();
  }

  private keep(shard: WindowShard, entry: DecodedEntry): void {
    let bucket = shard.buckets.get(entry.end);
    if (bucket === undefined) shard.buckets.set(entry.end, (bucket = this.newBucket(shard, entry.end)));
    const e = this.copy(bucket, entry);
    this.noteArrivals(entry);
    this.store.changed(bucket, e);
  }

  override size(): number {
    let n = 0;
    for (const { buckets } of this.owned.values())
      for (const bucket of buckets.values()) n += (bucket as StoredBucket).arrived;
    return n;
  }
}

/** In place of the end of a pane: what a result is merged in, until it is given. */
const MERGE = Number.NEGATIVE_INFINITY;

interface Firing {
  readonly shard: WindowShard;
  readonly end: number;
  readonly fire: Fire;
}

const hashed = (key: DecodedEntry["key"]): HashedKey => ({ ...key, hash: murmur2(key.bytes, key.start, key.stop) });

/** Entries in the order in which their keys came. */
export function orderedSnapshot(
  snapshot: DatabaseSnapshot,
  shards: ReadonlyMap<number, WindowsAtBarrier>,
): KeyedSnapshot {
  return {
    chunks: (shard) => allOf(snapshot, shards.get(shard)),
    pieces: (shard) => piecesOf(snapshot, shards.get(shard)),
    release: () => snapshot.release(),
  };
}

export interface WindowsAtBarrier {
  readonly number: number;
  readonly watermark: number;
  readonly panes: readonly PaneAtBarrier[];
}

interface PaneAtBarrier {
  readonly bucket: StoredBucket;
  /** Keys that had arrived. */
  readonly entries: number;
}

function inOrder({ prefix, end }: StoredBucket, watermark: number, from = 0): ScanRequest {
  const first = indexKey(prefix, from);
  return { watermark, end, prefix, index: { prefix: first.subarray(0, prefix.length), first } };
}

function* allOf(snapshot: DatabaseSnapshot, at: WindowsAtBarrier | undefined): Generator<Buffer> {
  if (at === undefined) return;
  for (const { bucket } of at.panes) yield* snapshot.scan(inOrder(bucket, at.watermark));
  yield new ChunkWriter(at.watermark).take();
}

/** One piece a window, and one that has the shard's watermark in any case. */
function* piecesOf(snapshot: DatabaseSnapshot, at: WindowsAtBarrier | undefined): Generator<StatePiece> {
  if (at === undefined) return;
  const { number, watermark } = at;
  for (const { bucket, entries } of at.panes) {
    yield {
      of: bucket,
      at: { snapshot: number, entries },
      whole: () => snapshot.scan(inOrder(bucket, watermark)),
      since: (earlier) => changedOf(snapshot, { bucket, watermark, earlier }),
    };
  }
  const head = (): Buffer[] => [new ChunkWriter(watermark).take()];
  yield { at: { snapshot: number, entries: 0 }, whole: head, since: () => undefined };
}

/** Those that were there by key, then the new ones in their order. */
function* changedOf(
  snapshot: DatabaseSnapshot,
  of: { bucket: StoredBucket; watermark: number; earlier: { snapshot: number; entries: number } },
): Generator<Buffer> {
  const { bucket, watermark, earlier } = of;
  const { end, prefix } = bucket;
  yield* snapshot.scan({ watermark, end, prefix, since: earlier.snapshot, below: earlier.entries });
  yield* snapshot.scan(inOrder(bucket, watermark, earlier.entries));
}
