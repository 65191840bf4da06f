import type { JoinNode } from "./join-node.ts";
import { JoinState } from "./join-state.ts";
import type { RowShard } from "./join-state.ts";
import { partners } from "./partners.ts";
import type { KeyRange, Side } from "./row.ts";
import { unboundedSpans } from "./spans.ts";

const ALWAYS = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY };

/**
 * Pairs of rows with one key, however far apart their times are: given when the second one comes, partners in order of
 * their time and then of arrival. Nothing is late. A row is forgotten when the watermark has come `ttlMs` further than its
 * time; with 0 never, and all rows of a side are in one log.
 */
export class UnboundedJoin extends JoinState {
  constructor(node: JoinNode, ttlMs: number) {
    super(node, unboundedSpans(ttlMs));
  }

  protected override now(shard: RowShard): number {
    return Math.max(this.time, shard.floor);
  }

  add(side: Side, shardIndex: number): boolean {
    const shard = this.shard(shardIndex);
    if (this.hasNullKey()) return true;
    const log = this.keep(shard, side);
    log.read(log.n - 1, side === 0 ? this.left : this.right);
    this.meet(shard, side, log.keyOfRow(log.n - 1));
    return true;
  }

  /** The key is a copy: what a result sets off may need the original's place. */
  private meet(shard: RowShard, side: Side, { bytes, start, stop }: KeyRange): void {
    const { hash, ts } = this.row;
    const now = this.now(shard);
    const other: Side = side === 0 ? 1 : 0;
    for (const log of shard.logs[other].values()) {
      const entry = log.keys.find(bytes, start, stop, hash);
      if (entry < 0) continue;
      for (const row of partners(log, entry, ALWAYS)) {
        const partnerTime = log.ts[row] as number;
        if (!this.isAlive(other, partnerTime, now)) continue;
        log.read(row, other === 0 ? this.left : this.right);
        this.pair(this.left, this.right, shard.index, Math.max(ts, partnerTime));
      }
    }
  }

  /** A bounded input that ended forgets nothing. */
  protected pass(): void {
    this.dropPassed(this.time);
  }
}
