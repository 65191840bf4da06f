import type { JoinNode } from "../joins/join-node.ts";
import { LoggedJoin } from "../joins/logged-join.ts";
import type { LogShard } from "../joins/logged-join.ts";
import type { SavedRow } from "../joins/row-codec.ts";
import { bytesOfRow, noRowAt, SIDES } from "../joins/row.ts";
import type { KeyRange, RowAt, Side } from "../joins/row.ts";
import type { Spans } from "../joins/spans.ts";
import type { KeyedSnapshot } from "../program.ts";
import { murmur2 } from "../windows/murmur2.ts";
import type { RocksState } from "./database.ts";
import { JoinRows } from "./join-rows.ts";
import type { KeyRows, RowsInLog, RowsOfKey, TimeRange } from "./key-rows.ts";
import { rocksJoinSnapshot } from "./rocks-join-snapshot.ts";
import { SoughtKey } from "./stored-log.ts";
import type { StoredLog } from "./stored-log.ts";
import { keyText, nameOf } from "./stored-map.ts";
import type { ReadAhead, ValueStore } from "./value-store.ts";

export type StoredShard = LogShard<StoredLog>;

/** A row that has just come: the last one of its log. */
export interface Arrived {
  readonly shard: StoredShard;
  readonly side: Side;
  readonly log: StoredLog;
  readonly ts: number;
  readonly key: SoughtKey;
  /** When its partners are. */
  readonly times: TimeRange;
}

/** The key of records that come soon, and the times of the rows that they may meet. */
interface Coming {
  readonly shard: number;
  readonly key: string;
  from: number;
  to: number;
}

/** What such a key has in a log of the other side. */
interface Met {
  readonly log: StoredLog;
  readonly of: RowsOfKey;
  readonly rows: RowsInLog;
  readonly coming: Coming;
}

export const ALWAYS: TimeRange = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY };
/** So many rows, and parts of what a key has, are read ahead at most: records read the others themselves. */
const MOST_AHEAD = 8192;
/** So many in one call; after each it is seen whether there is room for more. */
const AHEAD_AT_ONCE = 256;
/** Rows that a record or a window reads at once. */
export const READ_ROWS = 256;

/** `JoinState` in RocksDB: new rows are in memory, and of the others, and of which of them a key has, those in use. */
export abstract class RocksJoin extends LoggedJoin<StoredLog> {
  readonly store: ReadAhead;
  protected readonly rows: JoinRows;
  protected readonly values: ValueStore;
  protected readonly keys: KeyRows;
  protected readonly left = noRowAt();
  protected readonly right = noRowAt();
  /** By side, then by shard and key: a key is read once, whatever number of records of a batch have it. */
  private readonly coming = [new Map<string, Coming>(), new Map<string, Coming>()] as const;

  constructor(node: JoinNode, spans: Spans, state: RocksState) {
    super(node, spans);
    const rows = new JoinRows(state.open(node.name), state.cacheBytes);
    this.rows = rows;
    this.values = rows.values;
    this.keys = rows.keys;
    this.store = this.values.readAhead(
      () => this.fetch(),
      () => this.isMet && rows.isCold,
    );
  }

  /** Whether rows meet others when they come. */
  protected get isMet(): boolean {
    return true;
  }

  /** When partners of a row of that time are. */
  protected abstract partnerTimes(shard: StoredShard, side: Side, ts: number): TimeRange;

  /** Whether a row of that time in a log of `side` can be met now. */
  protected isPartner(_shard: StoredShard, _side: Side, _ts: number): boolean {
    return true;
  }

  /** `row` comes soon: its key and its time are there. */
  want(side: Side, index: number): void {
    const shard = this.owned.get(index);
    if (shard === undefined || this.hasNullKey()) return;
    const { key: bytes, keyStart: start, keyEnd: stop, ts } = this.row;
    const { from, to } = this.partnerTimes(shard, side, ts);
    const key = keyText({ bytes, start, stop });
    const name = nameOf(index, key);
    const known = this.coming[side].get(name);
    if (known === undefined) {
      this.keys.want(index, key);
      this.coming[side].set(name, { shard: index, key, from, to });
      return;
    }
    if (from < known.from) known.from = from;
    if (to > known.to) known.to = to;
  }

  /** First which rows the keys have, then the rows. */
  private fetch(): void {
    this.values.fetch();
    if (this.values.hasRoom) this.fetchMet();
    for (const keys of this.coming) keys.clear();
  }

