import type { JoinNode } from "./join-node.ts";
import { JoinState } from "./join-state.ts";
import type { JoinShard } from "./join-state.ts";
import type { RowLog } from "./row-log.ts";
import { isNullKey, NO_ROW, SIDES } from "./row.ts";
import type { Side } from "./row.ts";

/**
 * Pairs of rows with one key in one tumbling window, given when the watermark passes it: windows in order of their end,
 * then by shard. Within a window come the left side's keys and then those that only the right side has, in order of first
 * arrival; of a key, its rows in order of arrival, left before right.
 */
export class WindowJoin extends JoinState {
  private readonly sizeMs: number;
  /** The last millisecond of the first window that is held. */
  private nextDue = Number.POSITIVE_INFINITY;

  constructor(node: JoinNode, sizeMs: number) {
    super(node);
    this.sizeMs = sizeMs;
  }

  protected logEnd(ts: number): number {
    return Math.floor(ts / this.sizeMs) * this.sizeMs + this.sizeMs;
  }

  protected isAlive(): boolean {
    return true;
  }

  protected schedule(_side: Side, { end }: RowLog): void {
    this.nextDue = Math.min(this.nextDue, end - 1);
  }

  add(side: Side, shardIndex: number): boolean {
    const shard = this.shard(shardIndex);
    const { key, keyStart, keyEnd, ts } = this.row;
    if (this.logEnd(ts) - 1 <= this.now(shard)) return false;
    if (this.unmatched[side] || !isNullKey({ bytes: key, start: keyStart, stop: keyEnd })) this.keep(shard, side);
    return true;
  }

  advance(watermark: number): void {
    if (watermark <= this.watermark) return;
    this.watermark = watermark;
    if (watermark < this.nextDue) return;
    for (const { shard, end } of this.due(watermark)) {
      const left = shard.logs[0].get(end);
      const right = shard.logs[1].get(end);
      this.fire(shard, end - 1, { left, right });
      if (left !== undefined) this.dropLog(shard, 0, left);
      if (right !== undefined) this.dropLog(shard, 1, right);
    }
    this.nextDue = Number.POSITIVE_INFINITY;
    for (const { logs } of this.owned.values())
      for (const side of SIDES) for (const log of logs[side].values()) this.schedule(side, log);
  }

  private due(watermark: number): { shard: JoinShard; end: number }[] {
    const due: { shard: JoinShard; end: number }[] = [];
    for (const shard of this.owned.values()) {
      const ends = new Set([...shard.logs[0].keys(), ...shard.logs[1].keys()]);
      for (const end of ends) if (end - 1 <= watermark) due.push({ shard, end });
    }
    return due.toSorted((a, b) => a.end - b.end || a.shard.index - b.shard.index);
  }

  private fire(shard: JoinShard, ts: number, of: { left: RowLog | undefined; right: RowLog | undefined }): void {
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

  private fireKey(left: RowLog, key: number, of: { right: RowLog | undefined; shard: JoinShard; ts: number }): void {
    const { right, shard, ts } = of;
    const partner = right === undefined ? -1 : right.partner(left, key);
    if (partner < 0 && !this.unmatched[0]) return;
    for (let row = left.first(key); row >= 0; row = left.next(row)) {
      left.read(row, this.left);
      if (right === undefined || partner < 0) this.pair(this.left, NO_ROW, shard.index, ts);
      else this.pairAll(right, partner, { shard, ts });
    }
  }

  private pairAll(right: RowLog, partner: number, { shard, ts }: { shard: JoinShard; ts: number }): void {
    for (let row = right.first(partner); row >= 0; row = right.next(row)) {
      right.read(row, this.right);
      this.pair(this.left, this.right, shard.index, ts);
    }
  }
}
