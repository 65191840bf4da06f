import { dueWindows } from "./due-windows.ts";
import type { JoinNode } from "./join-node.ts";
import { JoinState } from "./join-state.ts";
import type { RowShard } from "./join-state.ts";
import type { RowLog } from "./row-log.ts";
import { NO_ROW } from "./row.ts";
import type { Side } from "./row.ts";
import { windowSpans } from "./spans.ts";

/**
 * Pairs of rows with one key in one tumbling window, given when the watermark passes it: windows in order of their end,
 * then by shard. Within a window come the left side's keys and then those that only the right side has, in order of first
 * arrival; of a key, its rows in order of arrival, left before right.
 */
export class WindowJoin extends JoinState {
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
      this.fire(shard, end - 1, { left, right });
      if (left !== undefined) this.dropLog(shard, 0, left);
      if (right !== undefined) this.dropLog(shard, 1, right);
    }
    this.dropPassed(watermark);
  }

  private fire(shard: RowShard, ts: number, of: { left: RowLog | undefined; right: RowLog | undefined }): void {
    const { left, right } = of;
    if (left !== undefined) for (const key of this.firing(left, right)) this.fireKey(left, key, { right, shard, ts });
    if (!this.unmatched[1] || right === undefined) return;
    for (let key = 0; key < right.keys.n; key++) {
      if (left !== undefined && left.partner(right, key) >= 0) continue;
      for (let row = right.first(key); row >= 0; row = right.next(row)) {
        right.read(row, this.right);
        this.pair(NO_ROW, this.right, shard.index, ts);
      }
    }
  }

  /** Keys of the left side that may have a result; looked for from the side that has fewer. */
  private firing(left: RowLog, right: RowLog | undefined): readonly number[] {
    const all = left.keys.n;
    if (this.unmatched[0]) return Array.from({ length: all }, (_, key) => key);
    if (right === undefined) return [];
    const [few, other] = right.keys.n < all ? [right, left] : [left, right];
    const found: number[] = [];
    for (let key = 0; key < few.keys.n; key++) {
      const partner = other.partner(few, key);
      if (partner >= 0) found.push(few === left ? key : partner);
    }
    return found.sort((a, b) => a - b);
  }

  private fireKey(left: RowLog, key: number, of: { right: RowLog | undefined; shard: RowShard; ts: number }): void {
    const { right, shard, ts } = of;
    const partner = right === undefined ? -1 : right.partner(left, key);
    if (partner < 0 && !this.unmatched[0]) return;
    for (let row = left.first(key); row >= 0; row = left.next(row)) {
      left.read(row, this.left);
      if (right === undefined || partner < 0) this.pair(this.left, NO_ROW, shard.index, ts);
      else this.pairAll(right, partner, { shard, ts });
    }
  }

  private pairAll(right: RowLog, partner: number, { shard, ts }: { shard: RowShard; ts: number }): void {
    for (let row = right.first(partner); row >= 0; row = right.next(row)) {
      right.read(row, this.right);
      this.pair(this.left, this.right, shard.index, ts);
    }
  }
}
