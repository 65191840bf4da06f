import type { JoinNode } from "../joins/join-node.ts";
import type { Side } from "../joins/row.ts";
import { intervalSpans } from "../joins/spans.ts";
import type { RocksState } from "./database.ts";
import { NUMBER_DIGITS, numberIn, numberText } from "./number-text.ts";
import { RocksJoin } from "./rocks-join.ts";
import type { Arrived, StoredShard } from "./rocks-join.ts";
import type { StoredLog, StoredRow, TimeRange } from "./stored-log.ts";
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

  protected override partnerTimes(side: Side, ts: number): TimeRange {
    const other: Side = side === 0 ? 1 : 0;
    return { from: ts - this.laterMs[other], to: ts + this.laterMs[side] };
  }

  protected *metBy(shard: StoredShard, side: Side, ts: number): Generator<StoredLog> {
    const { from, to } = this.partnerTimes(side, ts);
    const logs = shard.logs[side === 0 ? 1 : 0];
    const last = this.logEnd(to);
    for (let end = this.logEnd(from); end <= last; end += this.spanMs) {
      const log = logs.get(end);
      if (log !== undefined) yield log;
    }
  }

  /** Gives the row with each of its partners; whether it has any. */
  private meet({ shard, side, row, key }: Arrived): boolean {
    const times = this.partnerTimes(side, row.ts);
    let found = false;
    for (const log of this.metBy(shard, side, row.ts))
      for (const { number, row: partner } of log.partners(key, times)) {
        found = true;
        if (this.unmatched[log.side]) log.match(number);
        this.givePair(side, row, partner, { shard: shard.index, ts: Math.max(row.ts, partner.ts) });
      }
    return found;
  }

  override advance(watermark: number): void {
    if (watermark <= this.watermark) return;
    for (const { id, at } of this.alone.due(watermark, (ids) => this.wantAlone(ids))) {
      this.values.room();
      const { shard, side, log, number } = this.placeOf(id);
      const row = log?.row(number);
      if (row?.matched === false) this.giveAlone(side, row.row, { shard, ts: at });
    }
    super.advance(watermark);
  }

  private wantAlone(ids: readonly string[]): void {
    for (const id of ids) {
      const { log, number } = this.placeOf(id);
      log?.wantRow(number);
    }
    this.values.fetch();
  }

  private placeOf(id: string): { shard: number; side: Side; log: StoredLog | undefined; number: number } {
    const shard = id.charCodeAt(0);
    const side: Side = id[1] === "0" ? 0 : 1;
    const log = this.shard(shard).logs[side].get(Number(id.slice(2 + NUMBER_DIGITS)));
    return { shard, side, log, number: numberIn(id.slice(2, 2 + NUMBER_DIGITS)) };
  }

  protected pass(watermark: number): void {
    this.dropPassed(watermark);
  }
}
