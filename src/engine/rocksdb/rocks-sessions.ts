import type { KeyedSnapshot } from "../program.ts";
import type { WindowNode } from "../windows/cells.ts";
import { ChunkWriter, floorOf } from "../windows/chunk-writer.ts";
import { EntryWriter, newDecoded, readChunk, readEntry } from "../windows/entry-codec.ts";
import { requireRestorable } from "../windows/restorable.ts";
import { Sessions } from "../windows/sessions.ts";
import type { Session, SessionsById, SessionsByKey, SessionShard } from "../windows/sessions.ts";
import type { Fire } from "../windows/window-state.ts";
import type { DatabaseSnapshot, RocksState } from "./database.ts";
import { shardPrefix } from "./entry-store.ts";
import { numberIn, numberText } from "./number-text.ts";
import { VALUE_HEADER } from "./packed-writes.ts";
import { keyText, nameOf } from "./stored-map.ts";
import type { StoredMap, ValueCodec } from "./stored-map.ts";
import { StoredTimers } from "./stored-timers.ts";
import { ValueStore } from "./value-store.ts";
import type { ReadAhead } from "./value-store.ts";

/** Kinds of keys in the database: sessions by their id, ids by their key, and when sessions are due. */
const SESSION = 0;
const IDS = 1;
const TIMER = 2;

/** Behind the header of a value; then comes the session as it is saved. */
const FIRED_BYTES = 1;

/** `Sessions` in RocksDB: only those in use are in memory. */
export class RocksSessions extends Sessions<SessionShard> {
  readonly store: ReadAhead;
  private readonly values: ValueStore;
  private readonly sessions: StoredMap<Session>;
  private readonly ids: StoredMap<readonly number[]>;
  private readonly timers: StoredTimers;
  private readonly wanted: string[] = [];
  private known = 0;

  constructor(node: WindowNode, gapMs: number, state: RocksState) {
    super(node, gapMs);
    const database = state.open(node.name);
    // What is changed from here on is to be written again.
    this.values = new ValueStore(database, state.cacheBytes, () => this.snapshots.epoch++);
    this.ids = this.values.map(IDS, idsCodec);
    this.sessions = this.values.map(SESSION, this.sessionCodec());
    this.timers = new StoredTimers(database, Buffer.of(TIMER));
    this.store = this.values.readAhead(() => this.fetch());
  }

  private sessionCodec(): ValueCodec<Session> {
    const writer = new EntryWriter(this.layout, 0);
    const entry = newDecoded(this.layout);
    return {
      encode: ({ end, keys, cells, texts, fired }) => {
        writer.room(FIRED_BYTES);
        writer.at = writer.buffer.writeUInt8(fired ? 1 : 0, writer.at);
        writer.add(end, { bytes: keys, start: 0, stop: keys.length }, { cells, cellAt: 0, texts, textAt: 0 });
        return writer.only();
      },
      decode: (bytes, name) => {
        readEntry(bytes, FIRED_BYTES, { layout: this.layout, entry });
        const keys = Buffer.from(bytes.subarray(entry.key.start, entry.key.stop));
        return {
          id: idOf(name),
          shard: name.charCodeAt(0),
          key: keys.toString("latin1"),
          keys,
          keyAt: Int32Array.of(0, keys.length),
          end: entry.end,
          fired: bytes[0] === 1,
          cells: entry.cells.slice(),
          texts: [...entry.texts],
          only: false,
          epoch: -1,
        };
      },
    };
  }

  /** A record of `key` comes soon. */
  want(shard: number): void {
    if (!this.values.cold) return;
    const name = nameOf(shard, keyText(this.key));
    this.ids.want(name);
    this.wanted.push(name);
  }

  /** First the ids of the keys, then their sessions. */
  private fetch(): void {
    this.values.fetch();
    for (const name of this.wanted)
      for (const id of this.ids.get(name) ?? []) this.sessions.want(sessionName(name.charCodeAt(0), id));
    this.wanted.length = 0;
    this.values.fetch();
  }

