import type { Held } from "../accumulators/accumulator.ts";
import type { KeyedSnapshot } from "../program.ts";
import type { WindowNode } from "../windows/cells.ts";
import { EntryWriter, newDecoded, readEntry } from "../windows/entry-codec.ts";
import { requireRestorable } from "../windows/restorable.ts";
import { addUnnumbered, SessionWriter } from "../windows/session-codec.ts";
import { Sessions } from "../windows/sessions.ts";
import type { Session, SessionsById, SessionsByKey, SessionShard } from "../windows/sessions.ts";
import type { Fire } from "../windows/window-state.ts";
import type { DatabaseSnapshot, RocksState } from "./database.ts";
import { shardPrefix } from "./entry-store.ts";
import type { Unwritten } from "./held.ts";
import { lastNumber } from "./key-list.ts";
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
/** No snapshot's: whoever changes such a session must put it. */
const WRITTEN = -1;
/** Of the memory, for timers: one takes about a fifth of what its session does. */
const TIMER_SHARE = 1 / 6;

interface StoredShard extends SessionShard {
  readonly stored: StoredMap<Session, number>;
  /** Of sessions, by key. */
  readonly ids: StoredMap<readonly number[]>;
}

/** `Sessions` in RocksDB: only those in use are in memory, and only those that leave it are written. */
export class RocksSessions extends Sessions<StoredShard> {
  readonly store: ReadAhead;
  private readonly values: ValueStore;
  private readonly timers: StoredTimers;
  private readonly writer: EntryWriter;
  private readonly wanted: { readonly shard: StoredShard; readonly key: string }[] = [];
  private readonly late: boolean;
  private known = 0;

  constructor(node: WindowNode, gapMs: number, state: RocksState) {
    super(node, gapMs);
    const database = state.open(node.name);
    const timerBytes = state.cacheBytes * TIMER_SHARE;
    // What an accumulator takes is known when it is written: at the next checkpoint, if not before.
    this.late = this.layout.accumulators.every((kind) => kind === undefined);
    this.values = new ValueStore(database, state.cacheBytes - timerBytes, { late: this.late });
    this.timers = new StoredTimers(database, Buffer.of(TIMER), timerBytes);
    this.writer = new EntryWriter(this.layout, 0);
    this.store = this.values.readAhead(() => this.fetch());
  }

  private sessionCodec(shard: number): ValueCodec<Session, number> {
    const { writer } = this;
    const entry = newDecoded(this.layout);
    return {
      encode: (session) => {
        writer.room(FIRED_BYTES);
        writer.at = writer.buffer.writeUInt8(session.fired ? 1 : 0, writer.at);
        addUnnumbered(writer, session);
        return writer.only();
      },
      written: (session) => {
        session.epoch = WRITTEN;
      },
      weigh: ({ keys, cells, texts }) => ENTRY_BYTES + keys.length + cells.byteLength + bytesOfTexts(texts),
      decode: (bytes, id) => {
        readEntry(bytes, FIRED_BYTES, { layout: this.layout, entry });
        const keys = Buffer.from(bytes.subarray(entry.key.start, entry.key.stop));
        return {
          id,
          shard,
          key: keys.toString("latin1"),
          keys,
          keyAt: Int32Array.of(0, keys.length),
          end: entry.end,
          fired: bytes[0] === 1,
          cells: entry.cells.slice(),
          texts: [...entry.texts],
          only: false,
          epoch: WRITTEN,
        };
      },
    };
  }

  /** A record of `key` comes soon. */
  want(index: number): void {
    const shard = this.owned.get(index);
    if (shard === undefined || !this.values.cold) return;
    const key = keyText(this.key);
    shard.ids.want(key);
    this.wanted.push({ shard, key });
  }

  /** First the ids of the keys, then their sessions. */
  private fetch(): void {
    this.values.fetch();
    for (const { shard, key } of this.wanted) for (const id of shard.ids.get(key) ?? []) shard.stored.want(id);
    this.wanted.length = 0;
    this.values.fetch();
  }

  protected newShard(index: number): StoredShard {
    const stored = this.values.mapBy((id: number, keys) => {
      keys.byte(SESSION);
      keys.short(index);
      keys.number(id);
    }, this.sessionCodec(index));
    const ids = this.values.mapBy((key: string, keys) => {
      keys.byte(IDS);
      keys.short(index);
      keys.text(key);
    }, idsCodec);
    const sessions: SessionsById = {
      get: (id) => stored.get(id),
      // One that is not held is new: others were got first.
      set: (id, session) => stored.add(id, session),
      delete: (id) => {
        this.known--;
        stored.delete(id);
      },
    };
    const byKey: SessionsByKey = {
      get: (key) =>
        ids
          .get(key)
          ?.map((id) => stored.get(id))
          .filter((session) => session !== undefined),
      set: (key, all) =>
        ids.put(
          key,
          all.map(({ id }) => id),
        ),
      delete: (key) => ids.delete(key),
    };
    return { index, floor: Number.NEGATIVE_INFINITY, created: 0, sessions, byKey, stored, ids };
  }

