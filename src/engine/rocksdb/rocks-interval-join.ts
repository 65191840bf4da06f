import { intervalSpan } from "../joins/interval-join.ts";
import type { JoinNode } from "../joins/join-node.ts";
import { SIDES } from "../joins/row.ts";
import type { Side } from "../joins/row.ts";
import type { RocksState } from "./database.ts";
import { RocksJoin } from "./rocks-join.ts";
import type { Arrived, StoredShard } from "./rocks-join.ts";
import { StoredTimers } from "./stored-timers.ts";

/** Behind the kinds of `StoredLog`: when rows that have no partner are given. */
const TIMER = Buffer.of(2);
const NUMBER_DIGITS = 12;

/** `IntervalJoin` in RocksDB. Rows without a partner are in a queue by the time at which they are given. */
export class RocksIntervalJoin extends RocksJoin {
  /** By side: how much later than a row its last partner can be. */
  private readonly laterMs: readonly [number, number];
  private readonly spanMs: number;
  private readonly alone: StoredTimers;
  /** No log is to be dropped below this watermark. */
  private nextDue = Number.POSITIVE_INFINITY;

  constructor(node: JoinNode, { beforeMs, afterMs }: { beforeMs: number; afterMs: number }, state: RocksState) {
    super(node, state);
    this.laterMs = [afterMs, beforeMs];
    this.spanMs = intervalSpan(beforeMs + afterMs);
    this.alone = new StoredTimers(this.values.database, TIMER);
  }

  protected logEnd(ts: number): number {
    return Math.floor(ts / this.spanMs) * this.spanMs + this.spanMs;
  }

  protected isAlive(side: Side, ts: number, now: number): boolean {
    return ts + this.laterMs[side] > now;
  }

  protected schedule({ shard, side, log, number, row }: Arrived): void {
    const later = this.laterMs[side];
    this.nextDue = Math.min(this.nextDue, log.end - 1 + later);
    if (!this.unmatched[side] || row.matched) return;
    const place = `${number.toString(16).padStart(NUMBER_DIGITS, "0")}${log.end}`;
    this.alone.add(row.ts + later, `${String.fromCharCode(shard.index)}${side}${place}`);
  }

  add(side: Side, shardIndex: number): boolean {
    this.values.room();
    const shard = this.shard(shardIndex);
    if (this.row.ts <= this.now(shard)) return false;
    const hasNullKey = this.hasNullKey();
    if (hasNullKey && !this.unmatched[side]) return true;
    const arrived = this.keep(shard, side);
    if (!hasNullKey && this.meet(arrived) && this.unmatched[side]) arrived.log.match(arrived.number);
    return true;
  }

  /** Gives the row with each of its partners; whether it has any. */
  private meet({ shard, side, row }: Arrived): boolean {
    const other: Side = side === 0 ? 1 : 0;
    const from = row.ts - this.laterMs[other];
    const to = row.ts + this.laterMs[side];
    let found = false;
    const last = this.logEnd(to);
    for (let end = this.logEnd(from); end <= last; end += this.spanMs) {
      const log = shard.logs[other].get(end);
      for (const number of log?.partners(row.key, { from, to }) ?? []) {
        found = true;
        if (this.unmatched[other]) log?.match(number);
        const partner = log?.row(number) ?? row;
        this.givePair(side, row, partner, { shard: shard.index, ts: Math.max(row.ts, partner.ts) });
      }
    }
    return found;
  }

  advance(watermark: number): void {
    if (watermark <= this.watermark) return;
    this.watermark = watermark;
    for (let due = this.alone.take(watermark); due !== undefined; due = this.alone.take(watermark)) {
      this.values.room();
      this.passAlone(due.id, due.at);
    }
    if (watermark < this.nextDue) return;
    this.nextDue = Number.POSITIVE_INFINITY;
    for (const shard of this.owned.values()) for (const side of SIDES) this.drop(shard, side);
  }

  private passAlone(id: string, ts: number): void {
    const shard = this.shard(id.charCodeAt(0));
    const side: Side = id[1] === "0" ? 0 : 1;
    const number = Number.parseInt(id.slice(2, 2 + NUMBER_DIGITS), 16);
    const row = shard.logs[side].get(Number(id.slice(2 + NUMBER_DIGITS)))?.row(number);
    if (row?.matched === false) this.giveAlone(side, row, { shard: shard.index, ts });
  }

  private drop(shard: StoredShard, side: Side): void {
    for (const log of shard.logs[side].values()) {
      const last = log.end - 1 + this.laterMs[side];
      if (last <= this.watermark) this.dropLog(shard, log);
      else this.nextDue = Math.min(this.nextDue, last);
    }
  }
}
