import type { KeyedSnapshot, PiecePosition } from "../program.ts";
import { logPieces } from "./log-pieces.ts";
import type { LogAtBarrier, LogWriters, ShardAtBarrier } from "./log-pieces.ts";
import { RowWriter } from "./row-codec.ts";
import type { RowLog } from "./row-log.ts";
import { bytesOfRow, noRowAt } from "./row.ts";
import type { Side } from "./row.ts";

interface AtBarrier {
  /** Number of the snapshot. */
  readonly snapshot: number;
  readonly shards: Map<number, ShardAtBarrier<RowLog>>;
  /** Whether the row is worth saving. */
  readonly isAlive: (side: Side, ts: number, now: number) => boolean;
  /** By side: whether it matters that a row has had a partner. */
  readonly marked: readonly [boolean, boolean];
  readonly released: () => void;
}

/** Logs are only added to, so nothing is copied: how many rows there were is all there is to know of a barrier. */
export function joinSnapshot(at: AtBarrier): KeyedSnapshot {
  const writers: LogWriters<RowLog> = {
    snapshot: at.snapshot,
    living: (shard) => living(at, shard),
    rows: (held, writer, since) => written(at, { held, writer, since }),
  };
  return {
    chunks: (shard) => living(at, at.shards.get(shard)),
    pieces: (shard) => logPieces(at.shards.get(shard), writers),
    release: () => {
      at.shards.clear();
      at.released();
    },
  };
}

function* living(at: AtBarrier, shard: ShardAtBarrier<RowLog> | undefined): Generator<Buffer> {
  if (shard === undefined) return;
  const writer = new RowWriter(shard.now);
  const { isAlive } = at;
  for (const held of shard.logs) {
    const wanted = (ts: number): boolean => isAlive(held.side, ts, shard.now);
    yield* rowsOf(partOf(at, held), { writer, from: 0, wanted });
  }
  yield writer.take();
}

function* written(
  at: AtBarrier,
  { held, writer, since }: { held: LogAtBarrier<RowLog>; writer: RowWriter; since: PiecePosition | undefined },
): Generator<Buffer> {
  const part = partOf(at, held);
  if (since !== undefined) yield* matchesOf(part, { writer, since });
  yield* rowsOf(part, { writer, from: since?.entries ?? 0, wanted: () => true });
}

/** Rows in memory at a barrier. */
export interface RowsAtBarrier {
  readonly log: RowLog;
  readonly side: Side;
  /** How many of the log's rows came before them. */
  readonly before: number;
  readonly n: number;
  /** Number of the snapshot. */
  readonly snapshot: number;
  /** Whether it matters that a row has had a partner. */
  readonly isMarked: boolean;
}

function partOf({ snapshot, marked }: AtBarrier, { log, side, n }: LogAtBarrier<RowLog>): RowsAtBarrier {
  return { log, side, before: 0, n, snapshot, isMarked: marked[side] };
}

/** Those from place `from` on. */
export function* rowsOf(
  { log, side, before, n, snapshot, isMarked }: RowsAtBarrier,
  of: { writer: RowWriter; from: number; wanted: (ts: number) => boolean },
): Generator<Buffer> {
  const { writer, from, wanted } = of;
  const row = noRowAt();
  for (let i = Math.max(0, from - before); i < n; i++) {
    const ts = log.ts[i] as number;
    if (!wanted(ts)) continue;
    log.read(i, row);
    const matched = isMarked && log.wasMatched(i, snapshot);
    writer.add({ side, ts, matched, key: log.keyOfRow(i), row: bytesOfRow(row) });
    if (writer.full()) yield writer.take();
  }
}

/** Rows that were written and have had a partner since. */
export function* matchesOf(
  { log, side, before, snapshot, isMarked }: RowsAtBarrier,
  { writer, since }: { writer: RowWriter; since: PiecePosition },
): Generator<Buffer> {
  if (!isMarked) return;
  for (let i = 0; i < since.entries - before; i++) {
    if (log.wasMatched(i, since.snapshot) || !log.wasMatched(i, snapshot)) continue;
    writer.addMatch({ side, ts: log.ts[i] as number, place: before + i });
    if (writer.full()) yield writer.take();
  }
}
