import type { Division } from "../keyed-state/division.ts";
import { rowDivision } from "./row-division.ts";
import { lastWatermark } from "../windows/chunk-writer.ts";
import type { JoinNode } from "./join-node.ts";
import { KeyedJoin } from "./keyed-join.ts";
import type { JoinShard } from "./keyed-join.ts";
import type { ShardAtBarrier } from "./log-pieces.ts";
import { floorOfRows, readSaved } from "./row-codec.ts";
import type { SavedRow } from "./row-codec.ts";
import { SIDES } from "./row.ts";
import type { Side } from "./row.ts";
import { ShortLogs } from "./short-logs.ts";
import type { Spans } from "./spans.ts";

/** Rows of one side in one shard and one span of time. */
export interface Log {
  /** First millisecond after its span. */
  readonly end: number;
  /** Rows. */
  readonly n: number;
}

export interface LogShard<L extends object> extends JoinShard {
  /** By side, then by the end of their span of time, in order of it. */
  readonly logs: readonly [Map<number, L>, Map<number, L>];
  readonly short: ShortLogs<L>;
  /** By side, the log of the last row: most rows come into the same one. */
  readonly last: [L | undefined, L | undefined];
}

/** Rows of a join: shard → side → span of time → log. Time drops logs as wholes. */
export abstract class LoggedJoin<L extends Log> extends KeyedJoin<LogShard<L>> {
  protected readonly spanMs: number;
  protected readonly laterMs: readonly [number, number];
  /** The last watermark that is a time: the end of the input is none. */
  protected time = Number.NEGATIVE_INFINITY;
  /** Nothing is due to be given or dropped below this watermark. */
  protected nextDue = Number.POSITIVE_INFINITY;

  constructor(node: JoinNode, { spanMs, laterMs }: Spans) {
    super(node);
    this.spanMs = spanMs;
    this.laterMs = laterMs;
  }

  protected abstract newLog(shard: LogShard<L>, side: Side, end: number): L;
  /** Puts a saved row where it was. */
  protected abstract load(shard: LogShard<L>, row: SavedRow): void;
  /** A saved row has had a partner, by its place in its log. */
  protected abstract loadMatch(log: L, place: number): void;
  /** Gives what is due, and drops what has passed. */
  protected abstract pass(watermark: number): void;

  protected newShard(index: number): LogShard<L> {
    const logs = [new Map(), new Map()] as const;
    return { index, floor: Number.NEGATIVE_INFINITY, logs, short: new ShortLogs(), last: [undefined, undefined] };
  }

  protected logEnd(ts: number): number {
    const { spanMs } = this;
    return spanMs === Number.POSITIVE_INFINITY ? spanMs : Math.floor(ts / spanMs) * spanMs + spanMs;
  }

  /** When no row of a log can meet one that comes after. */
  private lastMoment(side: Side, end: number): number {
    return end - 1 + this.laterMs[side];
  }

  /** Whether a row that came in time can still meet this one. */
  protected isAlive(side: Side, ts: number, now: number): boolean {
    return ts + this.laterMs[side] > now;
  }

  /** The log for rows of that time, which is there from now on. */
  protected logAt(shard: LogShard<L>, side: Side, ts: number): L {
    const end = this.logEnd(ts);
    const last = shard.last[side];
    if (last?.end === end) return last;
    const log = shard.logs[side].get(end) ?? this.openLog(shard, side, end);
    shard.last[side] = log;
    return log;
  }

  private openLog(shard: LogShard<L>, side: Side, end: number): L {
    const logs = shard.logs[side];
    const log = this.newLog(shard, side, end);
    logs.set(end, log);
    sortByEnd(logs);
    this.nextDue = Math.min(this.nextDue, this.lastMoment(side, end));
    return log;
  }

  protected dropLog(shard: LogShard<L>, side: Side, log: L): void {
    shard.logs[side].delete(log.end);
    if (shard.last[side] === log) shard.last[side] = undefined;
  }

  advance(watermark: number): void {
    if (watermark <= this.watermark) return;
    this.watermark = watermark;
    if (watermark < Number.POSITIVE_INFINITY) this.time = watermark;
    if (watermark < this.nextDue) return;
    this.nextDue = Number.POSITIVE_INFINITY;
    this.pass(watermark);
  }

  /** Drops the logs of which no row can meet one that comes after `time`, and notes when the next one can go. */
  protected dropPassed(time: number): void {
    for (const shard of this.owned.values()) for (const side of SIDES) this.dropOf(shard, side, time);
  }

  private dropOf(shard: LogShard<L>, side: Side, time: number): void {
    for (const log of shard.logs[side].values()) {
      const last = this.lastMoment(side, log.end);
      if (last <= time) this.dropLog(shard, side, log);
      else this.nextDue = Math.min(this.nextDue, last);
    }
  }

  /** By shard: logs by the end of their span of time, then by side. */
  protected atBarrier(snapshot: number): Map<number, ShardAtBarrier<L>> {
    const shards = new Map<number, ShardAtBarrier<L>>();
    for (const shard of this.owned.values()) {
      const logs = SIDES.flatMap((side) => [...shard.logs[side].values()].map((log) => ({ log, side, n: log.n })));
      const inOrder = logs.toSorted((a, b) => a.log.end - b.log.end || a.side - b.side);
      const counts = shard.short.barrier(snapshot, inOrder);
      shards.set(shard.index, { now: this.now(shard), logs: inOrder, counts });
    }
    return shards;
  }

  restore(index: number, chunks: readonly Buffer[], stateVersion: number): void {
    const shard = this.restorable(index, stateVersion);
    for (const chunk of chunks) shard.floor = Math.max(shard.floor, floorOfRows(chunk));
    const watermark = lastWatermark(chunks);
    for (const chunk of chunks)
      readSaved(chunk, {
        row: (row) => {
          if (!this.wasDropped(row, watermark)) this.restoreRow(shard, row);
        },
        match: ({ side, ts, place }) => {
          const log = shard.logs[side].get(this.logEnd(ts));
          if (log !== undefined) this.loadMatch(log, place);
        },
      });
  }

  division(floor: number): Division {
    return rowDivision({
      floor,
      unmatched: this.unmatched,
      isAlive: (side, ts, now) => this.isAlive(side, ts, now),
      logEnd: (ts) => this.logEnd(ts),
      wasDropped: (row, watermark) => this.wasDropped(row, watermark),
    });
  }

  /** Its log was, after an earlier checkpoint had it. */
  private wasDropped({ side, ts }: SavedRow, watermark: number): boolean {
    return this.lastMoment(side, this.logEnd(ts)) <= watermark;
  }

  /**
   * Rows that are done with are in logs that were saved as a whole, and where rows were kept longer than they are from now on:
   * each could open a log of its own. Where matches tell rows by their places they stay, and have had their result.
   */
  private restoreRow(shard: LogShard<L>, row: SavedRow): void {
    if (this.isAlive(row.side, row.ts, shard.floor)) this.load(shard, row);
    else if (this.unmatched[row.side]) this.load(shard, { ...row, matched: true });
  }
}

/** The newest log is the last one; that it belongs further up is rare. */
function sortByEnd<L>(logs: Map<number, L>): void {
  const ends = [...logs.keys()];
  if ((ends.at(-1) as number) >= (ends.at(-2) ?? Number.NEGATIVE_INFINITY)) return;
  const inOrder = [...logs].toSorted(([a], [b]) => a - b);
  logs.clear();
  for (const [end, log] of inOrder) logs.set(end, log);
}
