import { dueWindows } from "./due-windows.ts";
import type { JoinNode } from "./join-node.ts";
import { JoinState } from "./join-state.ts";
import type { Side } from "./row.ts";
import { windowSpans } from "./spans.ts";
import { WindowFiring } from "./window-firing.ts";

/**
 * Pairs of rows with one key in one tumbling window, given when the watermark passes it: windows in order of their end,
 * then by shard. Within a window come the left side's keys and then those that only the right side has, in order of first
 * arrival; of a key, its rows in order of arrival, left before right.
 */
export class WindowJoin extends JoinState {
  private readonly firing = new WindowFiring(this, this.unmatched);

  constructor(node: JoinNode, sizeMs: number) {
    super(node, windowSpans(sizeMs));
  }

  protected override isAlive(): boolean {
    return true;
  }

  add(side: Side, shardIndex: number): boolean {
    const shard = this.shard(shardIndex);
    if (this.logEnd(this.row.ts) - 1 <= this.now(shard)) return false;
    if (this.unmatched[side] || !this.hasNullKey()) this.keep(shard, side);
    return true;
  }

  protected pass(watermark: number): void {
    for (const { shard, end } of dueWindows(this.owned.values(), watermark)) {
      const left = shard.logs[0].get(end);
      const right = shard.logs[1].get(end);
      this.firing.fire({ shard: shard.index, ts: end - 1, left, right });
      if (left !== undefined) this.dropLog(shard, 0, left);
      if (right !== undefined) this.dropLog(shard, 1, right);
    }
    this.dropPassed(watermark);
  }
}
