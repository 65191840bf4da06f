import type { JoinNode } from "../joins/join-node.ts";
import { KeyedJoin } from "../joins/keyed-join.ts";
import type { JoinShard } from "../joins/keyed-join.ts";
import { readRows, rowAt, RowWriter } from "../joins/row-codec.ts";
import type { SavedRow } from "../joins/row-codec.ts";
import { inForce } from "../joins/temporal-join.ts";
import { bytesOfRow, isNullKey, NO_ROW } from "../joins/row.ts";
import type { Side } from "../joins/row.ts";
import type { KeyedSnapshot, StatePiece } from "../program.ts";
import type { DatabaseSnapshot, RocksState } from "./database.ts";
import { shardPrefix } from "./entry-store.ts";
import { numberText } from "./number-text.ts";
import { VALUE_HEADER } from "./packed-writes.ts";
import { copyOf, keyOf, ROW_CODECS, storedRow } from "./stored-log.ts";
import type { StoredRow } from "./stored-log.ts";
import { keyText, nameOf } from "./stored-map.ts";
import type { StoredMap, ValueCodec } from "./stored-map.ts";
import { StoredTimers } from "./stored-timers.ts";
import { ValueStore } from "./value-store.ts";
import type { ReadAhead } from "./value-store.ts";

/** Kinds of keys in the database: left rows by the order of their arrival, versions by key, and when left rows are due. */
const WAITING = 0;
const VERSIONS = 1;
const TIMER = Buffer.of(2);
const NOTHING = Buffer.alloc(0);

type Versions = readonly StoredRow[];

/** `TemporalJoin` in RocksDB: left rows until they are due, and the versions of each key. */
export class RocksTemporalJoin extends KeyedJoin<JoinShard> {
  readonly store: ReadAhead;
  private readonly values: ValueStore;
  private readonly waiting: StoredMap<StoredRow>;
  private readonly versions: StoredMap<Versions>;
  private readonly due: StoredTimers;
  /** Left rows so far. */
  private rows = 0;
  private known = 0;

  constructor(node: JoinNode, state: RocksState) {
    super(node);
    this.values = new ValueStore(state.open(node.name), state.cacheBytes);
    this.store = this.values;
    this.waiting = this.values.map(WAITING, ROW_CODECS[0]);
    this.versions = this.values.map(VERSIONS, versionsCodec());
    this.due = new StoredTimers(this.values.database, TIMER);
  }

  protected newShard(index: number): JoinShard {
    return { index, floor: Number.NEGATIVE_INFINITY };
  }

  add(side: Side, index: number): boolean {
    this.values.room();
    const shard = this.shard(index);
    const { key: bytes, keyStart: start, keyEnd: stop, ts } = this.row;
    if (side === 0 && ts <= this.now(shard)) return false;
    if (this.hasNullKey() && (side === 1 || !this.unmatched[0])) return true;
    const saved = { side, ts, matched: false, key: { bytes, start, stop } };
    this.keep(shard, side, copyOf({ ...saved, row: bytesOfRow(this.row) }));
    return true;
  }

  /** `row` comes soon: its key is there. Left rows need nothing until they are due, and null is no key of a version. */
  want(side: Side, index: number): void {
    const { key: bytes, keyStart: start, keyEnd: stop } = this.row;
    if (side === 1 && !this.hasNullKey()) this.versions.want(nameOf(index, keyText({ bytes, start, stop })));
  }

  private keep(shard: JoinShard, side: Side, row: StoredRow): void {
    if (side === 1) return this.keepVersion(shard, row);
    const name = nameOf(shard.index, numberText(this.rows++));
    this.waiting.put(name, row);
    this.due.add(row.ts, name);
    this.known++;
  }

  private keepVersion(shard: JoinShard, row: StoredRow): void {
    const name = nameOf(shard.index, keyOf(row));
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
    for (const due of this.due.due(watermark, (names) => this.fetchDue(names))) {
      this.values.room();
      const left = this.waiting.get(due.id) as StoredRow;
      this.waiting.delete(due.id);
      this.known--;
      this.give(due.id.charCodeAt(0), left);
    }
    this.watermark = watermark;
  }

  /** First the left rows, then the versions of their keys. */
  private fetchDue(names: readonly string[]): void {
    for (const name of names) this.waiting.want(name);
    this.values.fetch();
    for (const name of names) {
      const left = this.waiting.get(name);
      if (left !== undefined) this.versions.want(nameOf(name.charCodeAt(0), keyOf(left)));
    }
    this.values.fetch();
  }

  private give(shard: number, left: StoredRow): void {
    const versions = isNullKey(left.key) ? undefined : this.versions.get(nameOf(shard, keyOf(left)));
    const version = versions?.findLast(({ ts }) => ts <= left.ts);
    if (version !== undefined || this.unmatched[0]) this.pair(left.row, version?.row ?? NO_ROW, shard, left.ts);
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
    const shard = this.restorable(index, stateVersion);
    const load = (saved: SavedRow): void => {
      this.values.room();
      this.keep(shard, saved.side, copyOf(saved));
    };
    for (const chunk of chunks) {
      const floor = readRows(chunk, load);
      shard.floor = Math.max(shard.floor, floor);
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
      for (const { ts, key, row } of rows) writer.add({ side: 1, ts, matched: false, key, row });
      return writer.only();
    },
    decode: (bytes) => {
      const rows: StoredRow[] = [];
      for (const part of partsOf(bytes)) rows.push(storedRow(part));
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
  yield* versionsOf(from, shard, { writer, now });
  yield writer.take();
}

function* waitingOf(from: DatabaseSnapshot, shard: number, writer: RowWriter): Generator<Buffer> {
  for (const part of from.pairs(shardPrefix(WAITING, shard)))
    for (const { value } of part) {
      writer.raw(value.subarray(VALUE_HEADER));
      if (writer.full()) yield writer.take();
    }
}

/** With `since`, an empty buffer says that there was nothing for a while. */
function* versionsOf(
  from: DatabaseSnapshot,
  shard: number,
  { writer, now, since = 0 }: { writer: RowWriter; now: number; since?: number },
): Generator<Buffer> {
  for (const part of from.pairs(shardPrefix(VERSIONS, shard), { since })) {
    for (const { value } of part) {
      addVersions(writer, value, now);
      if (writer.full()) yield writer.take();
    }
    if (since > 0) yield NOTHING;
  }
}

function addVersions(writer: RowWriter, value: Buffer, now: number): void {
  const versions = Array.from(partsOf(value.subarray(VALUE_HEADER)), (saved) => ({ saved, ts: saved.readDoubleLE(0) }));
  for (const { saved } of inForce(versions, now)) writer.raw(saved);
}

/** Keys never go, so their versions are told by those that changed. Left rows do, and are written anew each time. */
function* piecesOf(
  from: DatabaseSnapshot,
  { shard, now, number }: { shard: JoinShard; now: number; number: number },
): Generator<StatePiece> {
  const at = { snapshot: number, entries: 0 };
  const changed = function* (since: number): Generator<Buffer> {
    const writer = new RowWriter(now);
    yield* versionsOf(from, shard.index, { writer, now, since });
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
