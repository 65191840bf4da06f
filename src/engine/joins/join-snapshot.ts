import type { KeyedSnapshot, StatePiece } from "../program.ts";
import { RowWriter } from "./row-codec.ts";
import type { RowLog } from "./row-log.ts";
import { bytesOfRow, noRowAt } from "./row.ts";
import type { Side } from "./row.ts";

/** Shorter logs are not worth a history: they are written anew each time. */
const OWN_HISTORY = 1024;

export interface LogAtBarrier {
  readonly log: RowLog;
  readonly side: Side;
  /** Rows at the barrier. */
  readonly n: number;
}

export interface JoinShardAtBarrier {
  /** Watermark of the shard. */
  readonly now: number;
  /** By the end of their span of time, then by side. */
  readonly logs: readonly LogAtBarrier[];
}

interface AtBarrier {
  /** Number of the snapshot. */
  readonly snapshot: number;
  readonly shards: Map<number, JoinShardAtBarrier>;
  /** Whether the row is worth saving. */
  readonly isAlive: (side: Side, ts: number, now: number) => boolean;
  /** By side: whether it matters that a row has had a partner. */
  readonly marked: readonly [boolean, boolean];
}

/** Logs are only added to, so nothing is copied: how many rows there were is all there is to know of a barrier. */
export function joinSnapshot(at: AtBarrier): KeyedSnapshot {
  return {
    chunks: (shard) => living(at, at.shards.get(shard)),
    pieces: (shard) => pieces(at, at.shards.get(shard)),
    release: () => at.shards.clear(),
  };
}

function* living(at: AtBarrier, shard: JoinShardAtBarrier | undefined): Generator<Buffer> {
  if (shard === undefined) return;
  const writer = new RowWriter(shard.now);
  const { isAlive } = at;
  for (const held of shard.logs) {
    const wanted = (row: number): boolean => isAlive(held.side, held.log.ts[row] as number, shard.now);
    yield* rows(at, held, { writer, from: 0, wanted });
  }
  yield writer.take();
}

/** Long logs one by one, the short ones between them together. The last piece has the shard's watermark in any case. */
function* pieces(at: AtBarrier, shard: JoinShardAtBarrier | undefined): Generator<StatePiece> {
  if (shard === undefined) return;
  let short: LogAtBarrier[] = [];
  for (const held of shard.logs) {
    if (held.n < OWN_HISTORY) {
      short.push(held);
      continue;
    }
    if (short.length > 0) yield anew(at, { ...shard, logs: short });
    short = [];
    yield long(at, held, shard.now);
  }
  yield anew(at, { ...shard, logs: short });
}

const anew = (at: AtBarrier, shard: JoinShardAtBarrier): StatePiece => ({
  at: { snapshot: at.snapshot, entries: 0 },
  whole: () => living(at, shard),
  since: () => undefined,
});

/** All rows of it, also those that are done with: what follows names a row by its place. */
function long(at: AtBarrier, held: LogAtBarrier, now: number): StatePiece {
  const write = function* (from: number, earlier?: number): Generator<Buffer> {
    const writer = new RowWriter(now);
    if (earlier !== undefined && at.marked[held.side]) yield* matches(at, held, { writer, rows: from, earlier });
    yield* rows(at, held, { writer, from, wanted: () => true });
    if (!writer.empty()) yield writer.take();
  };
  return {
    of: held.log,
    at: { snapshot: at.snapshot, entries: held.n },
    whole: () => write(0),
    since: ({ entries, snapshot }) => write(entries, snapshot),
  };
}

function* rows(
  at: AtBarrier,
  { log, side, n }: LogAtBarrier,
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
  { log, side }: LogAtBarrier,
  of: { writer: RowWriter; rows: number; earlier: number },
): Generator<Buffer> {
  for (let i = 0; i < of.rows; i++) {
    if (log.wasMatched(i, of.earlier) || !log.wasMatched(i, at.snapshot)) continue;
    of.writer.addMatch({ side, ts: log.ts[i] as number, place: i });
    if (of.writer.full()) yield of.writer.take();
  }
}
