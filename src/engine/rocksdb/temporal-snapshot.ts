import type { JoinShard } from "../joins/keyed-join.ts";
import { rowAt, RowWriter } from "../joins/row-codec.ts";
import { inForce } from "../joins/temporal-snapshot.ts";
import type { KeyedSnapshot, StatePiece } from "../program.ts";
import { NOTHING } from "../windows/pieces.ts";
import type { DatabaseSnapshot } from "./database.ts";
import { shardPrefix } from "./entry-store.ts";
import type { Unwritten } from "./held.ts";
import { VALUE_HEADER } from "./packed-writes.ts";
import type { StoredRow } from "./stored-log.ts";
import { nameOf } from "./stored-map.ts";
import type { WaitingRow } from "./waiting-rows.ts";

type Versions = readonly StoredRow[];

interface AtBarrier {
  readonly of: DatabaseSnapshot;
  readonly number: number;
  readonly shards: ReadonlyMap<number, ShardAtBarrier>;
  /** Kinds of keys in the database. */
  readonly kinds: { readonly waiting: number; readonly versions: number };
  /** Left rows that are in memory only. */
  readonly waiting: readonly WaitingRow[];
  /** Versions that the database does not have as they are, by shard and key. */
  readonly versions: ReadonlyMap<string, Unwritten<Versions>>;
  release(): void;
}

interface ShardAtBarrier {
  readonly shard: JoinShard;
  readonly now: number;
}

/** What one shard has in memory only. */
interface InMemory {
  readonly waiting: WaitingRow[];
  readonly versions: Map<string, Unwritten<Versions>>;
}

const NONE: InMemory = { waiting: [], versions: new Map() };

/** One shard. */
type PartAtBarrier = Pick<AtBarrier, "of" | "number" | "kinds"> & ShardAtBarrier & { readonly inMemory: InMemory };

/** Rows that wait and versions, those in memory and those in the database. */
export function temporalSnapshot(at: AtBarrier): KeyedSnapshot {
  let inMemory: ReadonlyMap<number, InMemory> | undefined;
  const part = <T>(index: number, give: (part: PartAtBarrier) => Iterable<T>): Iterable<T> => {
    const found = at.shards.get(index);
    if (found === undefined) return [];
    inMemory ??= byShard(at);
    return give({ of: at.of, number: at.number, kinds: at.kinds, ...found, inMemory: inMemory.get(index) ?? NONE });
  };
  return {
    chunks: (index) => part(index, chunksOf),
    pieces: (index) => part(index, piecesOf),
    release: () => at.release(),
  };
}

/** When a checkpoint is written, not at its barrier. */
function byShard({ waiting, versions }: AtBarrier): ReadonlyMap<number, InMemory> {
  const shards = new Map<number, InMemory>();
  const open = (index: number): InMemory => {
    const shard = shards.get(index) ?? { waiting: [], versions: new Map() };
    shards.set(index, shard);
    return shard;
  };
  for (const row of waiting) open(row.shard).waiting.push(row);
  for (const { waiting: rows } of shards.values()) rows.sort((a, b) => a.number - b.number);
  for (const [name, of] of versions) open(name.charCodeAt(0)).versions.set(name, of);
  return shards;
}

function* chunksOf(part: PartAtBarrier): Generator<Buffer> {
  const writer = new RowWriter(part.now);
  yield* waitingOf(part, writer);
  yield* versionsOf(part, writer);
  yield writer.take();
}

/** All rows in memory are due before those in the database, so those of one time are in the order of their arrival. */
function* waitingOf({ of, kinds, shard, inMemory }: PartAtBarrier, writer: RowWriter): Generator<Buffer> {
  for (const { row } of inMemory.waiting) {
    writer.add({ side: 0, ...row });
    if (writer.full()) yield writer.take();
  }
  for (const part of of.pairs(shardPrefix(kinds.waiting, shard.index)))
    for (const { value } of part) {
      writer.raw(value.subarray(VALUE_HEADER));
      if (writer.full()) yield writer.take();
    }
}

/** With `since`, an empty buffer says that there was nothing for a while. */
function* versionsOf(at: PartAtBarrier, writer: RowWriter, since = 0): Generator<Buffer> {
  const { of, kinds, shard, now, inMemory } = at;
  for (const { value, number } of inMemory.versions.values()) {
    if (number < since) continue;
    for (const row of inForce(value ?? [], now)) writer.add({ side: 1, ...row });
    if (writer.full()) yield writer.take();
  }
  for (const part of of.pairs(shardPrefix(kinds.versions, shard.index), { since })) {
    for (const { key, value } of part) {
      if (!isIn(inMemory, shard, key)) addVersions(writer, value, now);
      if (writer.full()) yield writer.take();
    }
    if (since > 0) yield NOTHING;
  }
}

const isIn = ({ versions }: InMemory, { index }: JoinShard, key: Buffer): boolean =>
  versions.size > 0 && versions.has(nameOf(index, key.toString()));

function addVersions(writer: RowWriter, value: Buffer, now: number): void {
  const versions = Array.from(savedRows(value.subarray(VALUE_HEADER)), (saved) => ({
    saved,
    ts: saved.readDoubleLE(0),
  }));
  for (const { saved } of inForce(versions, now)) writer.raw(saved);
}

/** Rows in their saved form, one behind the other. */
export function* savedRows(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length;) {
    const { row } = rowAt(bytes, at);
    yield bytes.subarray(at, row.end);
    at = row.end;
  }
}

/** Keys never go, so their versions are told by those that changed. Left rows do, and are written anew each time. */
function* piecesOf(part: PartAtBarrier): Generator<StatePiece> {
  const at = { snapshot: part.number, entries: 0 };
  const changed = function* (since: number): Generator<Buffer> {
    const writer = new RowWriter(part.now);
    yield* versionsOf(part, writer, since);
    if (!writer.empty()) yield writer.take();
  };
  yield { of: part.shard, at, whole: () => changed(0), since: ({ snapshot }) => changed(snapshot) };
  const waiting = function* (): Generator<Buffer> {
    const writer = new RowWriter(part.now);
    yield* waitingOf(part, writer);
    yield writer.take();
  };
  yield { at, whole: waiting, since: () => undefined };
}
