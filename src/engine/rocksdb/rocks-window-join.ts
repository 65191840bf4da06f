import { dueWindows } from "../joins/due-windows.ts";
import type { JoinNode } from "../joins/join-node.ts";
import { rowAt } from "../joins/row-codec.ts";
import type { Side } from "../joins/row.ts";
import { SIDES } from "../joins/row.ts";
import { windowSpans } from "../joins/spans.ts";
import type { RocksState, StoredPair } from "./database.ts";
import { VALUE_HEADER } from "./packed-writes.ts";
import { isNull, RocksJoin } from "./rocks-join.ts";
import type { StoredShard } from "./rocks-join.ts";
import { keyOf, numberOf, storedRow } from "./stored-log.ts";
import type { NumberedRow, StoredLog, StoredRow } from "./stored-log.ts";

/** One side of a window that is given, beside the other one. */
interface Firing {
  readonly log: StoredLog;
  readonly other: StoredLog | undefined;
  readonly at: { readonly shard: number; readonly ts: number };
}

/** `WindowJoin` in RocksDB: a window is read in the order in which its rows came. */
export class RocksWindowJoin extends RocksJoin {
  constructor(node: JoinNode, sizeMs: number, state: RocksState) {
    super(node, windowSpans(sizeMs), state);
  }

  protected override isAlive(): boolean {
    return true;
  }

  protected metBy(): readonly StoredLog[] {
    return [];
  }

  add(side: Side, shardIndex: number): boolean {
    this.values.room();
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

  private fire({ index, logs }: StoredShard, end: number): void {
    const [left, right] = [logs[0].get(end), logs[1].get(end)];
    const at = { shard: index, ts: end - 1 };
    if (left !== undefined && (right !== undefined || this.unmatched[0]))
      this.eachKey({ log: left, other: right, at }, (row, of) => this.fireKey(row, of));
    if (right !== undefined && this.unmatched[1])
      this.eachKey({ log: right, other: left, at }, (row, of) => this.fireAlone(row, of));
  }

  private eachKey(of: Firing, each: (row: StoredRow, of: Firing) => void): void {
    this.values.flush();
    this.values.database.withSnapshot((snapshot) => {
      for (const part of snapshot.pairs(of.log.prefix)) this.firstRows(Array.from(part, rowOf), of, each);
    });
  }

  /** The first row of each key, in order of arrival. */
  private firstRows(rows: readonly NumberedRow[], of: Firing, each: (row: StoredRow, of: Firing) => void): void {
    const keys = rows.map(({ row }) => keyOf(row));
    for (const key of keys) {
      of.log.keys.want(key);
      of.other?.keys.want(key);
    }
    this.values.fetch();
    for (const [i, { number, row }] of rows.entries()) {
      this.values.room();
      if (of.log.keys.first(keys[i] as string) === number) each(row, of);
    }
  }

  /** A left key: each of its rows with each of the right one's. */
  private fireKey(first: StoredRow, { log, other, at }: Firing): void {
    const key = keyOf(first);
    const partners = isNull(first) || other === undefined || other.keys.first(key) < 0 ? undefined : other;
    if (partners === undefined && !this.unmatched[0]) return;
    for (const { row: left } of log.rowsOf(key)) {
      if (partners === undefined) this.giveAlone(0, left.row, at);
      else for (const { row: right } of partners.rowsOf(key)) this.givePair(0, left, right, at);
    }
  }

  /** A right key that the left side does not have. */
  private fireAlone(first: StoredRow, { log, other, at }: Firing): void {
    const key = keyOf(first);
    if (!isNull(first) && other !== undefined && other.keys.first(key) >= 0) return;
    for (const { row } of log.rowsOf(key)) this.giveAlone(1, row.row, at);
  }
}

const rowOf = ({ key, value }: StoredPair): NumberedRow => ({
  number: numberOf(key),
  row: storedRow(rowAt(value.subarray(VALUE_HEADER), 0)),
});
