import { givesUnmatched, joinSignature } from "../joins/join-node.ts";
import type { JoinNode } from "../joins/join-node.ts";
import { JOIN_MIGRATIONS, JOIN_STATE_VERSION, readRows, RowWriter } from "../joins/row-codec.ts";
import type { Side } from "../joins/row.ts";
import type { KeyedNode, KeyedSnapshot } from "../program.ts";

export interface NaiveJoinRow {
  readonly side: Side;
  readonly ts: number;
  /** JSON. */
  readonly key: string;
  readonly bytes: Buffer;
  matched: boolean;
}

/** A result; a side without a row is undefined. */
export interface NaivePair {
  readonly left: NaiveJoinRow | undefined;
  readonly right: NaiveJoinRow | undefined;
  readonly ts: number;
}

export type GivePair = (pair: NaivePair, shard: number) => void;

interface Shard {
  floor: number;
  /** In order of arrival. */
  rows: NaiveJoinRow[];
}

/** The rows of a join as one list per shard, looked through for every record and every watermark. */
export class NaiveJoin implements KeyedNode {
  readonly node: string;
  readonly stateVersion = JOIN_STATE_VERSION;
  readonly migrations = JOIN_MIGRATIONS;
  readonly stateSignature: string;
  watermark = Number.NEGATIVE_INFINITY;
  protected time = Number.NEGATIVE_INFINITY;
  protected readonly join: JoinNode;
  protected readonly owned = new Map<number, Shard>();

  constructor(join: JoinNode) {
    this.join = join;
    this.node = join.name;
    this.stateSignature = joinSignature(join);
  }

  protected open(index: number): Shard {
    let shard = this.owned.get(index);
    if (shard === undefined) this.owned.set(index, (shard = { floor: Number.NEGATIVE_INFINITY, rows: [] }));
    return shard;
  }

  /** The end of the input is no time for a join that time does not end. */
  protected now({ floor }: Shard): number {
    return Math.max(this.time, floor);
  }

  /** When nothing that comes in time can meet the row any more. */
  private done({ side, ts }: NaiveJoinRow): number {
    const { times } = this.join;
    if (times.type === "window") return windowEnd(ts, times.sizeMs) - 1;
    if (times.type === "unbounded") return times.ttlMs === 0 ? Infinity : ts + times.ttlMs;
    if (times.type === "temporal") return ts;
    return ts + (side === 0 ? times.afterMs : times.beforeMs);
  }

  private isLate(row: NaiveJoinRow, now: number): boolean {
    const { type } = this.join.times;
    return type !== "unbounded" && (type === "window" ? this.done(row) : row.ts) <= now;
  }

  add(shardIndex: number, row: NaiveJoinRow): readonly NaivePair[] | "late" {
    const shard = this.open(shardIndex);
    if (this.isLate(row, this.now(shard))) return "late";
    if (row.key === "null" && !givesUnmatched(this.join, row.side)) return [];
    const partners = this.join.times.type === "window" ? [] : this.partners(shard.rows, row);
    // Only where nothing is late may it be forgotten already.
    if (this.done(row) > this.now(shard)) shard.rows.push(row);
    for (const partner of partners) partner.matched = row.matched = true;
    return partners.map((partner) => pairOf(row, partner, Math.max(row.ts, partner.ts)));
  }

  /** In order of time, then of arrival. */
  private partners(rows: readonly NaiveJoinRow[], row: NaiveJoinRow): NaiveJoinRow[] {
    return rows.filter((other) => this.meets(row, other)).toSorted((a, b) => a.ts - b.ts);
  }

  private meets(a: NaiveJoinRow, b: NaiveJoinRow): boolean {
    const { times } = this.join;
    if (a.side === b.side || a.key !== b.key || a.key === "null") return false;
    if (times.type === "window") return windowEnd(a.ts, times.sizeMs) === windowEnd(b.ts, times.sizeMs);
    if (times.type === "unbounded" || times.type === "temporal") return true;
    const [left, right] = a.side === 0 ? [a, b] : [b, a];
    return left.ts - times.beforeMs <= right.ts && right.ts <= left.ts + times.afterMs;
  }

