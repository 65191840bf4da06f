import { logPieces } from "../joins/log-pieces.ts";
import type { LogAtBarrier, LogWriters, ShardAtBarrier } from "../joins/log-pieces.ts";
import { rowAt, RowWriter } from "../joins/row-codec.ts";
import type { Side } from "../joins/row.ts";
import type { KeyedSnapshot, PiecePosition } from "../program.ts";
import type { DatabaseSnapshot, StoredPair } from "./database.ts";
import { VALUE_HEADER } from "./packed-writes.ts";
import { numberOf } from "./stored-log.ts";
import type { StoredLog } from "./stored-log.ts";

const NOTHING = Buffer.alloc(0);

interface AtBarrier {
  readonly number: number;
  readonly of: DatabaseSnapshot;
  readonly shards: Map<number, ShardAtBarrier<StoredLog>>;
  /** Whether the row is worth saving. */
  readonly isAlive: (side: Side, ts: number, now: number) => boolean;
}

/** What `joinSnapshot` gives of rows in memory. */
export function rocksJoinSnapshot(at: AtBarrier): KeyedSnapshot {
  const writers: LogWriters<StoredLog> = {
    snapshot: at.number,
    living: (shard) => living(at, shard),
    rows: (held, now, since) => written(at, { held, now, since }),
  };
  return {
    chunks: (shard) => living(at, at.shards.get(shard)),
    pieces: (shard) => logPieces(at.shards.get(shard), writers),
    release: () => at.of.release(),
  };
}

function* living({ of, isAlive }: AtBarrier, shard: ShardAtBarrier<StoredLog> | undefined): Generator<Buffer> {
  if (shard === undefined) return;
  const writer = new RowWriter(shard.now);
  for (const { log } of shard.logs)
    for (const { value } of pairsOf(of, log)) {
      const saved = value.subarray(VALUE_HEADER);
      if (isAlive(log.side, saved.readDoubleLE(0), shard.now)) writer.raw(saved);
      if (writer.full()) yield writer.take();
    }
  yield writer.take();
}

function* pairsOf(of: DatabaseSnapshot, log: StoredLog): Generator<StoredPair> {
  for (const part of of.pairs(log.prefix)) yield* part;
}

function* written(
  at: AtBarrier,
  of: { held: LogAtBarrier<StoredLog>; now: number; since: PiecePosition | undefined },
): Generator<Buffer> {
  const { log } = of.held;
  const { snapshot: since, entries: rows } = of.since ?? { snapshot: 0, entries: 0 };
  const writer = new RowWriter(of.now);
  for (const part of at.of.pairs(log.prefix, { since })) {
    for (const { key, value } of part) {
      addChanged(writer, { place: numberOf(key), rows, log, saved: value.subarray(VALUE_HEADER) });
      if (writer.full()) yield writer.take();
    }
    if (since > 0) yield NOTHING;
  }
  if (!writer.empty()) yield writer.take();
}

/** A row that was written before is written again when it has had a partner, and for nothing else. */
function addChanged(writer: RowWriter, of: { place: number; rows: number; log: StoredLog; saved: Buffer }): void {
  const { place, rows, log, saved } = of;
  if (place >= rows) writer.raw(saved);
  else if (rowAt(saved, 0).matched) writer.addMatch({ side: log.side, ts: saved.readDoubleLE(0), place });
}