  private fetchMet(): void {
    const { values } = this;
    let left = MOST_AHEAD;
    for (const { log, rows, coming } of this.met()) left -= this.keys.wantParts(log, coming.key, rows, left);
    values.fetch();
    for (const { log, of, coming } of this.met())
      for (const { number } of this.keys.rows(log, coming.key, { of, times: coming })) {
        if (left <= 0 || !values.hasRoom) return values.fetch();
        if (log.want(number) && --left % AHEAD_AT_ONCE === 0) values.fetch();
      }
    values.fetch();
  }

  /** Where records that come soon may meet rows in the database. */
  private *met(): Generator<Met> {
    for (const side of SIDES) for (const coming of this.coming[side].values()) yield* this.metOf(side, coming);
  }

  private *metOf(side: Side, coming: Coming): Generator<Met> {
    const of = this.keys.of(coming.shard, coming.key);
    if (of === undefined) return;
    for (const rows of of.logs) {
      const log = this.rows.byId(rows.log);
      if (log !== undefined && log.side !== side && this.overlaps(log, coming)) yield { log, of, rows, coming };
    }
  }

  private overlaps({ end }: StoredLog, { from, to }: TimeRange): boolean {
    const { spanMs } = this;
    return spanMs === Number.POSITIVE_INFINITY || (end > from && end - spanMs <= to);
  }

  protected newLog({ index: shard }: StoredShard, side: Side, end: number): StoredLog {
    return this.rows.log({ shard, side, end, until: end - 1 + this.laterMs[side] });
  }

  /** Keeps `row`. */
  protected keep(shard: StoredShard, side: Side): Arrived {
    const { row } = this;
    const { ts, hash } = row;
    const log = this.logAt(shard, side, ts);
    const before = log.tail?.bytes ?? 0;
    if (row.row !== undefined) Object.assign(row, bytesOfRow(row), { row: undefined });
    log.add(row);
    this.rows.grew(log, before);
    log.read(log.n - 1, side === 0 ? this.left : this.right);
    const times = this.partnerTimes(shard, side, ts);
    const key = new SoughtKey(this.keys, shard.index, { range: lastKey(log), hash });
    return { shard, side, log, ts, times, key };
  }

  protected override dropLog(shard: StoredShard, side: Side, log: StoredLog): void {
    super.dropLog(shard, side, log);
    this.rows.drop(log);
  }

  protected override dropPassed(time: number): void {
    super.dropPassed(time);
    this.rows.clearGone(time);
  }

  /** Gives the row that has just come with each of its partners in a log; whether it has any. */
  protected meetIn(log: StoredLog, { shard, side, ts, key, times }: Arrived): boolean {
    const partner: RowAt = side === 0 ? this.right : this.left;
    const numbers = log.partners(key, times);
    for (let at = 0; at < numbers.length; at++) {
      if (log.stored > 0 && at % READ_ROWS === 0) this.readAhead(log, numbers.slice(at, at + READ_ROWS));
      const number = numbers[at] as number;
      const other = log.read(number, partner);
      if (!this.isPartner(shard, log.side, other)) continue;
      if (this.unmatched[log.side]) log.match(number);
      this.pair(this.left, this.right, shard.index, Math.max(ts, other));
    }
    return numbers.length > 0;
  }

  /** Makes room, and reads these rows in one call. */
  protected readAhead(log: StoredLog, numbers: readonly number[]): void {
    this.values.room();
    if (numbers.length === 1) return;
    for (const number of numbers) log.want(number);
    this.values.fetch();
  }

  beginSnapshot(): KeyedSnapshot {
    const rows = this.rows.snapshot();
    const shards = this.atBarrier(rows.number);
    const isAlive = (side: Side, ts: number, now: number): boolean => this.isAlive(side, ts, now);
    return rocksJoinSnapshot({ rows, shards, isAlive, marked: this.unmatched });
  }

  protected load(shard: StoredShard, { side, ts, key, row, matched }: SavedRow): void {
    this.rows.room();
    const { bytes, start, end } = row;
    const hash = murmur2(key.bytes, key.start, key.stop);
    Object.assign(this.row, { key: key.bytes, keyStart: key.start, keyEnd: key.stop, hash });
    Object.assign(this.row, { bytes, start, end, row: undefined, ts });
    this.loaded(this.keep(shard, side), matched);
  }

  /** A saved row is where it was. */
  protected loaded({ log }: Arrived, matched: boolean): void {
    if (matched) log.match(log.n - 1);
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

/** Where the key of the row that came last is: that of the record may be written over. */
const lastKey = ({ tail }: StoredLog): KeyRange => tail?.keyOfRow(tail.n - 1) as KeyRange;