  protected override insert(...of: Parameters<Sessions<StoredShard>["insert"]>): Session {
    this.known++;
    return super.insert(...of);
  }

  protected addTimer(at: number, { index }: StoredShard, id: number): void {
    this.timers.add(at, timerId(index, id));
  }

  override session(shardIndex: number, ts: number): Session | undefined {
    this.values.room();
    const session = super.session(shardIndex, ts);
    // What is not written yet is counted by what the records before have made of it.
    if (session !== undefined && this.late && this.layout.texts > 0)
      this.owned.get(shardIndex)?.stored.weigh(session.id);
    return session;
  }

  /** The session, or a copy in its place where a snapshot may hold it. */
  protected own(shard: StoredShard, session: Session): Session {
    if (session.epoch === this.snapshots.epoch) return session;
    const own =
      this.values.begun === 0 ? session : { ...session, cells: session.cells.slice(), texts: [...session.texts] };
    if (own !== session) session.only = false;
    own.epoch = this.snapshots.epoch;
    shard.sessions.set(own.id, own);
    return own;
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
  private fetchSessions(ids: () => readonly string[]): void {
    if (!this.values.cold) return;
    const timers = ids();
    for (const timer of timers) this.open(timer.charCodeAt(0)).stored.want(idOf(timer));
    this.values.fetch();
    for (const timer of timers) {
      const { stored, ids } = this.open(timer.charCodeAt(0));
      const session = stored.get(idOf(timer));
      if (session !== undefined) ids.want(session.key);
    }
    this.values.fetch();
  }

  /** What was not written stays as it is: it is copied before it changes. Accumulators are written, to know what they take. */
  beginSnapshot(): KeyedSnapshot {
    const { of } = this.late ? this.values.barrier() : this.values.snapshot();
    const held = new Map<number, AtBarrier>();
    for (const { index, floor, stored } of this.owned.values())
      held.set(index, { of, watermark: Math.max(this.watermark, floor), unwritten: stored.unwritten() });
    if (this.late) this.snapshots.epoch++;
    return {
      chunks: (shard) => {
        const at = held.get(shard);
        return at === undefined ? [] : chunks(shard, at, new SessionWriter(this.layout, at.watermark));
      },
      release: () => {
        of.release();
        held.clear();
        if (this.late) this.values.letGo();
      },
    };
  }

  restore(index: number, saved: readonly Buffer[], stateVersion: number): void {
    const known = this.stateVersion;
    requireRestorable(this.node, { index, isOwned: this.owned.has(index), stateVersion, known });
    this.load(this.open(index), saved, () => this.values.room());
  }

  size(): number {
    return this.known;
  }
}

const timerId = (shard: number, id: number): string => nameOf(shard, numberText(id));
const idOf = (timer: string): number => numberIn(timer.slice(1));

/** Beside its key, cells and texts. */
const ENTRY_BYTES = 16;
const ID_BYTES = 8;

function bytesOfTexts(texts: readonly Held[]): number {
  let bytes = 0;
  for (const text of texts) bytes += typeof text === "string" ? text.length : ID_BYTES;
  return bytes;
}

const idsCodec: ValueCodec<readonly number[]> = {
  encode: (ids) => Buffer.from(ids.join(",")),
  weigh: (ids) => ids.length * ID_BYTES,
  decode: (bytes) => bytes.toString().split(",").map(Number),
};

interface AtBarrier {
  readonly of: DatabaseSnapshot;
  readonly watermark: number;
  /** By id. */
  readonly unwritten: ReadonlyMap<number, Unwritten<Session>>;
}

/** By id: in the order of creation. */
function* chunks(shard: number, { of, unwritten }: AtBarrier, writer: SessionWriter): Generator<Buffer> {
  const later = [...unwritten].toSorted(([a], [b]) => a - b);
  let next = 0;
  const addBefore = function* (id: number): Generator<Buffer> {
    for (; next < later.length && (later[next] as (typeof later)[number])[0] < id; next++) {
      const session = later[next]?.[1].value;
      if (session !== undefined) writer.addSession(session);
      if (writer.full()) yield writer.take();
    }
  };
  for (const part of of.pairs(shardPrefix(SESSION, shard)))
    for (const { key, value } of part) {
      const id = lastNumber(key);
      yield* addBefore(id);
      if (!unwritten.has(id)) {
        writer.number(id);
        writer.raw(value.subarray(VALUE_HEADER + FIRED_BYTES));
      }
      if (writer.full()) yield writer.take();
    }
  yield* addBefore(Number.POSITIVE_INFINITY);
  yield writer.take();
}
