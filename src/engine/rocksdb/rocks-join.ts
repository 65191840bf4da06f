import { givesUnmatched, joinSignature } from "../joins/join-node.ts";
import type { JoinNode } from "../joins/join-node.ts";
import { sortByEnd } from "../joins/join-state.ts";
import { JOIN_STATE_VERSION, readSaved } from "../joins/row-codec.ts";
import type { SavedRow } from "../joins/row-codec.ts";
import { bytesOfRow, isNullKey, noRowAt, NO_ROW, SIDES } from "../joins/row.ts";
import type { IncomingRow, Pair, Side } from "../joins/row.ts";
import type { KeyedNode, KeyedSnapshot } from "../program.ts";
import { floorOf } from "../windows/chunk-writer.ts";
import { requireRestorable } from "../windows/restorable.ts";
import type { RocksState } from "./database.ts";
import { rocksJoinSnapshot } from "./rocks-join-snapshot.ts";
import type { StoredShardAtBarrier } from "./rocks-join-snapshot.ts";
import { rangeOf, StoredLog, storedRow } from "./stored-log.ts";
import type { StoredRow } from "./stored-log.ts";
import { ValueStore } from "./value-store.ts";

const NOTHING = Buffer.alloc(0);

export interface StoredShard {
  readonly index: number;
  /** Watermark at the restored barrier. */
  floor: number;
  /** By side, then by the end of their span of time, in order of it. */
  readonly logs: readonly [Map<number, StoredLog>, Map<number, StoredLog>];
}

/** A row that has just come. */
export interface Arrived {
  readonly shard: StoredShard;
  readonly side: Side;
  readonly log: StoredLog;
  readonly number: number;
  readonly row: StoredRow;
}

/** `JoinState` in RocksDB: rows and which of them a key has, of which those in use are in memory. */
export abstract class RocksJoin implements KeyedNode {
  readonly node: string;
  readonly stateVersion = JOIN_STATE_VERSION;
  readonly stateSignature: string;
  watermark = Number.NEGATIVE_INFINITY;
  readonly row: IncomingRow;
  pair: Pair = () => undefined;
  protected readonly values: ValueStore;
  /** By side: whether a row without a partner gives a result. */
  protected readonly unmatched: readonly [boolean, boolean];
  protected readonly owned = new Map<number, StoredShard>();

  constructor(node: JoinNode, state: RocksState) {
    this.node = node.name;
    this.stateSignature = joinSignature(node);
    this.unmatched = [givesUnmatched(node, 0), givesUnmatched(node, 1)];
    this.row = { key: NOTHING, keyStart: 0, keyEnd: 0, hash: 0, ...noRowAt(), ts: 0 };
    this.values = new ValueStore(state.open(node.name), state.cacheBytes);
  }

  /** Takes `row` in; false where it is late. */
  abstract add(side: Side, shard: number): boolean;
  abstract advance(watermark: number): void;
  protected abstract logEnd(ts: number): number;
  /** Notes when something is due for a row that was added or restored. */
  protected abstract schedule(arrived: Arrived): void;
  /** Whether a row that came in time can still meet this one. */
  protected abstract isAlive(side: Side, ts: number, now: number): boolean;

  protected shard(index: number): StoredShard {
    let shard = this.owned.get(index);
    if (shard === undefined) {
      shard = { index, floor: Number.NEGATIVE_INFINITY, logs: [new Map(), new Map()] };
      this.owned.set(index, shard);
    }
    return shard;
  }

  protected now(shard: StoredShard): number {
    return Math.max(this.watermark, shard.floor);
  }

  protected hasNullKey(): boolean {
    const { key, keyStart, keyEnd } = this.row;
    return isNullKey({ bytes: key, start: keyStart, stop: keyEnd });
  }

  /** Keeps `row`. */
  protected keep(shard: StoredShard, side: Side): Arrived {
    const { key, keyStart, keyEnd, ts } = this.row;
    const saved = { side, ts, matched: false, key: { bytes: key, start: keyStart, stop: keyEnd } };
    return this.put(shard, side, storedRow({ ...saved, row: bytesOfRow(this.row) }));
  }

  private put(shard: StoredShard, side: Side, row: StoredRow): Arrived {
    const end = this.logEnd(row.ts);
    const logs = shard.logs[side];
    let log = logs.get(end);
    if (log === undefined) {
      logs.set(end, (log = new StoredLog(this.values, { shard: shard.index, side, end })));
      sortByEnd(logs);
    }
    const arrived = { shard, side, log, row, number: log.add(row) };
    this.schedule(arrived);
    return arrived;
  }

  protected dropLog(shard: StoredShard, log: StoredLog): void {
    shard.logs[log.side].delete(log.end);
    log.drop();
  }

  protected givePair(side: Side, own: StoredRow, other: StoredRow, at: { shard: number; ts: number }): void {
    const [left, right] = side === 0 ? [own, other] : [other, own];
    this.pair(left.row, right.row, at.shard, at.ts);
  }

  protected giveAlone(side: Side, { row }: StoredRow, { shard, ts }: { shard: number; ts: number }): void {
    if (side === 0) this.pair(row, NO_ROW, shard, ts);
    else this.pair(NO_ROW, row, shard, ts);
  }

  shards(): readonly number[] {
    return [...this.owned.keys()].toSorted((a, b) => a - b);
  }

  beginSnapshot(): KeyedSnapshot {
    const { number, of } = this.values.snapshot();
    const shards = new Map<number, StoredShardAtBarrier>();
    for (const shard of this.owned.values()) {
      const logs = SIDES.flatMap((side) => [...shard.logs[side].values()]).map((log) => ({ log, n: log.n }));
      const inOrder = logs.toSorted((a, b) => a.log.end - b.log.end || a.log.side - b.log.side);
      shards.set(shard.index, { now: this.now(shard), logs: inOrder });
    }
    const isAlive = (side: Side, ts: number, now: number): boolean => this.isAlive(side, ts, now);
    return rocksJoinSnapshot({ number, of, shards, isAlive });
  }

  restore(index: number, chunks: readonly Buffer[], stateVersion: number): void {
    const isOwned = this.owned.has(index);
    requireRestorable(this.node, { index, isOwned, stateVersion, known: JOIN_STATE_VERSION });
    const shard = this.shard(index);
    for (const chunk of chunks) shard.floor = Math.max(shard.floor, floorOf(chunk));
    for (const chunk of chunks)
      readSaved(chunk, {
        row: (saved) => this.load(shard, saved),
        match: ({ side, ts, place }) => shard.logs[side].get(this.logEnd(ts))?.match(place),
      });
  }

  /** Of a log that was saved as a whole, rows that are done with have had their result. */
  private load(shard: StoredShard, saved: SavedRow): void {
    this.values.room();
    const { side, ts } = saved;
    const isDone = this.unmatched[side] && !this.isAlive(side, ts, shard.floor);
    this.put(shard, side, storedRow({ ...saved, matched: saved.matched || isDone }));
  }

  /** Also rows that are done with, until their span of time is. */
  size(): number {
    let n = 0;
    for (const { logs } of this.owned.values())
      for (const side of SIDES) for (const log of logs[side].values()) n += log.n;
    return n;
  }
}

export const isNull = ({ key }: StoredRow): boolean => isNullKey(rangeOf(key));
