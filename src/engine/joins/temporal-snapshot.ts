import type { KeyedSnapshot, PiecePosition, StatePiece } from "../program.ts";
import { anew, NOTHING, OWN_HISTORY, rest } from "../windows/pieces.ts";
import { RowWriter } from "./row-codec.ts";
import { bytesOfRow } from "./row.ts";
import type { RowAt, Side } from "./row.ts";

/** A row of a temporal join in memory. */
export interface Kept {
  readonly key: string;
  readonly ts: number;
  readonly row: RowAt;
  /** In order of arrival. */
  readonly number: number;
}

export interface TemporalShardAtBarrier {
  /** Watermark of the shard. */
  readonly now: number;
  /** Left rows, by their numbers; more may be added behind so many. */
  readonly waiting: readonly Kept[];
  readonly waitingCount: number;
  /** By key, in the order in which keys came; the lists do not change. */
  readonly versions: readonly (readonly Kept[])[];
  readonly histories: Histories;
}

/** The same objects for as long as all that was saved of left rows, or of versions, is still worth something. */
export interface Histories {
  readonly waiting: object;
  readonly versions: object;
}

export const newHistories = (): Histories => ({ waiting: {}, versions: {} });

interface AtBarrier {
  readonly position: PiecePosition;
  readonly shards: Map<number, TemporalShardAtBarrier>;
}

/** So many keys are looked at before others may work. */
const LOOKED_AT = 1 << 13;

/**
 * Rows only come, and go when the watermark says so, or where another version of their key takes their place: an increment is
 * the rows that came since. What is restored and has passed by the newest watermark is left out.
 */
export function temporalSnapshot({ position, shards }: AtBarrier): KeyedSnapshot {
  return {
    chunks: (index) => some(shards.get(index), allOf),
    pieces: (index) => some(shards.get(index), (at) => piecesOf(at, position)),
    release: () => shards.clear(),
  };
}

const some = <At, T>(at: At | undefined, give: (at: At) => Iterable<T>): Iterable<T> =>
  at === undefined ? [] : give(at);

function* allOf(at: TemporalShardAtBarrier): Generator<Buffer> {
  const writer = new RowWriter(at.now);
  yield* addWaiting(writer, at);
  yield* addVersions(writer, at);
  yield writer.take();
}

/** Left rows and versions have a history each, where there are many. The last piece has the shard's watermark in any case. */
function* piecesOf(at: TemporalShardAtBarrier, position: PiecePosition): Generator<StatePiece> {
  const { histories, waitingCount, versions, now } = at;
  const parts = [
    { of: histories.waiting, count: waitingCount, add: addWaiting },
    { of: histories.versions, count: versions.length, add: addVersions },
  ];
  for (const { of, count, add } of parts) {
    if (count < OWN_HISTORY) continue;
    const since = (from = 0): Iterable<Buffer> => rest(new RowWriter(now), (writer) => add(writer, at, from));
    yield { of, at: position, whole: () => since(), since: (earlier) => since(earlier.entries) };
  }
  yield anew(position.snapshot, function* () {
    const writer = new RowWriter(now);
    for (const { count, add } of parts) if (count < OWN_HISTORY) yield* add(writer, at);
    yield writer.take();
  });
}

function* addWaiting(writer: RowWriter, at: TemporalShardAtBarrier, from = 0): Generator<Buffer> {
  const { waiting, waitingCount } = at;
  let i = waitingCount;
  while (i > 0 && (waiting[i - 1] as Kept).number >= from) i--;
  for (; i < waitingCount; i++) {
    addRow(writer, 0, waiting[i] as Kept);
    if (writer.full()) yield writer.take();
  }
}

function* addVersions(writer: RowWriter, { versions, now }: TemporalShardAtBarrier, from = 0): Generator<Buffer> {
  for (let i = 0; i < versions.length; i++) {
    if (from > 0 && i % LOOKED_AT === 0) yield NOTHING;
    for (const version of inForce(versions[i] as readonly Kept[], now))
      if (version.number >= from) addRow(writer, 1, version);
    if (writer.full()) yield writer.take();
  }
}

function addRow(writer: RowWriter, side: Side, { key, ts, row }: Kept): void {
  const bytes = Buffer.from(key);
  writer.add({ side, ts, matched: false, key: { bytes, start: 0, stop: bytes.length }, row: bytesOfRow(row) });
}

/** Versions that may still be in force for a row after `now`. */
export function inForce<Version extends { readonly ts: number }>(
  versions: readonly Version[],
  now: number,
): readonly Version[] {
  const newest = versions.findLastIndex((version) => version.ts <= now);
  return newest <= 0 ? versions : versions.slice(newest);
}
