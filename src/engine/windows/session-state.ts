import { SPREAD } from "./bucket.ts";
import type { KeyedNode, KeyedSnapshot } from "../program.ts";
import type { Held } from "../accumulators/accumulator.ts";
import type { CellLayout, WindowNode } from "./cells.ts";
import { layoutOf, stateSignature } from "./cells.ts";
import { EntryWriter, readChunk, STATE_VERSION } from "./entry-codec.ts";
import type { DecodedEntry } from "./entry-codec.ts";
import { mergeEntry } from "./merge.ts";
import { requireRestorable } from "./restorable.ts";
import { Timers } from "./timers.ts";
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
  readonly epoch: number;
}

/** The key of a record, with its hash. */
interface SessionKey {
  bytes: Uint8Array;
  start: number;
  stop: number;
  hash: number;
}

const RECENT_SHIFT = 20;
const RECENT = 1 << (32 - RECENT_SHIFT);

interface Shard {
  readonly index: number;
  floor: number;
  created: number;
  /** In order of creation. */
  readonly sessions: Map<number, Session>;
  readonly byKey: Map<string, Session[]>;
}

/**
 * Sessions: windows of one key each that end when nothing came for `gap`. A record opens [ts, ts + gap), which takes in
 * every session that it touches, as Flink's EventTimeSessionWindows do; so a record can join two sessions. They fire in
 * order of their end, then by shard, then by creation.
 */
export class SessionState implements KeyedNode {
  readonly node: string;
  readonly stateVersion = STATE_VERSION;
  readonly stateSignature: string;
  readonly layout: CellLayout;
  watermark = Number.NEGATIVE_INFINITY;
  arrivals = 0;
  private readonly gap: number;
  private readonly lateness: number;
  private readonly owned = new Map<number, Shard>();
  private readonly timers = new Timers<{ readonly shard: Shard; readonly id: number }>();
  /** The epoch advances with every snapshot. */
  readonly snapshots = { epoch: 0 };
  /** Of the record that comes next; filled anew each time. */
  readonly key: SessionKey = { bytes: new Uint8Array(0), start: 0, stop: 0, hash: 0 };
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

  private open(index: number): Shard {
    let shard = this.owned.get(index);
    if (shard === undefined) {
      shard = { index, floor: Number.NEGATIVE_INFINITY, created: 0, sessions: new Map(), byKey: new Map() };
      this.owned.set(index, shard);
    }
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
      this.timers.add(Number.NEGATIVE_INFINITY, { shard, id: session.id });
    }
    return session;
  }

  private create(shard: Shard, { name, key }: { name: string; key: Buffer }): Session {
    const values = { cells: this.layout.initial.slice(), texts: Array.from<Held>({ length: this.layout.texts }) };
    return this.insert(shard, name, { keys: key, end: 0, ...values });
  }

  private insert(
    shard: Shard,
    key: string,
    of: { keys: Buffer; end: number; cells: Float64Array; texts: Held[] },
  ): Session {
    const keyAt = Int32Array.of(0, of.keys.length);
    const own = { id: shard.created++, key, keyAt, fired: false, epoch: this.snapshots.epoch };
    const session: Session = { ...of, ...own, shard: shard.index, only: false };
    shard.sessions.set(session.id, session);
    const same = shard.byKey.get(key);
    if (same === undefined) shard.byKey.set(key, [session]);
    else {
      for (const other of same) other.only = false;
      same.push(session);
    }
    return session;
  }

  /** The session itself, or a copy in its place where a snapshot may hold it. */
  private own(shard: Shard, session: Session): Session {
    if (session.epoch === this.snapshots.epoch) return session;
    session.only = false;
    const copy: Session = {
      ...session,
      cells: session.cells.slice(),
      texts: [...session.texts],
      epoch: this.snapshots.epoch,
    };
    shard.sessions.set(copy.id, copy);
    const same = shard.byKey.get(copy.key) as Session[];
    same[same.indexOf(session)] = copy;
    return copy;
  }

  private arm(shard: Shard, session: Session): void {
    const last = session.end - 1;
    this.timers.add(session.fired ? last + this.lateness : last, { shard, id: session.id });
  }

  advance(watermark: number, fire: Fire): void {
    if (watermark <= this.watermark) return;
    this.watermark = watermark;
    const due = new Set<Session>();
    const shardOf = new Map<Session, Shard>();
    for (let timer = this.timers.take(watermark); timer !== undefined; timer = this.timers.take(watermark)) {
      const session = timer.shard.sessions.get(timer.id);
      if (session === undefined) continue;
      shardOf.set(session, timer.shard);
      if (session.end - 1 > watermark) this.arm(timer.shard, session);
      else due.add(session);
    }
    const order = (a: Session, b: Session): number =>
      a.end - b.end || (shardOf.get(a) as Shard).index - (shardOf.get(b) as Shard).index || a.id - b.id;
    for (const session of [...due].toSorted(order)) this.pass(shardOf.get(session) as Shard, session, fire);
  }

  private pass(shard: Shard, session: Session, fire: Fire): void {
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

  beginSnapshot(): KeyedSnapshot {
    this.snapshots.epoch++;
    const held = new Map<number, ShardAtBarrier>();
    for (const { index, floor, sessions } of this.owned.values()) {
      const watermark = Math.max(this.watermark, floor);
      held.set(index, { watermark, sessions: [...sessions.values()] });
    }
    return { chunks: (shard) => this.chunks(held.get(shard)), release: () => held.clear() };
  }

  private *chunks(at: ShardAtBarrier | undefined): Generator<Buffer> {
    if (at === undefined) return;
    const writer = new EntryWriter(this.layout, at.watermark);
    for (const { keys, end, cells, texts } of at.sessions) {
      writer.add(end, { bytes: keys, start: 0, stop: keys.length }, { cells, cellAt: 0, texts, textAt: 0 });
      if (writer.full()) yield writer.take();
    }
    yield writer.take();
  }

  restore(index: number, chunks: readonly Buffer[], stateVersion: number): void {
    requireRestorable(this.node, { index, isOwned: this.owned.has(index), stateVersion });
    const shard = this.open(index);
    for (const chunk of chunks) {
      const floor = readChunk(chunk, this.layout, (entry) => this.add(shard, entry));
      shard.floor = Math.max(shard.floor, floor);
    }
    for (const session of shard.sessions.values()) {
      session.fired = session.end - 1 <= shard.floor;
      this.arm(shard, session);
    }
  }

  private add(shard: Shard, { end, key, cells, texts }: DecodedEntry): void {
    const bytes = key.bytes.subarray(key.start, key.stop);
    const values = { cells: cells.slice(), texts: [...texts] };
    this.insert(shard, bytes.toString("latin1"), { keys: Buffer.from(bytes), end, ...values });
    for (const { order } of this.layout.slots)
      if (order >= 0) this.arrivals = Math.max(this.arrivals, cells[order] as number);
  }

  size(): number {
    let n = 0;
    for (const { sessions } of this.owned.values()) n += sessions.size;
    return n;
  }
}

interface ShardAtBarrier {
  readonly watermark: number;
  readonly sessions: readonly Session[];
}

function isKeyOf({ keys }: Session, { bytes, start: from, stop }: SessionKey): boolean {
  if (keys.length !== stop - from) return false;
  for (let i = 0; i < keys.length; i++) if (keys[i] !== bytes[from + i]) return false;
  return true;
}

const start = (session: Session): number => session.cells[SESSION_START] as number;
