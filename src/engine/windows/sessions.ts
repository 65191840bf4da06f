import { refuseGiven } from "../keyed-state/division.ts";
import type { Division } from "../keyed-state/division.ts";
import { SPREAD } from "./bucket.ts";
import type { HashedKey } from "./bucket.ts";
import type { KeyedNode, KeyedSnapshot } from "../program.ts";
import type { Held } from "../accumulators/accumulator.ts";
import type { CellLayout, WindowNode } from "./cells.ts";
import { layoutOf, stateSignature } from "./cells.ts";
import type { Migrations } from "../keyed-state/migrations.ts";
import type { DecodedEntry } from "./entry-codec.ts";
import { floorOf } from "./chunk-writer.ts";
import { mergeEntry } from "./merge.ts";
import { sessionDivision } from "./session-division.ts";
import { numbered, readSessions, SESSION_STATE_VERSION } from "./session-codec.ts";
import type { Fire, Rows } from "./window-state.ts";

/** Cell of a session's start. */
export const SESSION_START = 0;

/** One session of one key, in the form of a table with one row. */
export interface Session extends Rows {
  /** Order of creation in its shard. */
  readonly id: number;
  readonly key: string;
  end: number;
  /** Its result was given: a record that still comes gives it again, at once. */
  fired: boolean;
  readonly shard: number;
  /** No other session has its key, and it is still there: a record can go straight into it. */
  only: boolean;
  /** Snapshot in whose time it was made writable: what a snapshot holds is never changed, but copied first. */
  epoch: number;
}

/** Sessions that are there, by id. */
export interface SessionsById {
  get(id: number): Session | undefined;
  set(id: number, session: Session): void;
  delete(id: number): void;
}

/** Sessions of each key that has one, in order of creation. */
export interface SessionsByKey {
  get(key: string): readonly Session[] | undefined;
  set(key: string, sessions: readonly Session[]): void;
  delete(key: string): void;
}

const RECENT_SHIFT = 20;
const RECENT = 1 << (32 - RECENT_SHIFT);

export interface SessionShard {
  readonly index: number;
  floor: number;
  created: number;
  readonly sessions: SessionsById;
  readonly byKey: SessionsByKey;
}

/**
 * Sessions: windows of one key each that end when nothing came for `gap`. A record opens [ts, ts + gap), which takes in
 * every session that it touches, as Flink's EventTimeSessionWindows do; so a record can join two sessions. They fire in
 * order of their end, then by shard, then by creation.
 */
export abstract class Sessions<Shard extends SessionShard> implements KeyedNode {
  readonly node: string;
  readonly stateVersion = SESSION_STATE_VERSION;
  readonly migrations: Migrations = new Map([[1, (chunks) => numbered(chunks, this.layout)]]);
  readonly stateSignature: string;
  readonly layout: CellLayout;
  watermark = Number.NEGATIVE_INFINITY;
  arrivals = 0;
  private readonly gap: number;
  protected readonly lateness: number;
  protected readonly owned = new Map<number, Shard>();
  /** The epoch advances with every snapshot. */
  readonly snapshots = { epoch: 0 };
  /** Of the record that comes next; filled anew each time. */
  readonly key: HashedKey = { bytes: new Uint8Array(0), start: 0, stop: 0, hash: 0 };
  /** Sessions that records came into last, by their key's hash. */
  private readonly recent: (Session | undefined)[] = Array.from({ length: RECENT }, () => undefined);

  constructor(node: WindowNode, gapMs: number) {
    this.node = node.name;
    this.gap = gapMs;
    this.lateness = node.allowedLatenessMs;
    this.layout = layoutOf(node);
    this.stateSignature = stateSignature(node);
  }

  get floor(): number {
    return Math.max(...[...this.owned.values()].map((s) => s.floor));
  }

  protected abstract newShard(index: number): Shard;
  /** Notes that a session is to be looked at when the watermark comes there. */
  protected abstract addTimer(at: number, shard: Shard, id: number): void;
  /** The session, or a copy in its place, which may be changed now. */
  protected abstract own(shard: Shard, session: Session): Session;
  abstract advance(watermark: number, fire: Fire): void;
  abstract beginSnapshot(): KeyedSnapshot;
  abstract restore(index: number, chunks: readonly Buffer[], stateVersion: number): void;
  abstract size(): number;

  protected open(index: number): Shard {
    let shard = this.owned.get(index);
    if (shard === undefined) this.owned.set(index, (shard = this.newShard(index)));
    return shard;
  }

  /** The session that a record with `key` belongs to, ready to be changed; undefined when it is too late. */
  session(shardIndex: number, ts: number): Session | undefined {
    const { hash } = this.key;
    const place = Math.imul(hash, SPREAD) >>> RECENT_SHIFT;
    const last = this.recent[place];
    if (last !== undefined && last.shard === shardIndex && this.extends(last, ts)) return last;
    const session = this.search(shardIndex, ts);
    const isOnly = session !== undefined && this.open(shardIndex).byKey.get(session.key)?.length === 1;
    if (session !== undefined) session.only = isOnly;
    this.recent[place] = isOnly ? session : undefined;
    return session;
  }

  /** Most records: they come into the only session of their key, which nothing holds and which has not fired. */
  private extends(session: Session, ts: number): boolean {
    if (!session.only || session.fired || session.epoch !== this.snapshots.epoch || !isKeyOf(session, this.key))
      return false;
    const { cells } = session;
    const begin = cells[SESSION_START] as number;
    if (begin > ts + this.gap || session.end < ts) return false;
    if (ts < begin) cells[SESSION_START] = ts;
    if (ts + this.gap > session.end) session.end = ts + this.gap;
    return true;
  }

