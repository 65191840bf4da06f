import type { JoinNode } from "../joins/join-node.ts";
import type { Side } from "../joins/row.ts";
import { unboundedSpans } from "../joins/spans.ts";
import type { RocksState } from "./database.ts";
import type { TimeRange } from "./key-rows.ts";
import { RocksJoin } from "./rocks-join.ts";
import type { StoredShard } from "./rocks-join.ts";
import type { StoredLog } from "./stored-log.ts";

/** `UnboundedJoin` in RocksDB. */
export class RocksUnboundedJoin extends RocksJoin {
  constructor(node: JoinNode, ttlMs: number, state: RocksState) {
    super(node, unboundedSpans(ttlMs), state);
  }

  protected override now(shard: StoredShard): number {
    return Math.max(this.time, shard.floor);
  }

  add(side: Side, shardIndex: number): boolean {
    this.rows.room();
    const shard = this.shard(shardIndex);
    if (this.hasNullKey()) return true;
    const arrived = this.keep(shard, side);
    for (const log of this.logsMet(shard, side)) this.meetIn(log, arrived);
    return true;
  }

  /** Rows that are not forgotten, and maybe some that are. */
  protected override partnerTimes(shard: StoredShard, side: Side): TimeRange {
    return { from: this.now(shard) - this.laterMs[side], to: Number.POSITIVE_INFINITY };
  }

  protected override isPartner(shard: StoredShard, side: Side, ts: number): boolean {
    return this.isAlive(side, ts, this.now(shard));
  }

  private logsMet(shard: StoredShard, side: Side): Iterable<StoredLog> {
    return shard.logs[side === 0 ? 1 : 0].values();
  }

  /** A bounded input that ended forgets nothing. */
  protected pass(): void {
    this.dropPassed(this.time);
  }
}
