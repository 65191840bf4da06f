import { dueWindows } from "../joins/due-windows.ts";
import type { JoinNode } from "../joins/join-node.ts";
import { isNullKey, SIDES } from "../joins/row.ts";
import type { RowAt, Side } from "../joins/row.ts";
import { windowSpans } from "../joins/spans.ts";
import { WindowFiring } from "../joins/window-firing.ts";
import type { RocksState, StoredPair } from "./database.ts";
import type { TimeRange } from "./key-rows.ts";
import { VALUE_HEADER } from "./packed-writes.ts";
import { ALWAYS, READ_ROWS, RocksJoin } from "./rocks-join.ts";
import type { StoredShard } from "./rocks-join.ts";
import { keyOf, numberOf, storedRow } from "./stored-log.ts";
import type { StoredLog } from "./stored-log.ts";

/** One side of a window that is given, beside the other one. */
interface Firing {
  readonly log: StoredLog;
  readonly other: StoredLog | undefined;
  readonly at: { readonly shard: number; readonly ts: number };
}

/** The first row of a key. */
interface FirstRow {
  readonly number: number;
  readonly key: string;
  readonly isNull: boolean;
}

/** `WindowJoin` in RocksDB: a window of which rows are in the database is read in the order in which its rows came. */
export class RocksWindowJoin extends RocksJoin {
  private readonly firing = new WindowFiring(this, this.unmatched);

  constructor(node: JoinNode, sizeMs: number, state: RocksState) {
    super(node, windowSpans(sizeMs), state);
  }

  protected override isAlive(): boolean {
    return true;
  }

  /** Rows meet nothing when they come. */
  protected override get isMet(): boolean {
    return false;
  }

  protected partnerTimes(): TimeRange {
    return ALWAYS;
  }

  add(side: Side, shardIndex: number): boolean {
    this.rows.room();
    const shard = this.shard(shardIndex);
    if (this.logEnd(this.row.ts) - 1 <= this.now(shard)) return false;
    if (this.unmatched[side] || !this.hasNullKey()) this.keep(shard, side);
    return true;
  }

  protected pass(watermark: number): void {
    for (const { shard, end } of dueWindows(this.owned.values(), watermark)) {
      this.fire(shard, end);
      for (const side of SIDES) {
        const log = shard.logs[side].get(end);
        if (log !== undefined) this.dropLog(shard, side, log);
      }
    }
    this.dropPassed(watermark);
  }

  private fire({ index: shard, logs }: StoredShard, end: number): void {
    const [left, right] = [logs[0].get(end), logs[1].get(end)];
    const at = { shard, ts: end - 1 };
    const both = [left, right].filter((log) => log !== undefined);
    if (both.every(({ stored }) => stored === 0))
      return this.firing.fire({ ...at, left: left?.tail, right: right?.tail });
    this.rows.store(both);
    if (left !== undefined && (right !== undefined || this.unmatched[0]))
      this.eachKey({ log: left, other: right, at }, (row, of) => this.fireKey(row, of));
    if (right !== undefined && this.unmatched[1])
      this.eachKey({ log: right, other: left, at }, (row, of) => this.fireAlone(row, of));
  }

  private eachKey(of: Firing, each: (row: FirstRow, of: Firing) => void): void {
    this.values.database.withSnapshot((snapshot) => {
      for (const part of snapshot.pairs(of.log.prefix)) this.firstRows(Array.from(part, rowOf), of, each);
    });
  }

  /** The first row of each key, in order of arrival. */
  private firstRows(rows: readonly FirstRow[], of: Firing, each: (row: FirstRow, of: Firing) => void): void {
    for (const { key } of rows) this.keys.want(of.at.shard, key);
    this.values.fetch();
    for (const row of rows) {
      this.values.room();
      if (this.keys.first(of.log, row.key) === row.number) each(row, of);
    }
  }

  private *rowsOf(log: StoredLog, key: string, row: RowAt): Generator<RowAt> {
    const numbers = log.storedRows(key, ALWAYS).map(({ number }) => number);
    for (let at = 0; at < numbers.length; at++) {
      if (at % READ_ROWS === 0) this.readAhead(log, numbers.slice(at, at + READ_ROWS));
      log.read(numbers[at] as number, row);
      yield row;
    }
  }

  /** A left key: each of its rows with each of the right one's. */
  private fireKey({ key, isNull }: FirstRow, { log, other, at: { shard, ts } }: Firing): void {
    const partners = isNull || other === undefined || this.keys.first(other, key) < 0 ? undefined : other;
    if (partners === undefined && !this.unmatched[0]) return;
    for (const left of this.rowsOf(log, key, this.left)) {
      if (partners === undefined) this.giveAlone(0, left, { shard, ts });
      else for (const right of this.rowsOf(partners, key, this.right)) this.pair(left, right, shard, ts);
    }
  }

  /** A right key that the left side does not have. */
  private fireAlone({ key, isNull }: FirstRow, { log, other, at }: Firing): void {
    if (!isNull && other !== undefined && this.keys.first(other, key) >= 0) return;
    for (const row of this.rowsOf(log, key, this.right)) this.giveAlone(1, row, at);
  }
}

function rowOf({ key, value }: StoredPair): FirstRow {
  const row = storedRow(value.subarray(VALUE_HEADER));
  return { number: numberOf(key), key: keyOf(row), isNull: isNullKey(row.key) };
}
