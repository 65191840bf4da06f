import type { JoinNode } from "./join-node.ts";
import { JoinState } from "./join-state.ts";
import type { RowShard } from "./join-state.ts";
import { partners } from "./partners.ts";
import { PendingRows } from "./pending-rows.ts";
import type { RowLog } from "./row-log.ts";
import { SIDES } from "./row.ts";
import type { KeyRange, RowAt, Side } from "./row.ts";
import { intervalSpans } from "./spans.ts";

interface Due {
  readonly at: number;
  readonly shard: RowShard;
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
  private readonly pending = new WeakMap<RowLog, PendingRows>();

  constructor(node: JoinNode, times: { beforeMs: number; afterMs: number }) {
    super(node, intervalSpans(times));
  }

  protected override keep(shard: RowShard, side: Side): RowLog {
    if (this.unmatched[side]) this.nextDue = Math.min(this.nextDue, this.row.ts + this.laterMs[side]);
    return super.keep(shard, side);
  }

  add(side: Side, shardIndex: number): boolean {
    const shard = this.shard(shardIndex);
    if (this.row.ts <= this.now(shard)) return false;
    const hasNullKey = this.hasNullKey();
    if (hasNullKey && !this.unmatched[side]) return true;
    const log = this.keep(shard, side);
    if (hasNullKey) return true;
    log.read(log.n - 1, side === 0 ? this.left : this.right);
    if (this.meet(shard, side, log.keyOfRow(log.n - 1))) log.match(log.n - 1, this.snapshots);
    return true;
  }

  /** Gives `row` with each of its partners; whether it has any. The key is a copy: what a result sets off may need the original's place. */
  private meet(shard: RowShard, side: Side, { bytes, start, stop }: KeyRange): boolean {
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

  private give(shard: RowShard, { side, log, row }: { side: Side; log: RowLog; row: number }): void {
    log.match(row, this.snapshots);
    log.read(row, side === 0 ? this.left : this.right);
    this.pair(this.left, this.right, shard.index, Math.max(this.row.ts, log.ts[row] as number));
  }

  protected pass(watermark: number): void {
    const due: Due[] = [];
    for (const shard of this.owned.values())
      for (const side of SIDES) if (this.unmatched[side]) this.collect(shard, side, due);
    due.sort((a, b) => a.at - b.at || a.shard.index - b.shard.index || a.side - b.side);
    for (const { side, log, row, shard, at } of due) {
      const own: RowAt = side === 0 ? this.left : this.right;
      log.read(row, own);
      this.giveAlone(side, own, { shard: shard.index, ts: at });
    }
    this.dropPassed(watermark);
  }

  /** Takes the rows of a side that have had no partner, and for which none can come any more. */
  private collect(shard: RowShard, side: Side, due: Due[]): void {
    const later = this.laterMs[side];
    const latest = this.watermark - later;
    for (const log of shard.logs[side].values()) {
      const pending = this.pendingOf(log);
      for (let row = pending.take(latest); row >= 0; row = pending.take(latest))
        if (log.matched(row) === 0) due.push({ at: (log.ts[row] as number) + later, shard, side, log, row });
      this.nextDue = Math.min(this.nextDue, pending.next() + later);
    }
  }

  private pendingOf(log: RowLog): PendingRows {
    let pending = this.pending.get(log);
    if (pending === undefined) this.pending.set(log, (pending = new PendingRows(log)));
    return pending;
  }
}
