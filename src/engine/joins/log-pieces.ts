import type { PiecePosition, StatePiece } from "../program.ts";
import type { Side } from "./row.ts";

/** Shorter logs are not worth a history: they are written anew each time. */
const OWN_HISTORY = 1024;

export interface LogAtBarrier<L> {
  readonly log: L;
  readonly side: Side;
  /** Rows at the barrier. */
  readonly n: number;
}

export interface ShardAtBarrier<L> {
  /** Watermark of the shard. */
  readonly now: number;
  /** By the end of their span of time, then by side. */
  readonly logs: readonly LogAtBarrier<L>[];
}

/** How the rows of a snapshot are written. */
export interface LogWriters<L> {
  /** Number of the snapshot. */
  readonly snapshot: number;
  /** The rows that are worth saving, and the shard's watermark in any case. */
  living(shard: ShardAtBarrier<L>): Iterable<Buffer>;
  /** All rows of a log, also those that are done with: what follows names a row by its place. Or what came to it since. */
  rows(held: LogAtBarrier<L>, now: number, since?: PiecePosition): Iterable<Buffer>;
}

/** Long logs one by one, the short ones between them together. The last piece has the shard's watermark in any case. */
export function* logPieces<L extends object>(
  shard: ShardAtBarrier<L> | undefined,
  of: LogWriters<L>,
): Generator<StatePiece> {
  if (shard === undefined) return;
  let short: LogAtBarrier<L>[] = [];
  for (const held of shard.logs) {
    if (held.n < OWN_HISTORY) {
      short.push(held);
      continue;
    }
    if (short.length > 0) yield anew({ ...shard, logs: short }, of);
    short = [];
    yield long(held, shard.now, of);
  }
  yield anew({ ...shard, logs: short }, of);
}

const anew = <L>(shard: ShardAtBarrier<L>, of: LogWriters<L>): StatePiece => ({
  at: { snapshot: of.snapshot, entries: 0 },
  whole: () => of.living(shard),
  since: () => undefined,
});

const long = <L extends object>(held: LogAtBarrier<L>, now: number, of: LogWriters<L>): StatePiece => ({
  of: held.log,
  at: { snapshot: of.snapshot, entries: held.n },
  whole: () => of.rows(held, now),
  since: (earlier) => of.rows(held, now, earlier),
});
