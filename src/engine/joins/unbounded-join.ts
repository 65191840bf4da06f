import type { JoinNode } from "./join-node.ts";
import { JoinState } from "./join-state.ts";
import type { JoinShard } from "./join-state.ts";
import { partners } from "./partners.ts";
import type { RowLog } from "./row-log.ts";
import { isNullKey, SIDES } from "./row.ts";
import type { KeyRange, Side } from "./row.ts";

/** Rows are dropped in spans of a quarter of their time to live, so that at most a quarter more than needed is held. */
const SPANS = 4;
const SHORTEST_SPAN_MS = 1000;

const ALWAYS = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY };

/**
 * Pairs of rows with one key, however far apart their times are: given when the second one comes, partners in order of
 * their time and then of arrival. Nothing is late. A row is forgotten when the watermark has come `ttlMs` further than its
 * time; with 0 never, and all rows of a side are in one log.
 */
export class UnboundedJoin extends JoinState {
  private readonly ttl: number;
  private readonly spanMs: number;
  /** The end of time is not a time: a bounded input that ended forgets nothing. */
  private time = Number.NEGATIVE_INFINITY;
  /** No log is to be dropped below this watermark. */
  private nextDue = Number.POSITIVE_INFINITY;

  constructor(node: JoinNode, ttlMs: number) {
    super(node);
    this.ttl = ttlMs === 0 ? Number.POSITIVE_INFINITY : ttlMs;
    this.spanMs = spanOf(ttlMs);
  }

  protected override now(shard: JoinShard): number {
    return Math.max(this.time, shard.floor);
  }

  protected logEnd(ts: number): number {
    if (this.ttl === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
    return Math.floor(ts / this.spanMs) * this.spanMs + this.spanMs;
  }

  protected isAlive(_side: Side, ts: number, now: number): boolean {
    return ts + this.ttl > now;
  }

  protected schedule(_side: Side, { end }: RowLog): void {
    this.nextDue = Math.min(this.nextDue, end - 1 + this.ttl);
  }

  add(side: Side, shardIndex: number): boolean {
    const shard = this.shard(shardIndex);
    const { key, keyStart, keyEnd } = this.row;
    if (isNullKey({ bytes: key, start: keyStart, stop: keyEnd })) return true;
    const log = this.keep(shard, side);
    log.read(log.n - 1, side === 0 ? this.left : this.right);
    this.meet(shard, side, log.keyOfRow(log.n - 1));
    return true;
  }

  /** The key is a copy: what a result sets off may need the original's place. */
  private meet(shard: JoinShard, side: Side, { bytes, start, stop }: KeyRange): void {
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

  advance(watermark: number): void {
    if (watermark <= this.watermark) return;
    this.watermark = watermark;
    if (watermark === Number.POSITIVE_INFINITY) return;
    this.time = watermark;
    if (watermark < this.nextDue) return;
    this.nextDue = Number.POSITIVE_INFINITY;
    for (const { logs } of this.owned.values()) for (const side of SIDES) this.drop(logs[side], side);
  }

  private drop(logs: Map<number, RowLog>, side: Side): void {
    for (const log of logs.values()) {
      if (log.end - 1 + this.ttl <= this.time) logs.delete(log.end);
      else this.schedule(side, log);
    }
  }
}

export const spanOf = (ttlMs: number): number => Math.max(SHORTEST_SPAN_MS, Math.ceil(ttlMs / SPANS));
