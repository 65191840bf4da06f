import type { JoinNode } from "./join-node.ts";
import { JoinState } from "./join-state.ts";
import type { JoinShard } from "./join-state.ts";
import { partners } from "./partners.ts";
import { PendingRows } from "./pending-rows.ts";
import type { RowLog } from "./row-log.ts";
import { isNullKey, NO_ROW, SIDES } from "./row.ts";
import type { KeyRange, RowAt, Side } from "./row.ts";

/** Rows are dropped in spans of a quarter of the interval, so that at most a quarter more than needed is held. */
const SPANS = 4;
const SHORTEST_SPAN_MS = 1000;

interface Due {
  readonly at: number;
  readonly shard: JoinShard;
  readonly side: Side;
  readonly log: RowLog;
  readonly row: number;
}

/**
 * Pairs of rows with one key of which the right one's time is in [left − before, left + after]. A pair is given when its
 * second row comes, partners in order of their time and then of arrival. A row at or before the watermark is late: so
 * every pair of rows that came in time is found, and each is dropped as soon as none can come for it.
 */
export class IntervalJoin extends JoinState {
  /** By side: how much later than a row its last partner can be. */
  private readonly laterMs: readonly [number, number];
  private readonly spanMs: number;
  private readonly pending = new WeakMap<RowLog, PendingRows>();
  /** Nothing is due to be given or dropped below this watermark. */
  private nextDue = Number.POSITIVE_INFINITY;

  constructor(node: JoinNode, { beforeMs, afterMs }: { beforeMs: number; afterMs: number }) {
    super(node);
    this.laterMs = [afterMs, beforeMs];
    this.spanMs = intervalSpan(beforeMs + afterMs);
  }

  protected logEnd(ts: number): number {
    return Math.floor(ts / this.spanMs) * this.spanMs + this.spanMs;
  }

  protected isAlive(side: Side, ts: number, now: number): boolean {
    return ts + this.laterMs[side] > now;
  }

  protected schedule(side: Side, { end }: RowLog, ts: number): void {
    const last = this.unmatched[side] ? Math.min(ts, end - 1) : end - 1;
    this.nextDue = Math.min(this.nextDue, last + this.laterMs[side]);
  }

  add(side: Side, shardIndex: number): boolean {
    const shard = this.shard(shardIndex);
    const { key, keyStart, keyEnd, ts } = this.row;
    if (ts <= this.now(shard)) return false;
    const isNull = isNullKey({ bytes: key, start: keyStart, stop: keyEnd });
    if (isNull && !this.unmatched[side]) return true;
    const log = this.keep(shard, side);
    if (isNull) return true;
    log.read(log.n - 1, side === 0 ? this.left : this.right);
    if (this.meet(shard, side, log.keyOfRow(log.n - 1))) log.match(log.n - 1, this.snapshots);
    return true;
  }

  /** Gives `row` with each of its partners; whether it has any. The key is a copy: what a result sets off may need the original's place. */
  private meet(shard: JoinShard, side: Side, { bytes, start, stop }: KeyRange): boolean {
    const { hash, ts } = this.row;
    const other: Side = side === 0 ? 1 : 0;
    const from = ts - this.laterMs[other];
    const to = ts + this.laterMs[side];
    let found = false;
    const last = this.logEnd(to);
    for (let end = this.logEnd(from); end <= last; end += this.spanMs) {
      const log = shard.logs[other].get(end);
      const entry = log === undefined ? -1 : log.keys.find(bytes, start, stop, hash);
      if (log === undefined || entry < 0) continue;
      for (const row of partners(log, entry, { from, to })) {
        found = true;
        this.give(shard, { side: other, log, row });
      }
    }
    return found;
  }

  private give(shard: JoinShard, { side, log, row }: { side: Side; log: RowLog; row: number }): void {
    log.match(row, this.snapshots);
    log.read(row, side === 0 ? this.left : this.right);
    this.pair(this.left, this.right, shard.index, Math.max(this.row.ts, log.ts[row] as number));
  }

  advance(watermark: number): void {
    if (watermark <= this.watermark) return;
    this.watermark = watermark;
    if (watermark < this.nextDue) return;
    this.nextDue = Number.POSITIVE_INFINITY;
    const due: Due[] = [];
    for (const shard of this.owned.values()) for (const side of SIDES) this.pass(shard, side, due);
    due.sort((a, b) => a.at - b.at || a.shard.index - b.shard.index || a.side - b.side);
    for (const row of due) this.giveAlone(row);
  }

  /** Collects the rows of a side for which no partner can come any more, and drops what holds no others. */
  private pass(shard: JoinShard, side: Side, due: Due[]): void {
    const later = this.laterMs[side];
    for (const log of shard.logs[side].values()) {
      const next = this.unmatched[side] ? this.takeUnmatched(shard, { side, log }, due) : Number.POSITIVE_INFINITY;
      const last = log.end - 1 + later;
      if (last <= this.watermark) this.dropLog(shard, side, log);
      else this.nextDue = Math.min(this.nextDue, next + later, last);
    }
  }

  /** Gives the time of the next row that waits. */
  private takeUnmatched(shard: JoinShard, { side, log }: { side: Side; log: RowLog }, due: Due[]): number {
    const later = this.laterMs[side];
    let pending = this.pending.get(log);
    if (pending === undefined) this.pending.set(log, (pending = new PendingRows(log)));
    const latest = this.watermark - later;
    for (let row = pending.take(latest); row >= 0; row = pending.take(latest))
      if (log.matched[row] === 0) due.push({ at: (log.ts[row] as number) + later, shard, side, log, row });
    return pending.next();
  }

  private giveAlone({ at, shard, side, log, row }: Due): void {
    const own: RowAt = side === 0 ? this.left : this.right;
    log.read(row, own);
    if (side === 0) this.pair(own, NO_ROW, shard.index, at);
    else this.pair(NO_ROW, own, shard.index, at);
  }
}

export const intervalSpan = (intervalMs: number): number => Math.max(SHORTEST_SPAN_MS, Math.ceil(intervalMs / SPANS));
