import type { JoinNode } from "../joins/join-node.ts";
import type { Side } from "../joins/row.ts";
import { unboundedSpans } from "../joins/spans.ts";
import type { RocksState } from "./database.ts";
import { ALWAYS, RocksJoin } from "./rocks-join.ts";
import type { Arrived, StoredShard } from "./rocks-join.ts";
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
    this.values.room();
    const shard = this.shard(shardIndex);
    if (!this.hasNullKey()) this.meet(this.keep(shard, side));
    return true;
  }

  protected metBy(shard: StoredShard, side: Side): Iterable<StoredLog> {
    return shard.logs[side === 0 ? 1 : 0].values();
  }

  private meet({ shard, side, row, key }: Arrived): void {
    const now = this.now(shard);
    for (const log of this.metBy(shard, side))
      for (const { row: partner } of log.partners(key, ALWAYS)) {
        if (!this.isAlive(log.side, partner.ts, now)) continue;
        this.givePair(side, row, partner, { shard: shard.index, ts: Math.max(row.ts, partner.ts) });
      }
  }

  /** A bounded input that ended forgets nothing. */
  protected pass(): void {
    this.dropPassed(this.time);
  }
}
