import type { KeyedNode, KeyedSnapshot } from "../program.ts";
import { murmur2 } from "../windows/murmur2.ts";
import { requireRestorable } from "../windows/restorable.ts";
import { givesUnmatched, joinSignature } from "./join-node.ts";
import type { JoinNode } from "./join-node.ts";
import { joinSnapshot } from "./join-snapshot.ts";
import type { JoinShardAtBarrier, LogAtBarrier } from "./join-snapshot.ts";
import { JOIN_STATE_VERSION, readSaved } from "./row-codec.ts";
import type { SavedMatch, SavedRow } from "./row-codec.ts";
import { RowLog, SHORT_LOG } from "./row-log.ts";
import type { LogRoom } from "./row-log.ts";
import { noRowAt, SIDES } from "./row.ts";
import type { IncomingRow, Pair, Side } from "./row.ts";

const NOTHING = Buffer.alloc(0);

export interface JoinShard {
  readonly index: number;
  /** Watermark at the restored barrier: what was late then is late now, whatever the other shards say. */
  floor: number;
  /** By side, then by the end of their span of time, in order of it. */
  readonly logs: readonly [Map<number, RowLog>, Map<number, RowLog>];
  /** By side: of the last log that was dropped. */
  readonly rooms: [LogRoom, LogRoom];
}

/**
 * Rows of a join: shard → side → span of time → log. A chain puts a record into `row` and calls `add`; results go to
 * `pair`, which the chain below the join sets. Time drops logs as wholes.
 */
export abstract class JoinState implements KeyedNode {
  readonly node: string;
  readonly stateVersion = JOIN_STATE_VERSION;
  readonly stateSignature: string;
  watermark = Number.NEGATIVE_INFINITY;
  readonly row: IncomingRow;
  pair: Pair = () => undefined;
  /** How many have begun. */
  protected snapshots = 0;
  /** By side: whether a row without a partner gives a result. */
  protected readonly unmatched: readonly [boolean, boolean];
  protected readonly left = noRowAt();
  protected readonly right = noRowAt();
  protected readonly owned = new Map<number, JoinShard>();
  private readonly byIndex: (JoinShard | undefined)[] = [];

  constructor(node: JoinNode) {
    this.node = node.name;
    this.stateSignature = joinSignature(node);
    this.unmatched = [givesUnmatched(node, 0), givesUnmatched(node, 1)];
    this.row = { key: NOTHING, keyStart: 0, keyEnd: 0, hash: 0, ...noRowAt(), ts: 0 };
  }

  /** Takes `row` in; false where it is late. */
  abstract add(side: Side, shard: number): boolean;
  /** Moves the watermark: gives the results that are due by time, and drops rows that no record can meet any more. */
  abstract advance(watermark: number): void;
  protected abstract logEnd(ts: number): number;
  /** Notes when something is due for a row that was added. */
  protected abstract schedule(side: Side, log: RowLog, ts: number): void;
  /** Whether a row that came in time can still meet this one. */
  protected abstract isAlive(side: Side, ts: number, now: number): boolean;

  protected shard(index: number): JoinShard {
    return this.byIndex[index] ?? this.open(index);
  }

  private open(index: number): JoinShard {
    const logs: JoinShard["logs"] = [new Map(), new Map()];
    const shard: JoinShard = { index, floor: Number.NEGATIVE_INFINITY, logs, rooms: [SHORT_LOG, SHORT_LOG] };
    this.owned.set(index, shard);
    this.byIndex[index] = shard;
    return shard;
  }

  protected now(shard: JoinShard): number {
    return Math.max(this.watermark, shard.floor);
  }

  /** Keeps `row`; gives its log, of which it is the last row. */
  protected keep(shard: JoinShard, side: Side): RowLog {
    const end = this.logEnd(this.row.ts);
    const logs = shard.logs[side];
    let log = logs.get(end);
    if (log === undefined) {
      logs.set(end, (log = new RowLog(end, shard.rooms[side])));
      sortByEnd(logs);
    }
    log.add(this.row);
    this.schedule(side, log, this.row.ts);
    return log;
  }

  /** No row that comes can meet those of this log any more. */
  protected dropLog(shard: JoinShard, side: Side, log: RowLog): void {
    shard.logs[side].delete(log.end);
    shard.rooms[side] = log.filled;
  }

  shards(): readonly number[] {
    return [...this.owned.keys()].toSorted((a, b) => a - b);
  }

  beginSnapshot(): KeyedSnapshot {
    this.snapshots++;
    const shards = new Map<number, JoinShardAtBarrier>();
    for (const shard of this.owned.values())
      shards.set(shard.index, { now: this.now(shard), logs: this.logsOf(shard) });
    const isAlive = (side: Side, ts: number, now: number): boolean => this.isAlive(side, ts, now);
    return joinSnapshot({ snapshot: this.snapshots, shards, isAlive, marked: this.unmatched });
  }

  private logsOf({ logs }: JoinShard): LogAtBarrier[] {
    const all = SIDES.flatMap((side) => [...logs[side].values()].map((log) => ({ log, side, n: log.n })));
    return all.toSorted((a, b) => a.log.end - b.log.end || a.side - b.side);
  }

  restore(index: number, chunks: readonly Buffer[], stateVersion: number): void {
    const isOwned = this.owned.has(index);
    requireRestorable(this.node, { index, isOwned, stateVersion, known: JOIN_STATE_VERSION });
    const shard = this.open(index);
    const taker = {
      row: (saved: SavedRow): void => this.load(shard, saved),
      match: ({ side, ts, place }: SavedMatch): void => shard.logs[side].get(this.logEnd(ts))?.match(place, 0),
    };
    for (const chunk of chunks) shard.floor = Math.max(shard.floor, readSaved(chunk, taker));
    for (const side of SIDES) if (this.unmatched[side]) this.settle(shard, side);
  }

  /** Of a log that was saved as a whole, rows that are done with have had their result. */
  private settle(shard: JoinShard, side: Side): void {
    for (const log of shard.logs[side].values())
      for (let row = 0; row < log.n; row++)
        if (!this.isAlive(side, log.ts[row] as number, shard.floor)) log.match(row, 0);
  }

  private load(shard: JoinShard, { side, ts, key, row, matched }: SavedRow): void {
    const incoming = this.row;
    incoming.key = key.bytes;
    incoming.keyStart = key.start;
    incoming.keyEnd = key.stop;
    incoming.hash = murmur2(key.bytes, key.start, key.stop);
    incoming.bytes = row.bytes;
    incoming.start = row.start;
    incoming.end = row.end;
    incoming.row = undefined;
    incoming.ts = ts;
    const log = this.keep(shard, side);
    if (matched) log.match(log.n - 1, 0);
  }

  size(): number {
    let n = 0;
    for (const shard of this.owned.values())
      for (const side of SIDES) for (const log of shard.logs[side].values()) n += this.living(shard, side, log);
    return n;
  }

  private living(shard: JoinShard, side: Side, log: RowLog): number {
    const now = this.now(shard);
    let n = 0;
    for (let i = 0; i < log.n; i++) if (this.isAlive(side, log.ts[i] as number, now)) n++;
    return n;
  }
}

/** The newest log is the last one; that it belongs further up is rare. */
export function sortByEnd<Log>(logs: Map<number, Log>): void {
  const ends = [...logs.keys()];
  if ((ends.at(-1) as number) >= (ends.at(-2) ?? Number.NEGATIVE_INFINITY)) return;
  const inOrder = [...logs].toSorted(([a], [b]) => a - b);
  logs.clear();
  for (const [end, log] of inOrder) logs.set(end, log);
}