  private search(shardIndex: number, ts: number): Session | undefined {
    const shard = this.open(shardIndex);
    const now = Math.max(this.watermark, shard.floor);
    const key = Buffer.from(this.key.bytes.subarray(this.key.start, this.key.stop));
    const name = key.toString("latin1");
    const all = shard.byKey.get(name) ?? [];
    const touched = all.filter((s) => (s.cells[SESSION_START] as number) <= ts + this.gap && s.end >= ts);
    const end = touched.reduce((latest, s) => Math.max(latest, s.end), ts + this.gap);
    if (end - 1 + this.lateness <= now) return undefined;
    const wasFired = touched.length > 0 && touched.every((s) => s.fired);
    const session = this.joined(shard, touched, { name, key });
    const start = Math.min(ts, touched.length === 0 ? ts : (session.cells[SESSION_START] as number));
    session.cells[SESSION_START] = start;
    session.end = end;
    session.fired = end - 1 <= now;
    if (touched.length === 0 || (wasFired && !session.fired)) this.arm(shard, session);
    return session;
  }

  /** One session of all that a record touches: the oldest takes in the others. */
  private joined(shard: Shard, touched: readonly Session[], of: { name: string; key: Buffer }): Session {
    const [first, ...others] = touched;
    if (first === undefined) return this.create(shard, of);
    const session = this.own(shard, first);
    const into = { cells: session.cells, cellAt: 0, texts: session.texts, textAt: 0 };
    for (const other of others) {
      const from = { cells: other.cells, cellAt: 0, texts: other.texts, textAt: 0 };
      mergeEntry(this.layout, into, from, this.snapshots.epoch);
      session.cells[SESSION_START] = Math.min(start(session), start(other));
      shard.sessions.delete(other.id);
      other.only = false;
    }
    if (others.length > 0) {
      const rest = (shard.byKey.get(of.name) ?? []).filter((s) => !others.includes(s));
      shard.byKey.set(of.name, rest);
      // The oldest may have fired while one of the others has not, and only that one's timer stands early enough.
      this.addTimer(Number.NEGATIVE_INFINITY, shard, session.id);
    }
    return session;
  }

  private create(shard: Shard, { name, key }: { name: string; key: Buffer }): Session {
    const values = { cells: this.layout.initial.slice(), texts: Array.from<Held>({ length: this.layout.texts }) };
    return this.insert(shard, name, { keys: key, end: 0, ...values });
  }

  protected insert(
    shard: Shard,
    key: string,
    of: { keys: Buffer; end: number; cells: Float64Array; texts: Held[] },
  ): Session {
    const keyAt = Int32Array.of(0, of.keys.length);
    const own = { id: shard.created++, key, keyAt, fired: false, epoch: this.snapshots.epoch };
    const session: Session = { ...of, ...own, shard: shard.index, only: false };
    shard.sessions.set(session.id, session);
    const same = shard.byKey.get(key);
    for (const other of same ?? []) other.only = false;
    shard.byKey.set(key, [...(same ?? []), session]);
    return session;
  }

  protected arm(shard: Shard, session: Session): void {
    this.addTimer(this.dueAt(session), shard, session.id);
  }

  /** When it is to be given; one that was given is to be dropped then. */
  protected dueAt({ end, fired }: Session): number {
    return fired ? end - 1 + this.lateness : end - 1;
  }

  protected pass(shard: Shard, session: Session, fire: Fire): void {
    if (!session.fired) fire(session, 0, shard.index, session.end);
    session.fired = true;
    if (session.end - 1 + this.lateness > this.watermark) return this.arm(shard, session);
    shard.sessions.delete(session.id);
    session.only = false;
    const left = (shard.byKey.get(session.key) ?? []).filter((s) => s !== session);
    if (left.length === 0) shard.byKey.delete(session.key);
    else shard.byKey.set(session.key, left);
  }

  shards(): readonly number[] {
    return [...this.owned.keys()].toSorted((a, b) => a - b);
  }

  division(floor: number): Division {
    const { layout, node } = this;
    return sessionDivision({
      layout,
      floor,
      isGiven: (end, watermark) => end - 1 <= watermark && end - 1 > floor,
      refuse: (watermark) => refuseGiven(node, { given: watermark, floor }),
    });
  }

  /** Puts back what was saved; `each` is called for every session, by number. */
  protected load(shard: Shard, chunks: readonly Buffer[], each: (session: Session) => void): void {
    for (const chunk of chunks) shard.floor = Math.max(shard.floor, floorOf(chunk));
    readSessions(chunks, this.layout, (id, entry) => {
      shard.created = id;
      const session = this.add(shard, entry);
      session.fired = session.end - 1 <= shard.floor;
      this.arm(shard, session);
      each(session);
    });
  }

  private add(shard: Shard, { end, key, cells, texts }: DecodedEntry): Session {
    const bytes = key.bytes.subarray(key.start, key.stop);
    const values = { cells: cells.slice(), texts: [...texts] };
    for (const { order } of this.layout.slots)
      if (order >= 0) this.arrivals = Math.max(this.arrivals, cells[order] as number);
    return this.insert(shard, bytes.toString("latin1"), { keys: Buffer.from(bytes), end, ...values });
  }
}

function isKeyOf({ keys }: Session, { bytes, start: from, stop }: HashedKey): boolean {
  if (keys.length !== stop - from) return false;
  for (let i = 0; i < keys.length; i++) if (keys[i] !== bytes[from + i]) return false;
  return true;
}

const start = (session: Session): number => session.cells[SESSION_START] as number;
