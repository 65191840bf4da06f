import { matchesOf, rowsOf } from "../joins/join-snapshot.ts";
import type { RowsAtBarrier } from "../joins/join-snapshot.ts";
import { logPieces } from "../joins/log-pieces.ts";
import type { LogAtBarrier, LogWriters, ShardAtBarrier } from "../joins/log-pieces.ts";
import { rowAt, RowWriter } from "../joins/row-codec.ts";
import type { Side } from "../joins/row.ts";
import type { KeyedSnapshot, PiecePosition } from "../program.ts";
import { NOTHING } from "../windows/pieces.ts";
import type { StoredPair } from "./database.ts";
import type { RowsSnapshot } from "./join-rows.ts";
import { VALUE_HEADER } from "./packed-writes.ts";
import { numberOf } from "./stored-log.ts";
import type { StoredLog } from "./stored-log.ts";

type HeldLog = LogAtBarrier<StoredLog>;

interface AtBarrier {
  readonly rows: RowsSnapshot;
  readonly shards: Map<number, ShardAtBarrier<StoredLog>>;
  /** Whether the row is worth saving. */
  readonly isAlive: (side: Side, ts: number, now: number) => boolean;
  /** By side: whether it matters that a row has had a partner. */
  readonly marked: readonly [boolean, boolean];
}

/** What `joinSnapshot` gives of rows in memory: first those of a log that are in the database, then the others. */
export function rocksJoinSnapshot(at: AtBarrier): KeyedSnapshot {
  const writers: LogWriters<StoredLog> = {
    snapshot: at.rows.number,
    living: (shard) => living(at, shard),
    rows: (held, writer, since) => written(at, { held, writer, since }),
  };
  return {
    chunks: (shard) => living(at, at.shards.get(shard)),
    pieces: (shard) => logPieces(at.shards.get(shard), writers),
    release: () => at.rows.release(),
  };
}

/** How many rows of a log were in the database. */
const storedOf = ({ rows }: AtBarrier, { log }: HeldLog): number => rows.contents.get(log)?.stored ?? 0;

/** Rows of a log that were not. */
function tailOf(at: AtBarrier, held: HeldLog): RowsAtBarrier | undefined {
  const { stored = 0, tail } = at.rows.contents.get(held.log) ?? {};
  if (tail === undefined) return undefined;
  const { side, n } = held;
  return { log: tail, side, before: stored, n: n - stored, snapshot: at.rows.number, isMarked: at.marked[side] };
}

function* living(at: AtBarrier, shard: ShardAtBarrier<StoredLog> | undefined): Generator<Buffer> {
  if (shard === undefined) return;
  const writer = new RowWriter(shard.now);
  for (const held of shard.logs) {
    const wanted = (ts: number): boolean => at.isAlive(held.side, ts, shard.now);
    for (const { value } of pairsOf(at, held)) {
      const saved = value.subarray(VALUE_HEADER);
      if (wanted(saved.readDoubleLE(0))) writer.raw(saved);
      if (writer.full()) yield writer.take();
    }
    const tail = tailOf(at, held);
    if (tail !== undefined) yield* rowsOf(tail, { writer, from: 0, wanted });
  }
  yield writer.take();
}

function* pairsOf(at: AtBarrier, held: HeldLog): Generator<StoredPair> {
  if (storedOf(at, held) > 0) for (const part of at.rows.of.pairs(held.log.prefix)) yield* part;
}

function* written(
  at: AtBarrier,
  { held, writer, since }: { held: HeldLog; writer: RowWriter; since: PiecePosition | undefined },
): Generator<Buffer> {
  if (storedOf(at, held) > 0) yield* changedOf(at, writer, { held, since });
  const tail = tailOf(at, held);
  if (tail === undefined) return;
  if (since !== undefined) yield* matchesOf(tail, { writer, since });
  yield* rowsOf(tail, { writer, from: since?.entries ?? 0, wanted: () => true });
}

/** With `since`, an empty buffer says that there was nothing for a while. */
function* changedOf(
  at: AtBarrier,
  writer: RowWriter,
  of: { held: HeldLog; since: PiecePosition | undefined },
): Generator<Buffer> {
  const { log } = of.held;
  const { snapshot: since, entries: rows } = of.since ?? { snapshot: 0, entries: 0 };
  for (const part of at.rows.of.pairs(log.prefix, { since })) {
    for (const { key, value } of part) {
      addChanged(writer, { place: numberOf(key), rows, log, saved: value.subarray(VALUE_HEADER) });
      if (writer.full()) yield writer.take();
    }
    if (since > 0) yield NOTHING;
  }
}

/** A row that was written before is written again when it has had a partner, and for nothing else. */
function addChanged(writer: RowWriter, of: { place: number; rows: number; log: StoredLog; saved: Buffer }): void {
  const { place, rows, log, saved } = of;
  if (place >= rows) writer.raw(saved);
  else if (rowAt(saved, 0).matched) writer.addMatch({ side: log.side, ts: saved.readDoubleLE(0), place });
}
