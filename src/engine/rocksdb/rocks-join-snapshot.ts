import { rowAt, RowWriter } from "../joins/row-codec.ts";
import type { Side } from "../joins/row.ts";
import type { KeyedSnapshot, StatePiece } from "../program.ts";
import type { DatabaseSnapshot } from "./database.ts";
import { VALUE_HEADER } from "./packed-writes.ts";
import { numberOf } from "./stored-log.ts";
import type { StoredLog } from "./stored-log.ts";

/** Shorter logs are not worth a history: they are written anew each time. */
const OWN_HISTORY = 1024;
const NOTHING = Buffer.alloc(0);

interface LogAtBarrier {
  readonly log: StoredLog;
  /** Rows at the barrier. */
  readonly n: number;
}

export interface StoredShardAtBarrier {
  /** Watermark of the shard. */
  readonly now: number;
  /** By the end of their span of time, then by side. */
  readonly logs: readonly LogAtBarrier[];
}

interface AtBarrier {
  readonly number: number;
  readonly of: DatabaseSnapshot;
  readonly shards: Map<number, StoredShardAtBarrier>;
  /** Whether the row is worth saving. */
  readonly isAlive: (side: Side, ts: number, now: number) => boolean;
}

/** What `joinSnapshot` gives of rows in memory. */
export function rocksJoinSnapshot(at: AtBarrier): KeyedSnapshot {
  return {
    chunks: (shard) => living(at, at.shards.get(shard)),
    pieces: (shard) => pieces(at, at.shards.get(shard)),
    release: () => at.of.release(),
  };
}

function* living({ of, isAlive }: AtBarrier, shard: StoredShardAtBarrier | undefined): Generator<Buffer> {
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

function* pairsOf(of: DatabaseSnapshot, log: StoredLog): Generator<{ key: Buffer; value: Buffer }> {
  for (const part of of.pairs(log.prefix)) yield* part;
}

/** Long logs one by one, the short ones between them together. The last piece has the shard's watermark in any case. */
function* pieces(at: AtBarrier, shard: StoredShardAtBarrier | undefined): Generator<StatePiece> {
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

const anew = (at: AtBarrier, shard: StoredShardAtBarrier): StatePiece => ({
  at: { snapshot: at.number, entries: 0 },
  whole: () => living(at, shard),
  since: () => undefined,
});

/** All rows of it, also those that are done with: what follows names a row by its place. */
function long(at: AtBarrier, { log, n }: LogAtBarrier, now: number): StatePiece {
  const write = function* (rows: number, since: number): Generator<Buffer> {
    const writer = new RowWriter(now);
    for (const part of at.of.pairs(log.prefix, { since })) {
      for (const { key, value } of part) {
        addChanged(writer, { place: numberOf(key), rows, log, saved: value.subarray(VALUE_HEADER) });
        if (writer.full()) yield writer.take();
      }
      if (since > 0) yield NOTHING;
    }
    if (!writer.empty()) yield writer.take();
  };
  return {
    of: log,
    at: { snapshot: at.number, entries: n },
    whole: () => write(0, 0),
    since: ({ entries, snapshot }) => write(entries, snapshot),
  };
}

/** A row that was written before is written again when it has had a partner, and for nothing else. */
function addChanged(writer: RowWriter, of: { place: number; rows: number; log: StoredLog; saved: Buffer }): void {
  const { place, rows, log, saved } = of;
  if (place >= rows) writer.raw(saved);
  else if (rowAt(saved, 0).matched) writer.addMatch({ side: log.side, ts: saved.readDoubleLE(0), place });
}
