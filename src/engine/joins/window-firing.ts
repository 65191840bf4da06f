import type { RowLog } from "./row-log.ts";
import { noRowAt, NO_ROW } from "./row.ts";
import type { Pair } from "./row.ts";

/** Both sides of a window that is given. */
export interface WindowRows {
  readonly shard: number;
  readonly ts: number;
  readonly left: RowLog | undefined;
  readonly right: RowLog | undefined;
}

/** Gives a window whose rows are in memory, in the order that `WindowJoin` tells. */
export class WindowFiring {
  private readonly join: { readonly pair: Pair };
  private readonly unmatched: readonly [boolean, boolean];
  private readonly left = noRowAt();
  private readonly right = noRowAt();

  constructor(join: { readonly pair: Pair }, unmatched: readonly [boolean, boolean]) {
    this.join = join;
    this.unmatched = unmatched;
  }

  fire(of: WindowRows): void {
    const { left, right } = of;
    if (left !== undefined) for (const key of this.firing(left, right)) this.fireKey(left, key, of);
    if (!this.unmatched[1] || right === undefined) return;
    for (let key = 0; key < right.keys.n; key++) {
      if (left !== undefined && left.partner(right, key) >= 0) continue;
      for (let row = right.first(key); row >= 0; row = right.next(row)) {
        right.read(row, this.right);
        this.join.pair(NO_ROW, this.right, of.shard, of.ts);
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

  private fireKey(left: RowLog, key: number, { right, shard, ts }: WindowRows): void {
    const partner = right === undefined ? -1 : right.partner(left, key);
    if (partner < 0 && !this.unmatched[0]) return;
    for (let row = left.first(key); row >= 0; row = left.next(row)) {
      left.read(row, this.left);
      if (right === undefined || partner < 0) this.join.pair(this.left, NO_ROW, shard, ts);
      else this.pairAll(right, partner, { shard, ts });
    }
  }

  private pairAll(right: RowLog, partner: number, { shard, ts }: { shard: number; ts: number }): void {
    for (let row = right.first(partner); row >= 0; row = right.next(row)) {
      right.read(row, this.right);
      this.join.pair(this.left, this.right, shard, ts);
    }
  }
}
