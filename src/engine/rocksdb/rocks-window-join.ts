import type { JoinNode } from "../joins/join-node.ts";
import { rowAt } from "../joins/row-codec.ts";
import type { Side } from "../joins/row.ts";
import { SIDES } from "../joins/row.ts";
import type { RocksState, StoredPair } from "./database.ts";
import { VALUE_HEADER } from "./packed-writes.ts";
import { isNull, RocksJoin } from "./rocks-join.ts";
import type { Arrived, StoredShard } from "./rocks-join.ts";
import { numberOf, storedRow } from "./stored-log.ts";
import type { StoredLog, StoredRow } from "./stored-log.ts";

/** One side of a window that is given, beside the other one. */
interface Firing {
  readonly log: StoredLog;
  readonly other: StoredLog | undefined;
  readonly at: { readonly shard: number; readonly ts: number };
}

/** `WindowJoin` in RocksDB: a window is read in the order in which its rows came. */
export class RocksWindowJoin extends RocksJoin {
  private readonly sizeMs: number;
  /** The last millisecond of the first window that is held. */
  private nextDue = Number.POSITIVE_INFINITY;

  constructor(node: JoinNode, sizeMs: number, state: RocksState) {
    super(node, state);
    this.sizeMs = sizeMs;
  }

  protected logEnd(ts: number): number {
    return Math.floor(ts / this.sizeMs) * this.sizeMs + this.sizeMs;
  }

  protected isAlive(): boolean {
    return true;
  }

  protected schedule({ log }: Arrived): void {
    this.nextDue = Math.min(this.nextDue, log.end - 1);
  }

  add(side: Side, shardIndex: number): boolean {
    this.values.room();
    const shard = this.shard(shardIndex);
    if (this.logEnd(this.row.ts) - 1 <= this.now(shard)) return false;
    if (this.unmatched[side] || !this.hasNullKey()) this.keep(shard, side);
    return true;
  }

  advance(watermark: number): void {
    if (watermark <= this.watermark) return;
    this.watermark = watermark;
    if (watermark < this.nextDue) return;
    for (const { shard, end } of this.due(watermark)) {
      this.fire(shard, end);
      for (const side of SIDES) {
        const log = shard.logs[side].get(end);
        if (log !== undefined) this.dropLog(shard, log);
      }
    }
    this.nextDue = Number.POSITIVE_INFINITY;
    for (const { logs } of this.owned.values())
      for (const side of SIDES)
        for (const { end } of logs[side].values()) this.nextDue = Math.min(this.nextDue, end - 1);
  }

  private due(watermark: number): { shard: StoredShard; end: number }[] {
    const due: { shard: StoredShard; end: number }[] = [];
    for (const shard of this.owned.values()) {
      const ends = new Set([...shard.logs[0].keys(), ...shard.logs[1].keys()]);
      for (const end of ends) if (end - 1 <= watermark) due.push({ shard, end });
    }
    return due.toSorted((a, b) => a.end - b.end || a.shard.index - b.shard.index);
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
    const snapshot = this.values.database.snapshot();
    try {
      for (const part of snapshot.pairs(of.log.prefix)) this.firstRows(Array.from(part, rowOf), of, each);
    } finally {
      snapshot.release();
    }
  }

  /** The first row of each key, in order of arrival. */
  private firstRows(rows: readonly Numbered[], of: Firing, each: (row: StoredRow, of: Firing) => void): void {
    for (const { row } of rows) {
      of.log.want(row.key);
      of.other?.want(row.key);
    }
    this.values.fetch();
    for (const { number, row } of rows) {
      this.values.room();
      if (of.log.rowsOf(row.key)[0] === number) each(row, of);
    }
  }

  /** A left key: each of its rows with each of the right one's. */
  private fireKey(first: StoredRow, { log, other, at }: Firing): void {
    const partners = isNull(first) ? [] : (other?.rowsOf(first.key) ?? []);
    if (partners.length === 0 && !this.unmatched[0]) return;
    for (const number of log.rowsOf(first.key)) {
      const left = log.row(number);
      if (partners.length === 0) this.giveAlone(0, left, at);
      for (const partner of partners) if (other !== undefined) this.givePair(0, left, other.row(partner), at);
    }
  }

  /** A right key that the left side does not have. */
  private fireAlone(first: StoredRow, { log, other, at }: Firing): void {
    if (!isNull(first) && other !== undefined && other.rowsOf(first.key).length > 0) return;
    for (const number of log.rowsOf(first.key)) this.giveAlone(1, log.row(number), at);
  }
}

interface Numbered {
  readonly number: number;
  readonly row: StoredRow;
}

const rowOf = ({ key, value }: StoredPair): Numbered => ({
  number: numberOf(key),
  row: storedRow(rowAt(value.subarray(VALUE_HEADER), 0)),
});
