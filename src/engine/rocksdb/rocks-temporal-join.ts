import { givesUnmatched, joinSignature } from "../joins/join-node.ts";
import type { JoinNode } from "../joins/join-node.ts";
import { JOIN_STATE_VERSION, readRows, rowAt, RowWriter } from "../joins/row-codec.ts";
import { inForce } from "../joins/temporal-join.ts";
import { bytesOfRow, isNullKey, noRowAt, NO_ROW } from "../joins/row.ts";
import type { IncomingRow, Pair, Side } from "../joins/row.ts";
import type { KeyedNode, KeyedSnapshot, StatePiece } from "../program.ts";
import { floorOf } from "../windows/chunk-writer.ts";
import { requireRestorable } from "../windows/restorable.ts";
import type { DatabaseSnapshot, RocksState } from "./database.ts";
import { shardPrefix } from "./entry-store.ts";
import { VALUE_HEADER } from "./packed-writes.ts";
import { isNull } from "./rocks-join.ts";
import { rangeOf, ROW_CODECS, storedRow } from "./stored-log.ts";
import type { StoredRow } from "./stored-log.ts";
import { nameOf } from "./stored-map.ts";
import type { StoredMap, ValueCodec } from "./stored-map.ts";
import { StoredTimers } from "./stored-timers.ts";
import { ValueStore } from "./value-store.ts";

/** Kinds of keys in the database: left rows by the order of their arrival, versions by key, and when left rows are due. */
const WAITING = 0;
const VERSIONS = 1;
const TIMER = Buffer.of(2);
const NUMBER_DIGITS = 12;
const NOTHING = Buffer.alloc(0);

type Versions = readonly StoredRow[];

interface Shard {
  readonly index: number;
  /** Watermark at the restored barrier. */
  floor: number;
}

/** `TemporalJoin` in RocksDB: left rows until they are due, and the versions of each key. */
export class RocksTemporalJoin implements KeyedNode {
  readonly node: string;
  readonly stateVersion = JOIN_STATE_VERSION;
  readonly stateSignature: string;
  watermark = Number.NEGATIVE_INFINITY;
  readonly row: IncomingRow = { key: NOTHING, keyStart: 0, keyEnd: 0, hash: 0, ...noRowAt(), ts: 0 };
  pair: Pair = () => undefined;
  private readonly keepsUnmatched: boolean;
  private readonly owned = new Map<number, Shard>();
  private readonly values: ValueStore;
  private readonly waiting: StoredMap<StoredRow>;
  private readonly versions: StoredMap<Versions>;
  private readonly due: StoredTimers;
  /** Left rows so far. */
  private rows = 0;
  private known = 0;

  constructor(node: JoinNode, state: RocksState) {
    this.node = node.name;
    this.stateSignature = joinSignature(node);
    this.keepsUnmatched = givesUnmatched(node, 0);
    this.values = new ValueStore(state.open(node.name), state.cacheBytes);
    this.waiting = this.values.map(WAITING, ROW_CODECS[0]);
    this.versions = this.values.map(VERSIONS, versionsCodec());
    this.due = new StoredTimers(this.values.database, TIMER);
  }

  private shard(index: number): Shard {
    let shard = this.owned.get(index);
    if (shard === undefined) this.owned.set(index, (shard = { index, floor: Number.NEGATIVE_INFINITY }));
    return shard;
  }

  private now({ floor }: Shard): number {
    return Math.max(this.watermark, floor);
  }

  /** Takes `row` in; false where it is late. */
  add(side: Side, index: number): boolean {
    this.values.room();
    const shard = this.shard(index);
    const { key: bytes, keyStart: start, keyEnd: stop, ts } = this.row;
    if (side === 0 && ts <= this.now(shard)) return false;
    const key = { bytes, start, stop };
    if (isNullKey(key) && (side === 1 || !this.keepsUnmatched)) return true;
    this.keep(shard, side, storedRow({ side, ts, matched: false, key, row: bytesOfRow(this.row) }));
    return true;
  }

  private keep(shard: Shard, side: Side, row: StoredRow): void {
    if (side === 1) return this.keepVersion(shard, row);
    const name = nameOf(shard.index, (this.rows++).toString(16).padStart(NUMBER_DIGITS, "0"));
    this.waiting.put(name, row);
    this.due.add(row.ts, name);
    this.known++;
  }

  private keepVersion(shard: Shard, row: StoredRow): void {
    const name = nameOf(shard.index, row.key.toString("latin1"));
    const before = this.versions.get(name) ?? [];
    const others = before.filter(({ ts }) => ts !== row.ts);
    const after = others.findIndex(({ ts }) => ts > row.ts);
    const all = inForce(others.toSpliced(after < 0 ? others.length : after, 0, row), this.now(shard));
    this.known += all.length - before.length;
    this.versions.put(name, all);
  }

