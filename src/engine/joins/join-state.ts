import type { KeyedSnapshot } from "../program.ts";
import { murmur2 } from "../windows/murmur2.ts";
import { joinSnapshot } from "./join-snapshot.ts";
import { LoggedJoin } from "./logged-join.ts";
import type { LogShard } from "./logged-join.ts";
import type { SavedRow } from "./row-codec.ts";
import { RowLog, SHORT_LOG } from "./row-log.ts";
import type { LogRoom } from "./row-log.ts";
import { noRowAt, SIDES } from "./row.ts";
import type { Side } from "./row.ts";

export type RowShard = LogShard<RowLog>;

/** Rows of a join in memory. */
export abstract class JoinState extends LoggedJoin<RowLog> {
  /** How many have begun. */
  protected snapshots = 0;
  protected readonly left = noRowAt();
  protected readonly right = noRowAt();
  /** Of each that is not released, the logs that it has. */
  private readonly live = new Map<number, ReadonlySet<RowLog>>();
  /** By shard, then by side: of the last log that was dropped, for the next one. Where many are open, others begin small. */
  private readonly rooms: [LogRoom, LogRoom][] = [];

  protected newLog({ index }: RowShard, side: Side, end: number): RowLog {
    const rooms = this.rooms[index];
    const room = rooms?.[side];
    if (rooms !== undefined) rooms[side] = SHORT_LOG;
    return new RowLog(end, room);
  }

  protected override dropLog(shard: RowShard, side: Side, log: RowLog): void {
    super.dropLog(shard, side, log);
    const rooms = (this.rooms[shard.index] ??= [SHORT_LOG, SHORT_LOG]);
    rooms[side] = log.filled;
    if (!this.isRead(log)) log.free();
  }

  /** Keeps `row`; gives its log, of which it is the last row. */
  protected keep(shard: RowShard, side: Side): RowLog {
    const log = this.logAt(shard, side, this.row.ts);
    log.add(this.row);
    return log;
  }

  private isRead(log: RowLog): boolean {
    return [...this.live.values()].some((logs) => logs.has(log));
  }

  beginSnapshot(): KeyedSnapshot {
    const snapshot = ++this.snapshots;
    const shards = this.atBarrier(snapshot);
    this.live.set(snapshot, new Set([...shards.values()].flatMap(({ logs }) => logs.map(({ log }) => log))));
    const isAlive = (side: Side, ts: number, now: number): boolean => this.isAlive(side, ts, now);
    return joinSnapshot({
      snapshot,
      shards,
      isAlive,
      marked: this.unmatched,
      released: () => this.live.delete(snapshot),
    });
  }

  protected load(shard: RowShard, { side, ts, key, row, matched }: SavedRow): void {
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

  protected loadMatch(log: RowLog, place: number): void {
    log.match(place, 0);
  }

  size(): number {
    let n = 0;
    for (const shard of this.owned.values())
      for (const side of SIDES) for (const log of shard.logs[side].values()) n += this.living(shard, side, log);
    return n;
  }

  private living(shard: RowShard, side: Side, log: RowLog): number {
    const now = this.now(shard);
    let n = 0;
    for (let i = 0; i < log.n; i++) if (this.isAlive(side, log.ts[i] as number, now)) n++;
    return n;
  }
}
