import type { JoinNode } from "../joins/join-node.ts";
import { SIDES } from "../joins/row.ts";
import type { Side } from "../joins/row.ts";
import { spanOf } from "../joins/unbounded-join.ts";
import type { RocksState } from "./database.ts";
import { RocksJoin } from "./rocks-join.ts";
import type { Arrived, StoredShard } from "./rocks-join.ts";

const ALWAYS = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY };

/** `UnboundedJoin` in RocksDB. */
export class RocksUnboundedJoin extends RocksJoin {
  private readonly ttl: number;
  private readonly spanMs: number;
  /** The end of time is not a time: a bounded input that ended forgets nothing. */
  private time = Number.NEGATIVE_INFINITY;
  /** No log is to be dropped below this watermark. */
  private nextDue = Number.POSITIVE_INFINITY;

  constructor(node: JoinNode, ttlMs: number, state: RocksState) {
    super(node, state);
    this.ttl = ttlMs === 0 ? Number.POSITIVE_INFINITY : ttlMs;
    this.spanMs = spanOf(ttlMs);
  }

  protected override now(shard: StoredShard): number {
    return Math.max(this.time, shard.floor);
  }

  protected logEnd(ts: number): number {
    if (this.ttl === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
    return Math.floor(ts / this.spanMs) * this.spanMs + this.spanMs;
  }

  protected isAlive(_side: Side, ts: number, now: number): boolean {
    return ts + this.ttl > now;
  }

  protected schedule({ log }: Arrived): void {
    this.nextDue = Math.min(this.nextDue, log.end - 1 + this.ttl);
  }

  add(side: Side, shardIndex: number): boolean {
    this.values.room();
    if (this.hasNullKey()) {
      this.shard(shardIndex);
      return true;
    }
    this.meet(this.keep(this.shard(shardIndex), side));
    return true;
  }

  private meet({ shard, side, row }: Arrived): void {
    const now = this.now(shard);
    const other: Side = side === 0 ? 1 : 0;
    for (const log of shard.logs[other].values())
      for (const number of log.partners(row.key, ALWAYS)) {
        const partner = log.row(number);
        if (!this.isAlive(other, partner.ts, now)) continue;
        this.givePair(side, row, partner, { shard: shard.index, ts: Math.max(row.ts, partner.ts) });
      }
  }

  advance(watermark: number): void {
    if (watermark <= this.watermark) return;
    this.watermark = watermark;
    if (watermark === Number.POSITIVE_INFINITY) return;
    this.time = watermark;
    if (watermark < this.nextDue) return;
    this.nextDue = Number.POSITIVE_INFINITY;
    for (const shard of this.owned.values()) for (const side of SIDES) this.drop(shard, side);
  }

  private drop(shard: StoredShard, side: Side): void {
    for (const log of shard.logs[side].values()) {
      const last = log.end - 1 + this.ttl;
      if (last <= this.time) this.dropLog(shard, log);
      else this.nextDue = Math.min(this.nextDue, last);
    }
  }
}