  /** Gives what is due, in order of time, of shards, and of arrival. */
  advance(watermark: number): void {
    if (watermark <= this.watermark) return;
    for (let due = this.due.take(watermark); due !== undefined; due = this.due.take(watermark)) {
      this.values.room();
      const left = this.waiting.get(due.id) as StoredRow;
      this.waiting.delete(due.id);
      this.known--;
      this.give(due.id.charCodeAt(0), left);
    }
    this.watermark = watermark;
  }

  private give(shard: number, left: StoredRow): void {
    const versions = isNull(left) ? undefined : this.versions.get(nameOf(shard, left.key.toString("latin1")));
    const version = versions?.findLast(({ ts }) => ts <= left.ts);
    if (version !== undefined || this.keepsUnmatched) this.pair(left.row, version?.row ?? NO_ROW, shard, left.ts);
  }

  shards(): readonly number[] {
    return [...this.owned.keys()].toSorted((a, b) => a - b);
  }

  beginSnapshot(): KeyedSnapshot {
    const { number, of } = this.values.snapshot();
    const held = new Map([...this.owned.values()].map((shard) => [shard.index, { shard, now: this.now(shard) }]));
    return {
      chunks: (index) => {
        const at = held.get(index);
        return at === undefined ? [] : chunksOf(of, index, at.now);
      },
      pieces: (index) => {
        const at = held.get(index);
        return at === undefined ? [] : piecesOf(of, { ...at, number });
      },
      release: () => of.release(),
    };
  }

  restore(index: number, chunks: readonly Buffer[], stateVersion: number): void {
    const isOwned = this.owned.has(index);
    requireRestorable(this.node, { index, isOwned, stateVersion, known: JOIN_STATE_VERSION });
    const shard = this.shard(index);
    for (const chunk of chunks) {
      readRows(chunk, (saved) => {
        this.values.room();
        this.keep(shard, saved.side, storedRow(saved));
      });
      shard.floor = Math.max(shard.floor, floorOf(chunk));
    }
  }

  /** Also versions that a newer one has replaced for good, until the key has another one. */
  size(): number {
    return this.known;
  }
}

/** Versions are in order of their time, one behind the other in their saved form. */
function versionsCodec(): ValueCodec<Versions> {
  const writer = new RowWriter(0);
  return {
    encode: (rows) => {
      for (const { ts, key, row } of rows) writer.add({ side: 1, ts, matched: false, key: rangeOf(key), row });
      return writer.only();
    },
    decode: (bytes) => {
      const rows: StoredRow[] = [];
      for (const part of partsOf(bytes)) rows.push(storedRow(rowAt(part, 0)));
      return rows;
    },
  };
}

function* partsOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length;) {
    const { row } = rowAt(bytes, at);
    yield bytes.subarray(at, row.end);
    at = row.end;
  }
}

function* chunksOf(from: DatabaseSnapshot, shard: number, now: number): Generator<Buffer> {
  const writer = new RowWriter(now);
  yield* waitingOf(from, shard, writer);
  for (const part of from.pairs(shardPrefix(VERSIONS, shard)))
    for (const { value } of part) {
      addVersions(writer, value, now);
      if (writer.full()) yield writer.take();
    }
  yield writer.take();
}

function* waitingOf(from: DatabaseSnapshot, shard: number, writer: RowWriter): Generator<Buffer> {
  for (const part of from.pairs(shardPrefix(WAITING, shard)))
    for (const { value } of part) {
      writer.raw(value.subarray(VALUE_HEADER));
      if (writer.full()) yield writer.take();
    }
}

function addVersions(writer: RowWriter, value: Buffer, now: number): void {
  const versions = Array.from(partsOf(value.subarray(VALUE_HEADER)), (saved) => ({ saved, ts: saved.readDoubleLE(0) }));
  for (const { saved } of inForce(versions, now)) writer.raw(saved);
}

/** Keys never go, so their versions are told by those that changed. Left rows do, and are written anew each time. */
function* piecesOf(
  from: DatabaseSnapshot,
  { shard, now, number }: { shard: Shard; now: number; number: number },
): Generator<StatePiece> {
  const at = { snapshot: number, entries: 0 };
  const changed = function* (since: number): Generator<Buffer> {
    const writer = new RowWriter(now);
    for (const part of from.pairs(shardPrefix(VERSIONS, shard.index), { since })) {
      for (const { value } of part) {
        addVersions(writer, value, now);
        if (writer.full()) yield writer.take();
      }
      if (since > 0) yield NOTHING;
    }
    if (!writer.empty()) yield writer.take();
  };
  yield { of: shard, at, whole: () => changed(0), since: ({ snapshot }) => changed(snapshot) };
  const waiting = function* (): Generator<Buffer> {
    const writer = new RowWriter(now);
    yield* waitingOf(from, shard.index, writer);
    yield writer.take();
  };
  yield { at, whole: waiting, since: () => undefined };
}
