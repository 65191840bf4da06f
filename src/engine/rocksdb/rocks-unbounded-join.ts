import type { JoinNode } from "../joins/join-node.ts";
import type { Side } from "../joins/row.ts";
import { unboundedSpans } from "../joins/spans.ts";
import type { RocksState } from "./database.ts";
import { RocksJoin } from "./rocks-join.ts";
import type { Arrived, StoredShard } from "./rocks-join.ts";

const ALWAYS = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY };

/** `UnboundedJoin` in RocksDB. */
export class RocksUnboundedJoin extends RocksJoin {
  /** The end of time is not a time: a bounded input that ended forgets nothing. */
  private time = Number.NEGATIVE_INFINITY;

  constructor(node: JoinNode, ttlMs: number, state: RocksState) {
    super(node, unboundedSpans(ttlMs), state);
  }

  protected override now(shard: StoredShard): number {
    return Math.max(this.time, shard.floor);
  }

  add(side: Side, shardIndex: number): boolean {
    this.values.room();
    const shard = this.shard(shardIndex);
    if (!this.hasNullKey()) this.meet(this.keep(shard, side));
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

  override advance(watermark: number): void {
    if (watermark > this.time && watermark < Number.POSITIVE_INFINITY) this.time = watermark;
    super.advance(watermark);
  }

  protected pass(): void {
    this.dropPassed(this.time);
  }
}
