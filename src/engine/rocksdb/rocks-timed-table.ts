import type { Division } from "../keyed-state/division.ts";
import { TRIGGER, WRITTEN_AT } from "../keyed-state/keyed-table.ts";
import type { TableOptions } from "../keyed-state/keyed-table.ts";
import { lastWatermark } from "../windows/chunk-writer.ts";
import { isWaiting, passedBoundary, readTimed, resultAt, timedDivision } from "../keyed-state/timed-table.ts";
import type { DecodedEntry } from "../windows/entry-codec.ts";
import type { Fire } from "../windows/window-state.ts";
import type { RocksState, StoredPair } from "./database.ts";
import { shardPrefix } from "./entry-store.ts";
import { PackedWrites, VALUE_HEADER, wholeOf } from "./packed-writes.ts";
import { RocksTable } from "./rocks-table.ts";
import type { TableShard } from "./rocks-table.ts";

/** Behind the kinds of `EntryStore`: `<2><shard u16><turn u32><read u32>` → a key that waits for its result. */
const WAITING = 2;
const TURN_AT = 3;
const WRITE_BYTES = 64 * 1024;
const READ_BYTES = 64 * 1024;

/** `TimedTable` in RocksDB. Which keys wait, and in which order, is in the database, too: they may be most of all keys. */
export class RocksTimedTable extends RocksTable {
  private readonly everyMs: number;
  private readonly writes = new PackedWrites(1024);
  /** By shard: what the last key that waits has in its trigger's cell. */
  private readonly turns: number[] = [];
  /** Entries that were read from checkpoints, by which their places differ: of one that was read twice the first place is not its own any more. */
  private read = 0;
  /** Of the shard that is restored: the watermark at its checkpoint. */
  private savedAt = Number.NEGATIVE_INFINITY;

  constructor(options: TableOptions, state: RocksState, everyMs: number) {
    super(options, state, true);
    this.everyMs = everyMs;
  }

  /** A key changed for the first time since its result was given. */
  waits(shardIndex: number, e: number): void {
    const { bucket } = this.byIndex[shardIndex] as TableShard;
    const turn = (this.turns[shardIndex] ?? 0) + 1;
    this.turns[shardIndex] = turn;
    bucket.cells[e * this.layout.cells + TRIGGER] = turn;
    this.note(placeOf(shardIndex, turn, 0), bucket.keys.subarray(bucket.keyAt[e], bucket.keyAt[e + 1]));
  }

  override restore(index: number, chunks: readonly Buffer[], stateVersion: number): void {
    this.savedAt = lastWatermark(chunks);
    super.restore(index, chunks, stateVersion);
  }

  override division(floor: number): Division {
    const { node, layout, everyMs } = this;
    return timedDivision({ node, layout, everyMs, floor });
  }

  protected override readSaved(chunk: Buffer, each: (entry: DecodedEntry) => void): number {
    return readTimed(chunk, { layout: this.layout, everyMs: this.everyMs, savedAt: this.savedAt }, each);
  }

  protected override restored(shardIndex: number, { key, cells }: DecodedEntry): void {
    const turn = cells[TRIGGER] as number;
    if (turn === 0) return;
    this.turns[shardIndex] = Math.max(this.turns[shardIndex] ?? 0, turn);
    this.note(placeOf(shardIndex, turn, ++this.read), key.bytes.subarray(key.start, key.stop));
  }

  private note(place: Buffer, key: Uint8Array): void {
    this.writes.value(wholeOf(place), 0, key);
    if (this.writes.length > WRITE_BYTES) this.store.database.write(this.writes);
  }

  override advance(watermark: number, fire: Fire): void {
    const from = this.watermark;
    if (watermark <= from) return;
    super.advance(watermark);
    const boundary = passedBoundary(this.everyMs, watermark);
    for (const index of this.shards()) {
      const shard = this.byIndex[index] as TableShard;
      if (boundary > passedBoundary(this.everyMs, Math.max(from, shard.floor))) this.giveChanged(shard, boundary, fire);
    }
  }

  private giveChanged(shard: TableShard, boundary: number, fire: Fire): void {
    const { database } = this.store;
    const last = this.turns[shard.index] ?? 0;
    if (last === 0) return;
    database.write(this.writes);
    this.turns[shard.index] = 0;
    const prefix = shardPrefix(WAITING, shard.index);
    database.withSnapshot((snapshot) => {
      for (const part of snapshot.pairs(prefix, { bytes: READ_BYTES })) {
        const pairs = Array.from(part).filter(({ key }) => turnOf(key) <= last);
        if (pairs.length === 0) break;
        this.give(shard, pairs, { boundary, fire });
        this.deleteRead(prefix, pairs);
      }
    });
  }

  /** The others are written over by those that wait next: the more ranges a database deletes, the longer each reading takes. */
  private deleteRead(prefix: Buffer, pairs: readonly StoredPair[]): void {
    for (const { key } of pairs) if (readOf(key) > 0) this.writes.delete(prefix, wholeOf(key));
  }

  private give(shard: TableShard, pairs: readonly StoredPair[], of: { boundary: number; fire: Fire }): void {
    this.store.room();
    const keys = pairs.map(({ value }) => value.subarray(VALUE_HEADER));
    for (const key of keys) {
      this.tell(key, 0, key.length);
      this.want(shard.index);
    }
    this.store.fetch();
    for (const [i, key] of keys.entries()) {
      this.tell(key, 0, key.length);
      this.giveEntry(shard, this.find(shard), { turn: turnOf((pairs[i] as StoredPair).key), ...of });
    }
    this.store.forgetAhead();
  }

  private giveEntry(
    { index, bucket }: TableShard,
    e: number,
    { turn, boundary, fire }: { turn: number; boundary: number; fire: Fire },
  ): void {
    const at = e * this.layout.cells;
    if (bucket.cells[at + TRIGGER] !== turn || !isWaiting(bucket.cells, at)) return;
    this.store.changed(bucket, e);
    bucket.cells[at + TRIGGER] = 0;
    fire(bucket, e, index, resultAt(this.everyMs, boundary, bucket.cells[at + WRITTEN_AT] as number));
  }
}

/** Of a place, behind its prefix. */
const turnOf = (place: Buffer): number => place.readUInt32BE(0);
const readOf = (place: Buffer): number => place.readUInt32BE(4);

function placeOf(shardIndex: number, turn: number, read: number): Buffer {
  const place = Buffer.alloc(TURN_AT + 8);
  shardPrefix(WAITING, shardIndex).copy(place);
  place.writeUInt32BE(turn, TURN_AT);
  place.writeUInt32BE(read, TURN_AT + 4);
  return place;
}
