import type { JoinNode } from "../joins/join-node.ts";
import { LoggedJoin } from "../joins/logged-join.ts";
import type { LogShard } from "../joins/logged-join.ts";
import type { SavedRow } from "../joins/row-codec.ts";
import { bytesOfRow, isNullKey, SIDES } from "../joins/row.ts";
import type { Side } from "../joins/row.ts";
import type { Spans } from "../joins/spans.ts";
import type { KeyedSnapshot } from "../program.ts";
import type { RocksState } from "./database.ts";
import { rocksJoinSnapshot } from "./rocks-join-snapshot.ts";
import { rangeOf, StoredLog, storedRow } from "./stored-log.ts";
import type { StoredRow } from "./stored-log.ts";
import { ValueStore } from "./value-store.ts";

export type StoredShard = LogShard<StoredLog>;

/** A row that has just come. */
export interface Arrived {
  readonly shard: StoredShard;
  readonly side: Side;
  readonly log: StoredLog;
  readonly number: number;
  readonly row: StoredRow;
}

/** `JoinState` in RocksDB: rows and which of them a key has, of which those in use are in memory. */
export abstract class RocksJoin extends LoggedJoin<StoredLog> {
  protected readonly values: ValueStore;

  constructor(node: JoinNode, spans: Spans, state: RocksState) {
    super(node, spans);
    this.values = new ValueStore(state.open(node.name), state.cacheBytes);
  }

  protected newLog({ index }: StoredShard, side: Side, end: number): StoredLog {
    return new StoredLog(this.values, { shard: index, side, end });
  }

  /** Keeps `row`. */
  protected keep(shard: StoredShard, side: Side): Arrived {
    const { key, keyStart, keyEnd, ts } = this.row;
    const saved = { side, ts, matched: false, key: { bytes: key, start: keyStart, stop: keyEnd } };
    return this.put(shard, side, storedRow({ ...saved, row: bytesOfRow(this.row) }));
  }

  protected put(shard: StoredShard, side: Side, row: StoredRow): Arrived {
    const log = this.logAt(shard, side, row.ts);
    return { shard, side, log, row, number: log.add(row) };
  }

  protected override dropLog(shard: StoredShard, side: Side, log: StoredLog): void {
    super.dropLog(shard, side, log);
    log.drop();
  }

  protected givePair(side: Side, own: StoredRow, other: StoredRow, at: { shard: number; ts: number }): void {
    const [left, right] = side === 0 ? [own, other] : [other, own];
    this.pair(left.row, right.row, at.shard, at.ts);
  }

  beginSnapshot(): KeyedSnapshot {
    const { number, of } = this.values.snapshot();
    const isAlive = (side: Side, ts: number, now: number): boolean => this.isAlive(side, ts, now);
    return rocksJoinSnapshot({ number, of, shards: this.atBarrier(), isAlive });
  }

  protected load(shard: StoredShard, saved: SavedRow): void {
    this.values.room();
    this.put(shard, saved.side, storedRow(saved));
  }

  protected loadMatch(log: StoredLog, place: number): void {
    log.match(place);
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
