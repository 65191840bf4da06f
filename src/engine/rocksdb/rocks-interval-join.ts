import type { JoinNode } from "../joins/join-node.ts";
import type { Side } from "../joins/row.ts";
import { intervalSpans } from "../joins/spans.ts";
import type { RocksState } from "./database.ts";
import type { TimeRange } from "./key-rows.ts";
import { NUMBER_DIGITS, numberIn, numberText } from "./number-text.ts";
import { RocksJoin } from "./rocks-join.ts";
import type { Arrived, StoredShard } from "./rocks-join.ts";
import type { StoredLog } from "./stored-log.ts";
import { StoredTimers } from "./stored-timers.ts";

/** Behind the kinds of rows and their keys: when rows that have no partner are given. */
const TIMER = Buffer.of(2);

/** `IntervalJoin` in RocksDB. Rows without a partner are in a queue by the time at which they are given. */
export class RocksIntervalJoin extends RocksJoin {
  private readonly alone: StoredTimers;

  constructor(node: JoinNode, times: { beforeMs: number; afterMs: number }, state: RocksState) {
    super(node, intervalSpans(times), state);
    this.alone = new StoredTimers(this.values.database, TIMER);
  }

  /** It is given alone if it has no partner by then. */
  private arm({ shard, side, log, ts }: Arrived): void {
    const place = `${numberText(log.n - 1)}${log.end}`;
    this.alone.add(ts + this.laterMs[side], `${String.fromCharCode(shard.index)}${side}${place}`);
  }

  protected override loaded(arrived: Arrived, matched: boolean): void {
    super.loaded(arrived, matched);
    if (this.unmatched[arrived.side] && !matched) this.arm(arrived);
  }

  add(side: Side, shardIndex: number): boolean {
    this.rows.room();
    const shard = this.shard(shardIndex);
    if (this.row.ts <= this.now(shard)) return false;
    const hasNullKey = this.hasNullKey();
    if (hasNullKey && !this.unmatched[side]) return true;
    const arrived = this.keep(shard, side);
    const isMet = !hasNullKey && this.meet(arrived);
    if (!this.unmatched[side]) return true;
    if (isMet) arrived.log.match(arrived.log.n - 1);
    else this.arm(arrived);
    return true;
  }

  protected partnerTimes(_shard: StoredShard, side: Side, ts: number): TimeRange {
    const other: Side = side === 0 ? 1 : 0;
    return { from: ts - this.laterMs[other], to: ts + this.laterMs[side] };
  }

  private logsMet(shard: StoredShard, side: Side, ts: number): readonly StoredLog[] {
    const { from, to } = this.partnerTimes(shard, side, ts);
    const logs = shard.logs[side === 0 ? 1 : 0];
    const found: StoredLog[] = [];
    const last = this.logEnd(to);
    for (let end = this.logEnd(from); end <= last; end += this.spanMs) {
      const log = logs.get(end);
      if (log !== undefined) found.push(log);
    }
    return found;
  }

  /** Gives the row with each of its partners; whether it has any. */
  private meet(arrived: Arrived): boolean {
    let found = false;
    for (const log of this.logsMet(arrived.shard, arrived.side, arrived.ts))
      if (this.meetIn(log, arrived)) found = true;
    return found;
  }

  override advance(watermark: number): void {
    if (watermark <= this.watermark) return;
    for (const { id, at } of this.alone.due(watermark, (ids) => this.wantAlone(ids))) {
      this.values.room();
      const { shard, side, log, number } = this.placeOf(id);
      if (log === undefined || log.isMatched(number)) continue;
      const row = side === 0 ? this.left : this.right;
      log.read(number, row);
      this.giveAlone(side, row, { shard, ts: at });
    }
    super.advance(watermark);
  }

  private wantAlone(ids: () => readonly string[]): void {
    if (!this.rows.isCold) return;
    for (const id of ids()) {
      const { log, number } = this.placeOf(id);
      log?.want(number);
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