  advance(watermark: number, give: GivePair): void {
    this.watermark = Math.max(watermark, this.watermark);
    if (watermark === Infinity && this.join.times.type === "unbounded") return;
    this.time = this.watermark;
    const due: { at: number; index: number; pairs: NaivePair[] }[] = [];
    for (const [index, shard] of this.owned) {
      const passed = shard.rows.filter((row) => this.done(row) <= watermark);
      for (const [at, rows] of Map.groupBy(passed, (row) => this.done(row)))
        due.push({ at, index, pairs: this.results(rows, at) });
      shard.rows = shard.rows.filter((row) => this.done(row) > watermark);
    }
    for (const { index, pairs } of due.toSorted((a, b) => a.at - b.at || a.index - b.index))
      for (const pair of pairs) give(pair, index);
  }

  /** Of rows that are done at one time: for a window they are all of its rows. */
  private results(rows: readonly NaiveJoinRow[], ts: number): NaivePair[] {
    const alone = (row: NaiveJoinRow): NaivePair[] =>
      givesUnmatched(this.join, row.side) ? [pairOf(row, undefined, ts)] : [];
    if (this.join.times.type !== "window")
      return [0, 1].flatMap((side) => rows.filter((r) => r.side === side && !r.matched).flatMap(alone));
    const byKey = (side: Side): NaiveJoinRow[] =>
      [
        ...Map.groupBy(
          rows.filter((r) => r.side === side),
          (r) => r.key,
        ).values(),
      ].flat();
    const pairs = byKey(0).flatMap((left) => {
      const partners = rows.filter((right) => this.meets(left, right));
      return partners.length === 0 ? alone(left) : partners.map((right) => pairOf(left, right, ts));
    });
    const lonely = byKey(1).filter((right) => !rows.some((left) => this.meets(left, right)));
    return [...pairs, ...lonely.flatMap(alone)];
  }

  shards(): readonly number[] {
    return [...this.owned.keys()].toSorted((a, b) => a - b);
  }

  beginSnapshot(): KeyedSnapshot {
    const chunks = new Map<number, Buffer>();
    for (const [index, shard] of this.owned) {
      const writer = new RowWriter(this.now(shard));
      for (const { side, ts, key, bytes, matched } of shard.rows) {
        const keyBytes = Buffer.from(key);
        const saved = { bytes: keyBytes, start: 0, stop: keyBytes.length };
        const known = matched && givesUnmatched(this.join, side);
        writer.add({ side, ts, matched: known, key: saved, row: { bytes, start: 0, end: bytes.length } });
      }
      chunks.set(index, writer.take());
    }
    return { chunks: (shard) => [chunks.get(shard)].filter((c) => c !== undefined), release: () => chunks.clear() };
  }

  restore(index: number, chunks: readonly Buffer[]): void {
    const shard = this.open(index);
    for (const chunk of chunks) {
      const floor = readRows(chunk, ({ side, ts, key, row, matched }) => {
        const text = Buffer.from(key.bytes.subarray(key.start, key.stop)).toString();
        shard.rows.push({ side, ts, key: text, bytes: row.bytes.subarray(row.start, row.end), matched });
      });
      shard.floor = Math.max(shard.floor, floor);
    }
  }

  size(): number {
    let n = 0;
    for (const shard of this.owned.values()) n += shard.rows.length;
    return n;
  }
}

const windowEnd = (ts: number, sizeMs: number): number => (Math.floor(ts / sizeMs) + 1) * sizeMs;

function pairOf(row: NaiveJoinRow, partner: NaiveJoinRow | undefined, ts: number): NaivePair {
  return row.side === 0 ? { left: row, right: partner, ts } : { left: partner, right: row, ts };
}
