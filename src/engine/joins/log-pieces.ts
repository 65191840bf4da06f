import type { PiecePosition, StatePiece } from "../program.ts";
import { anew, NOTHING, rest } from "../windows/pieces.ts";
import { RowWriter } from "./row-codec.ts";
import type { Side } from "./row.ts";
import { countAt, isShort } from "./short-logs.ts";
import type { Counts } from "./short-logs.ts";

export interface LogAtBarrier<L> {
  readonly log: L;
  readonly side: Side;
  /** Rows at the barrier. */
  readonly n: number;
}

export interface ShardAtBarrier<L extends object> {
  /** Watermark of the shard. */
  readonly now: number;
  /** By the end of their span of time, then by side. */
  readonly logs: readonly LogAtBarrier<L>[];
  /** Of the short ones among them, where they have a history. */
  readonly counts: Counts<L> | undefined;
}

/** How the rows of a snapshot are written. */
export interface LogWriters<L extends object> {
  /** Number of the snapshot. */
  readonly snapshot: number;
  /** The rows that are worth saving, and the shard's watermark in any case. */
  living(shard: ShardAtBarrier<L>): Iterable<Buffer>;
  /** All rows of a log, also those that are done with: what follows names a row by its place. Or what came to it since. */
  rows(held: LogAtBarrier<L>, writer: RowWriter, since?: PiecePosition): Iterable<Buffer>;
}

/** Long logs one by one, the short ones together. The last piece has the shard's watermark in any case. */
export function* logPieces<L extends object>(
  shard: ShardAtBarrier<L> | undefined,
  of: LogWriters<L>,
): Generator<StatePiece> {
  if (shard === undefined) return;
  const { now, logs, counts } = shard;
  for (const held of logs) if (!isShort(held)) yield long(held, now, of);
  const short = { ...shard, logs: logs.filter(isShort) };
  if (counts !== undefined) yield together(short, counts, of);
  const left = counts === undefined ? short : { ...shard, logs: [] };
  yield anew(of.snapshot, () => of.living(left));
}

function long<L extends object>(held: LogAtBarrier<L>, now: number, of: LogWriters<L>): StatePiece {
  const rows = (since?: PiecePosition): Iterable<Buffer> =>
    rest(new RowWriter(now), (writer) => of.rows(held, writer, since));
  return { of: held.log, at: { snapshot: of.snapshot, entries: held.n }, whole: () => rows(), since: rows };
}

/** Logs that were dropped since are in what was saved before: the watermark tells which when it is restored. */
function together<L extends object>(
  { logs, now }: ShardAtBarrier<L>,
  counts: Counts<L>,
  { snapshot, rows }: LogWriters<L>,
): StatePiece {
  const whole = function* (writer: RowWriter): Generator<Buffer> {
    for (const held of logs) yield* rows(held, writer);
  };
  const changes = function* (writer: RowWriter, since: number): Generator<Buffer> {
    for (const held of logs) {
      yield* rows(held, writer, { snapshot: since, entries: countAt(counts, held.log, since) });
      yield NOTHING;
    }
  };
  return {
    of: counts,
    at: { snapshot, entries: 0 },
    whole: () => rest(new RowWriter(now), whole),
    since: (earlier) => rest(new RowWriter(now), (writer) => changes(writer, earlier.snapshot)),
  };
}
