import type { KeyedSnapshot, PiecePosition } from "../program.ts";
import { logPieces } from "./log-pieces.ts";
import type { LogAtBarrier, LogWriters, ShardAtBarrier } from "./log-pieces.ts";
import { RowWriter } from "./row-codec.ts";
import type { RowLog } from "./row-log.ts";
import { bytesOfRow, noRowAt } from "./row.ts";
import type { Side } from "./row.ts";

type HeldLog = LogAtBarrier<RowLog>;

interface AtBarrier {
  /** Number of the snapshot. */
  readonly snapshot: number;
  readonly shards: Map<number, ShardAtBarrier<RowLog>>;
  /** Whether the row is worth saving. */
  readonly isAlive: (side: Side, ts: number, now: number) => boolean;
  /** By side: whether it matters that a row has had a partner. */
  readonly marked: readonly [boolean, boolean];
}

/** Logs are only added to, so nothing is copied: how many rows there were is all there is to know of a barrier. */
export function joinSnapshot(at: AtBarrier): KeyedSnapshot {
  const writers: LogWriters<RowLog> = {
    snapshot: at.snapshot,
    living: (shard) => living(at, shard),
    rows: (held, now, since) => written(at, { held, now, since }),
  };
  return {
    chunks: (shard) => living(at, at.shards.get(shard)),
    pieces: (shard) => logPieces(at.shards.get(shard), writers),
    release: () => at.shards.clear(),
  };
}

function* living(at: AtBarrier, shard: ShardAtBarrier<RowLog> | undefined): Generator<Buffer> {
  if (shard === undefined) return;
  const writer = new RowWriter(shard.now);
  const { isAlive } = at;
  for (const held of shard.logs) {
    const wanted = (row: number): boolean => isAlive(held.side, held.log.ts[row] as number, shard.now);
    yield* rows(at, held, { writer, from: 0, wanted });
  }
  yield writer.take();
}

function* written(
  at: AtBarrier,
  of: { held: HeldLog; now: number; since: PiecePosition | undefined },
): Generator<Buffer> {
  const { held, now, since } = of;
  const writer = new RowWriter(now);
  if (since !== undefined && at.marked[held.side]) yield* matches(at, held, { writer, since });
  yield* rows(at, held, { writer, from: since?.entries ?? 0, wanted: () => true });
  if (!writer.empty()) yield writer.take();
}

function* rows(
  at: AtBarrier,
  { log, side, n }: HeldLog,
  of: { writer: RowWriter; from: number; wanted: (row: number) => boolean },
): Generator<Buffer> {
  const { writer, from, wanted } = of;
  const row = noRowAt();
  for (let i = from; i < n; i++) {
    if (!wanted(i)) continue;
    log.read(i, row);
    const matched = at.marked[side] && log.wasMatched(i, at.snapshot);
    writer.add({ side, ts: log.ts[i] as number, matched, key: log.keyOfRow(i), row: bytesOfRow(row) });
    if (writer.full()) yield writer.take();
  }
}

/** Rows that were written and have had a partner since. */
function* matches(
  at: AtBarrier,
  { log, side }: HeldLog,
  { writer, since }: { writer: RowWriter; since: PiecePosition },
): Generator<Buffer> {
  for (let i = 0; i < since.entries; i++) {
    if (log.wasMatched(i, since.snapshot) || !log.wasMatched(i, at.snapshot)) continue;
    writer.addMatch({ side, ts: log.ts[i] as number, place: i });
    if (writer.full()) yield writer.take();
  }
}
