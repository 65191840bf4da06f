import type { JoinNode } from "../joins/join-node.ts";
import type { Side } from "../joins/row.ts";
import { intervalSpans } from "../joins/spans.ts";
import type { RocksState } from "./database.ts";
import { NUMBER_DIGITS, numberIn, numberText } from "./number-text.ts";
import { RocksJoin } from "./rocks-join.ts";
import type { Arrived, StoredShard } from "./rocks-join.ts";
import type { StoredRow } from "./stored-log.ts";
import { StoredTimers } from "./stored-timers.ts";

/** Behind the kinds of `StoredLog`: when rows that have no partner are given. */
const TIMER = Buffer.of(2);

/** `IntervalJoin` in RocksDB. Rows without a partner are in a queue by the time at which they are given. */
export class RocksIntervalJoin extends RocksJoin {
  private readonly alone: StoredTimers;

  constructor(node: JoinNode, times: { beforeMs: number; afterMs: number }, state: RocksState) {
    super(node, intervalSpans(times), state);
    this.alone = new StoredTimers(this.values.database, TIMER);
  }

  protected override put(shard: StoredShard, side: Side, row: StoredRow): Arrived {
    const arrived = super.put(shard, side, row);
    if (this.unmatched[side] && !row.matched) {
      const place = `${numberText(arrived.number)}${arrived.log.end}`;
      this.alone.add(row.ts + this.laterMs[side], `${String.fromCharCode(shard.index)}${side}${place}`);
    }
    return arrived;
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

  override advance(watermark: number): void {
    if (watermark <= this.watermark) return;
    for (let due = this.alone.take(watermark); due !== undefined; due = this.alone.take(watermark)) {
      this.values.room();
      this.passAlone(due.id, due.at);
    }
    super.advance(watermark);
  }

  private passAlone(id: string, ts: number): void {
    const shard = this.shard(id.charCodeAt(0));
    const side: Side = id[1] === "0" ? 0 : 1;
    const number = numberIn(id.slice(2, 2 + NUMBER_DIGITS));
    const row = shard.logs[side].get(Number(id.slice(2 + NUMBER_DIGITS)))?.row(number);
    if (row?.matched === false) this.giveAlone(side, row.row, { shard: shard.index, ts });
  }

  protected pass(watermark: number): void {
    this.dropPassed(watermark);
  }
}
