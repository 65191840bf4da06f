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
import { isWithin, keyOf, rangeOf, StoredLog, storedRow } from "./stored-log.ts";
import type { StoredRow, TimeRange } from "./stored-log.ts";
import { keyText } from "./stored-map.ts";
import { ValueStore } from "./value-store.ts";
import type { ReadAhead } from "./value-store.ts";

export type StoredShard = LogShard<StoredLog>;

/** A row that has just come. */
export interface Arrived {
  readonly shard: StoredShard;
  readonly side: Side;
  readonly log: StoredLog;
  readonly number: number;
  readonly row: StoredRow;
  /** The row's key as `KeyRows` has it. */
  readonly key: string;
}

/** Times of the rows that records which come soon may meet, by log and key. */
type Coming = Map<StoredLog, Map<string, TimeRange>>;

export const ALWAYS: TimeRange = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY };
/** So many rows, and parts of what a key has, are read ahead at most: records read the others themselves. */
const MOST_AHEAD = 8192;
/** So many in one call; after each it is seen whether there is room for more. */
const AHEAD_AT_ONCE = 256;

/** `JoinState` in RocksDB: rows and which of them a key has, of which those in use are in memory. */
export abstract class RocksJoin extends LoggedJoin<StoredLog> {
  readonly store: ReadAhead;
  protected readonly values: ValueStore;
  private readonly coming: Coming = new Map();

  constructor(node: JoinNode, spans: Spans, state: RocksState) {
    super(node, spans);
    this.values = new ValueStore(state.open(node.name), state.cacheBytes);
    this.store = this.values.readAhead(() => this.fetch());
  }

  /** Logs of the other side that may have partners of a row of that time. */
  protected abstract metBy(shard: StoredShard, side: Side, ts: number): Iterable<StoredLog>;

  /** When partners of such a row are. */
  protected partnerTimes(_side: Side, _ts: number): TimeRange {
    return ALWAYS;
  }

  /** `row` comes soon: its key and its time are there. */
  want(side: Side, index: number): void {
    const shard = this.owned.get(index);
    if (shard === undefined || !this.values.cold) return;
    const { key: bytes, keyStart: start, keyEnd: stop, ts } = this.row;
    const meetsNone = this.hasNullKey();
    if (meetsNone && !this.unmatched[side]) return;
    const key = keyText({ bytes, start, stop });
    shard.logs[side].get(this.logEnd(ts))?.keys.want(key);
    if (meetsNone) return;
    const times = this.partnerTimes(side, ts);
    for (const log of this.metBy(shard, side, ts)) {
      log.keys.want(key);
      this.meets(log, key, times);
    }
  }

  /** A key is read once, whatever number of records of a batch have it. */
  private meets(log: StoredLog, key: string, times: TimeRange): void {
    let keys = this.coming.get(log);
    if (keys === undefined) this.coming.set(log, (keys = new Map<string, TimeRange>()));
    const known = keys.get(key) ?? times;
    keys.set(key, { from: Math.min(known.from, times.from), to: Math.max(known.to, times.to) });
  }

  /** First which rows the keys have, then the rows. */
  private fetch(): void {
    this.values.fetch();
    if (this.values.hasRoom) this.fetchMet();
    this.coming.clear();
  }

  private fetchMet(): void {
    const { values, coming } = this;
    let left = MOST_AHEAD;
    for (const [log, keys] of coming) for (const key of keys.keys()) left -= log.keys.wantParts(key, left);
    values.fetch();
    for (const { log, number } of met(coming)) {
      if (left <= 0 || !values.hasRoom) break;
      if (log.wantRow(number) && --left % AHEAD_AT_ONCE === 0) values.fetch();
    }
    values.fetch();
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
    const key = keyOf(row);
    return { shard, side, log, row, key, number: log.add(key, row) };
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

/** Rows that records which come soon may meet. */
function* met(coming: Coming): Generator<{ readonly log: StoredLog; readonly number: number }> {
  for (const [log, keys] of coming)
    for (const [key, times] of keys) {
      const rows = log.keys.rows(key).filter(({ ts }) => isWithin(ts, times));
      yield* rows.map(({ number }) => ({ log, number }));
    }
}
