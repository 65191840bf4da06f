import { passedBoundary, TRIGGER, WRITTEN_AT } from "../keyed-state/keyed-table.ts";
import type { TableOptions } from "../keyed-state/keyed-table.ts";
import type { KeyedSnapshot } from "../program.ts";
import { readChunk } from "../windows/entry-codec.ts";
import type { DecodedEntry } from "../windows/entry-codec.ts";
import { requireRestorable } from "../windows/restorable.ts";
import type { Fire } from "../windows/window-state.ts";
import type { RocksState } from "./database.ts";
import { indexKey, shardPrefix } from "./entry-store.ts";
import { PackedWrites, VALUE_HEADER } from "./packed-writes.ts";
import { RocksTable } from "./rocks-table.ts";
import type { TableShard } from "./rocks-table.ts";
import { orderedSnapshot } from "./rocks-windows.ts";
import type { WindowsAtBarrier } from "./rocks-windows.ts";
import type { StoredBucket } from "./stored-bucket.ts";

/** Behind the kinds of `EntryStore`: keys that changed since their results were given, in the order in which they came. */
const CHANGED = 2;
const WRITE_BYTES = 64 * 1024;
const READ_BYTES = 64 * 1024;

/** A table that gives the results of keys that changed by time. It forgets no key. */
export class RocksTimedTable extends RocksTable {
  private readonly everyMs: number;
  private readonly writes = new PackedWrites(1024);

  constructor(options: TableOptions, state: RocksState, everyMs: number) {
    super(options, state, true);
    this.everyMs = everyMs;
  }

  /** The first time since its result was given; the chain sets the trigger after it. */
  override written(shardIndex: number, e: number, ts: number): void {
    const shard = this.byIndex[shardIndex] as TableShard;
    if (shard.bucket.cells[e * this.layout.cells + TRIGGER] !== 1) this.noteChanged(shard, e);
    super.written(shardIndex, e, ts);
  }

  private noteChanged({ index, bucket }: TableShard, e: number): void {
    const place = indexKey(shardPrefix(CHANGED, index), bucket.seqs[e] as number);
    place[0] = CHANGED;
    this.writes.value(place, 0, bucket.keys.subarray(bucket.keyAt[e], bucket.keyAt[e + 1]));
    if (this.writes.length > WRITE_BYTES) this.store.database.write(this.writes);
  }

  override advance(watermark: number, fire: Fire): void {
    if (watermark <= this.watermark) return;
    const from = this.watermark;
    super.advance(watermark);
    const boundary = passedBoundary(this.everyMs, watermark);
    for (const index of this.shards()) {
      const shard = this.byIndex[index] as TableShard;
      if (boundary > passedBoundary(this.everyMs, Math.max(from, shard.floor))) this.fireChanged(shard, boundary, fire);
    }
  }

  private fireChanged(shard: TableShard, boundary: number, fire: Fire): void {
    const { database } = this.store;
    database.write(this.writes);
    const prefix = shardPrefix(CHANGED, shard.index);
    database.withSnapshot((snapshot) => {
      for (const part of snapshot.pairs(prefix, { bytes: READ_BYTES })) {
        const keys = Array.from(part, ({ value }) => value.subarray(VALUE_HEADER));
        this.fireKeys(shard, keys, { boundary, fire });
      }
    });
    database.remove(prefix);
  }

  private fireKeys(shard: TableShard, keys: readonly Buffer[], of: { boundary: number; fire: Fire }): void {
    this.store.room();
    for (const key of keys) {
      this.tell(key, 0, key.length);
      this.want(shard.index);
    }
    this.store.fetch();
    for (const key of keys) {
      this.tell(key, 0, key.length);
      this.fireKey(shard, this.find(shard), of);
    }
    this.store.forgetAhead();
  }

  private fireKey({ index, bucket }: TableShard, e: number, of: { boundary: number; fire: Fire }): void {
    const at = e * this.layout.cells;
    if (bucket.cells[at + TRIGGER] !== 1 || Number.isNaN(bucket.cells[at + WRITTEN_AT])) return;
    this.store.changed(bucket, e);
    bucket.cells[at + TRIGGER] = 0;
    of.fire(bucket, e, index, Number.isFinite(of.boundary) ? of.boundary : this.next(bucket, at));
  }

  /** At the end of the input the last boundary is the one that the key's record would have waited for. */
  private next({ cells }: StoredBucket, at: number): number {
    return passedBoundary(this.everyMs, cells[at + WRITTEN_AT] as number) + this.everyMs;
  }

  override beginSnapshot(): KeyedSnapshot {
    const { number, of } = this.store.snapshot();
    const shards = new Map<number, WindowsAtBarrier>();
    for (const { index, floor, bucket } of this.owned.values()) {
      const watermark = Math.max(this.watermark, floor);
      shards.set(index, { number, watermark, panes: [{ bucket, entries: bucket.arrived }] });
    }
    return orderedSnapshot(of, shards);
  }

  override restore(index: number, chunks: readonly Buffer[], stateVersion: number): void {
    requireRestorable(this.node, { index, isOwned: this.owned.has(index), stateVersion });
    const shard = this.open(index);
    for (const chunk of chunks) {
      const floor = readChunk(chunk, this.layout, (entry) => this.add(shard, entry));
      shard.floor = Math.max(shard.floor, floor);
    }
  }

  private add(shard: TableShard, { key, cells, texts }: DecodedEntry): void {
    this.tell(key.bytes, key.start, key.stop);
    const e = this.find(shard);
    const { bucket } = shard;
    const at = e * this.layout.cells;
    this.store.changed(bucket, e);
    this.known += there(cells[WRITTEN_AT]) - there(bucket.cells[at + WRITTEN_AT]);
    bucket.cells.set(cells, at);
    for (let i = 0; i < this.layout.texts; i++) bucket.texts[e * this.layout.texts + i] = texts[i];
    if (cells[TRIGGER] === 1) this.noteChanged(shard, e);
  }
}

/** 1 for a key that is there. */
const there = (written: number | undefined): number => (Number.isNaN(written) ? 0 : 1);