  protected newShard(index: number): SessionShard {
    const sessions: SessionsById = {
      get: (id) => this.sessions.get(sessionName(index, id)),
      set: (id, session) => this.sessions.put(sessionName(index, id), session),
      delete: (id) => {
        this.known--;
        this.sessions.delete(sessionName(index, id));
      },
    };
    const byKey: SessionsByKey = {
      get: (key) => {
        const ids = this.ids.get(nameOf(index, key));
        return ids?.map((id) => sessions.get(id)).filter((session) => session !== undefined);
      },
      set: (key, all) =>
        this.ids.put(
          nameOf(index, key),
          all.map(({ id }) => id),
        ),
      delete: (key) => this.ids.delete(nameOf(index, key)),
    };
    return { index, floor: Number.NEGATIVE_INFINITY, created: 0, sessions, byKey };
  }

  protected override insert(...of: Parameters<Sessions<SessionShard>["insert"]>): Session {
    this.known++;
    return super.insert(...of);
  }

  protected addTimer(at: number, { index }: SessionShard, id: number): void {
    this.timers.add(at, sessionName(index, id));
  }

  override session(shardIndex: number, ts: number): Session | undefined {
    this.values.room();
    return super.session(shardIndex, ts);
  }

  /** Nobody else has it: it is changed in its place. */
  protected own(shard: SessionShard, session: Session): Session {
    if (session.epoch === this.snapshots.epoch) return session;
    session.epoch = this.snapshots.epoch;
    shard.sessions.set(session.id, session);
    return session;
  }

  /** In the order of their ends: a session is given at its timer, or has another one that stands at its end. */
  advance(watermark: number, fire: Fire): void {
    if (watermark <= this.watermark) return;
    this.watermark = watermark;
    for (const timer of this.timers.due(watermark, (ids) => this.fetchSessions(ids))) {
      this.values.room();
      const shard = this.open(timer.id.charCodeAt(0));
      const session = shard.sessions.get(idOf(timer.id));
      if (session === undefined) continue;
      if (this.dueAt(session) > timer.at) this.arm(shard, session);
      else this.pass(shard, this.own(shard, session), fire);
    }
  }

  /** First the sessions, then which ones their keys have. */
  private fetchSessions(names: readonly string[]): void {
    for (const name of names) this.sessions.want(name);
    this.values.fetch();
    for (const name of names) {
      const session = this.sessions.get(name);
      if (session !== undefined) this.ids.want(nameOf(name.charCodeAt(0), session.key));
    }
    this.values.fetch();
  }

  beginSnapshot(): KeyedSnapshot {
    const { of } = this.values.snapshot();
    const watermarks = new Map<number, number>();
    for (const { index, floor } of this.owned.values()) watermarks.set(index, Math.max(this.watermark, floor));
    return { chunks: (shard) => chunks(of, shard, watermarks.get(shard)), release: () => of.release() };
  }

  restore(index: number, saved: readonly Buffer[], stateVersion: number): void {
    requireRestorable(this.node, { index, isOwned: this.owned.has(index), stateVersion });
    const shard = this.open(index);
    for (const chunk of saved) shard.floor = Math.max(shard.floor, floorOf(chunk));
    for (const chunk of saved)
      readChunk(chunk, this.layout, (entry) => {
        this.values.room();
        const session = this.add(shard, entry);
        session.fired = session.end - 1 <= shard.floor;
        this.arm(shard, session);
      });
  }

  size(): number {
    return this.known;
  }
}

const sessionName = (shard: number, id: number): string => nameOf(shard, numberText(id));
const idOf = (name: string): number => numberIn(name.slice(1));

const idsCodec: ValueCodec<readonly number[]> = {
  encode: (ids) => Buffer.from(ids.join(",")),
  decode: (bytes) => bytes.toString().split(",").map(Number),
};

/** By id: in the order of creation. */
function* chunks(from: DatabaseSnapshot, shard: number, watermark: number | undefined): Generator<Buffer> {
  if (watermark === undefined) return;
  const writer = new ChunkWriter(watermark);
  for (const part of from.pairs(shardPrefix(SESSION, shard)))
    for (const { value } of part) {
      writer.raw(value.subarray(VALUE_HEADER + FIRED_BYTES));
      if (writer.full()) yield writer.take();
    }
  yield writer.take();
}
