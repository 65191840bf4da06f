import type { Division } from "../keyed-state/division.ts";
import type { JoinNode } from "../joins/join-node.ts";
import { KeyedJoin } from "../joins/keyed-join.ts";
import type { JoinShard } from "../joins/keyed-join.ts";
import { readRows, ROW_HEADER, RowWriter } from "../joins/row-codec.ts";
import type { SavedRow } from "../joins/row-codec.ts";
import { bytesOfRow, isNullKey, NO_ROW } from "../joins/row.ts";
import type { Side } from "../joins/row.ts";
import { inForce } from "../joins/temporal-snapshot.ts";
import { versionDivision } from "../joins/temporal-join.ts";
import type { KeyedSnapshot } from "../program.ts";
import { lastWatermark } from "../windows/chunk-writer.ts";
import type { RocksState } from "./database.ts";
import { copyOf, keyOf, storedRow } from "./stored-log.ts";
import type { StoredRow } from "./stored-log.ts";
import { keyText, nameOf } from "./stored-map.ts";
import type { StoredMap, ValueCodec } from "./stored-map.ts";
import { savedRows, temporalSnapshot } from "./temporal-snapshot.ts";
import { ValueStore } from "./value-store.ts";
import type { ReadAhead } from "./value-store.ts";
import { WaitingRows } from "./waiting-rows.ts";

/** Kinds of keys in the database: left rows by the order of their arrival, versions by key, and when left rows are due. */
const WAITING = 0;
const VERSIONS = 1;
const TIMER = Buffer.of(2);
/** Left rows that wait may have so much of the memory. */
const WAITING_SHARE = 0.5;

type Versions = readonly StoredRow[];
const NONE: Versions = [];

/** `TemporalJoin` in RocksDB: left rows until they are due, and the versions of each key. */
export class RocksTemporalJoin extends KeyedJoin<JoinShard> {
  readonly store: ReadAhead;
  private readonly values: ValueStore;
  private readonly versions: StoredMap<Versions>;
  private readonly waiting: WaitingRows;
  private readonly memory: number;
  private known = 0;

  constructor(node: JoinNode, state: RocksState) {
    super(node);
    this.memory = state.cacheBytes;
    this.values = new ValueStore(state.open(node.name), this.memory, { late: true });
    this.store = this.values.readAhead(() => this.values.fetch());
    this.versions = this.values.map(VERSIONS, versionsCodec());
    this.waiting = new WaitingRows(this.values.database, this.memory, { rows: WAITING, timers: TIMER });
  }

  protected newShard(index: number): JoinShard {
    return { index, floor: Number.NEGATIVE_INFINITY };
  }

  add(side: Side, index: number): boolean {
    this.room();
    const shard = this.shard(index);
    const { key: bytes, keyStart: start, keyEnd: stop, ts } = this.row;
    if (side === 0 && ts <= this.now(shard)) return false;
    if (this.hasNullKey() && (side === 1 || !this.unmatched[0])) return true;
    const saved = { side, ts, matched: false, key: { bytes, start, stop } };
    this.keep(shard, side, copyOf({ ...saved, row: bytesOfRow(this.row) }));
    return true;
  }

  private room(): void {
    const { memory, waiting, values } = this;
    waiting.room((memory - values.heldBytes) * WAITING_SHARE);
    values.cacheBytes = Math.max(0, memory - waiting.bytes);
    values.room();
  }

  /** `row` comes soon: its key is there. Left rows need nothing until they are due, and null is no key of a version. */
  want(side: Side, index: number): void {
    const { key: bytes, keyStart: start, keyEnd: stop } = this.row;
    if (side === 1 && !this.hasNullKey()) this.versions.want(nameOf(index, keyText({ bytes, start, stop })));
  }

  private keep(shard: JoinShard, side: Side, row: StoredRow): void {
    if (side === 1) return this.keepVersion(shard, row);
    this.waiting.add(shard.index, row);
    this.known++;
  }

  private keepVersion(shard: JoinShard, row: StoredRow): void {
    const name = nameOf(shard.index, keyOf(row));
    const before = this.versions.get(name) ?? NONE;
    const all = inForce(withVersion(before, row), this.now(shard));
    this.known += all.length - before.length;
    this.versions.put(name, all);
    this.versions.weigh(name);
  }

  /** Gives what is due, in order of time, of shards, and of arrival. */
  advance(watermark: number): void {
    if (watermark <= this.watermark) return;
    for (const rows of this.waiting.due(watermark)) {
      const names = rows.map(({ shard, row }) => (isNullKey(row.key) ? undefined : nameOf(shard, keyOf(row))));
      this.fetchVersions(names);
      rows.forEach(({ shard, row }, i) => {
        this.values.room();
        this.known--;
        this.give(shard, row, names[i]);
      });
    }
    this.watermark = watermark;
  }

  private fetchVersions(names: readonly (string | undefined)[]): void {
    if (!this.values.cold) return;
    for (const name of names) if (name !== undefined) this.versions.want(name);
    this.values.fetch();
  }

  private give(shard: number, left: StoredRow, name: string | undefined): void {
    const versions = name === undefined ? undefined : this.versions.get(name);
    const version = versions?.findLast(({ ts }) => ts <= left.ts);
    if (version !== undefined || this.unmatched[0]) this.pair(left.row, version?.row ?? NO_ROW, shard, left.ts);
  }

  /** Versions and rows that are in memory only do not change: they are held. */
  beginSnapshot(): KeyedSnapshot {
    const waiting = this.waiting.barrier();
    const { number, of } = this.values.barrier();
    const shards = new Map([...this.owned.values()].map((shard) => [shard.index, { shard, now: this.now(shard) }]));
    return temporalSnapshot({
      of,
      number,
      shards,
      kinds: { waiting: WAITING, versions: VERSIONS },
      waiting,
      versions: this.versions.unwritten(),
      release: () => {
        of.release();
        this.values.letGo();
        if (this.values.begun === 0) this.waiting.letGo();
      },
    });
  }

  division(floor: number): Division {
    return versionDivision(floor);
  }

  restore(index: number, chunks: readonly Buffer[], stateVersion: number): void {
    const shard = this.restorable(index, stateVersion);
    const passed = lastWatermark(chunks);
    const load = (saved: SavedRow): void => {
      if (saved.side === 0 && saved.ts <= passed) return;
      this.room();
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

/** In order of time; nearly always it is the newest. There is one for each time. */
function withVersion(before: Versions, row: StoredRow): Versions {
  const newest = before.at(-1);
  if (newest === undefined || newest.ts < row.ts) return [...before, row];
  const others = before.filter(({ ts }) => ts !== row.ts);
  const after = others.findIndex(({ ts }) => ts > row.ts);
  return others.toSpliced(after < 0 ? others.length : after, 0, row);
}

/** Versions are in order of their time, one behind the other in their saved form. */
function versionsCodec(): ValueCodec<Versions> {
  const writer = new RowWriter(0);
  return {
    encode: (rows) => {
      for (const { ts, key, row } of rows) writer.add({ side: 1, ts, matched: false, key, row });
      return writer.only();
    },
    weigh: (rows) => rows.reduce((sum, row) => sum + bytesOfVersion(row), 0),
    decode: (bytes) => {
      const rows: StoredRow[] = [];
      for (const part of savedRows(bytes)) rows.push(storedRow(part));
      return rows;
    },
  };
}

const bytesOfVersion = ({ key, row }: StoredRow): number => ROW_HEADER + key.stop - key.start + row.end - row.start;
