import type { KeyedSnapshot, PiecePosition, StatePiece } from "../program.ts";
import { goneSince, HeldSessions } from "./held-sessions.ts";
import type { SessionsAtBarrier } from "./held-sessions.ts";
import { anew, NOTHING, OWN_HISTORY, rest } from "./pieces.ts";
import { requireRestorable } from "./restorable.ts";
import { SessionWriter } from "./session-codec.ts";
import { Sessions } from "./sessions.ts";
import type { Session, SessionShard } from "./sessions.ts";
import { Timers } from "./timers.ts";
import type { Fire } from "./window-state.ts";

interface Shard extends SessionShard {
  readonly sessions: HeldSessions;
}

/** Sessions in memory. */
export class SessionState extends Sessions<Shard> {
  private readonly timers = new Timers<{ readonly shard: Shard; readonly id: number }>();

  protected newShard(index: number): Shard {
    return { index, floor: Number.NEGATIVE_INFINITY, created: 0, sessions: new HeldSessions(), byKey: new Map() };
  }

  protected addTimer(at: number, shard: Shard, id: number): void {
    this.timers.add(at, { shard, id });
  }

  /** The session itself, or a copy in its place where a snapshot may hold it. */
  protected own(shard: Shard, session: Session): Session {
    if (session.epoch === this.snapshots.epoch) return session;
    session.only = false;
    const copy: Session = {
      ...session,
      cells: session.cells.slice(),
      texts: [...session.texts],
      epoch: this.snapshots.epoch,
    };
    shard.sessions.set(copy.id, copy);
    const same = shard.byKey.get(copy.key) ?? [];
    shard.byKey.set(
      copy.key,
      same.map((s) => (s === session ? copy : s)),
    );
    return copy;
  }

  advance(watermark: number, fire: Fire): void {
    if (watermark <= this.watermark) return;
    this.watermark = watermark;
    const due = new Set<Session>();
    for (let timer = this.timers.take(watermark); timer !== undefined; timer = this.timers.take(watermark)) {
      const session = timer.shard.sessions.get(timer.id);
      if (session === undefined) continue;
      if (session.end - 1 > watermark) this.arm(timer.shard, session);
      else due.add(session);
    }
    const order = (a: Session, b: Session): number => a.end - b.end || a.shard - b.shard || a.id - b.id;
    for (const session of [...due].toSorted(order)) this.pass(this.open(session.shard), session, fire);
  }

  beginSnapshot(): KeyedSnapshot {
    const snapshot = ++this.snapshots.epoch;
    const held = new Map<number, ShardAtBarrier>();
    for (const { index, floor, created, sessions } of this.owned.values()) {
      const watermark = Math.max(this.watermark, floor);
      held.set(index, { watermark, ...sessions.barrier({ snapshot, entries: created }) });
    }
    return {
      chunks: (shard) => this.chunks(held.get(shard)),
      pieces: (shard) => this.pieces(held.get(shard)),
      release: () => held.clear(),
    };
  }

  private *chunks(at: ShardAtBarrier | undefined): Generator<Buffer> {
    if (at === undefined) return;
    const writer = new SessionWriter(this.layout, at.watermark);
    yield* written(writer, at.sessions);
    yield writer.take();
  }

  /** All sessions are one piece; another one has the shard's watermark in any case. */
  private *pieces(at: ShardAtBarrier | undefined): Generator<StatePiece> {
    if (at === undefined) return;
    const { watermark, sessions, position, gone } = at;
    if (sessions.length < OWN_HISTORY) return yield anew(position.snapshot, () => this.chunks(at));
    const writer = (): SessionWriter => new SessionWriter(this.layout, watermark);
    const whole = (): Iterable<Buffer> => rest(writer(), (to) => written(to, sessions));
    const since = (earlier: PiecePosition): Iterable<Buffer> => rest(writer(), (to) => changed(to, at, earlier));
    yield { of: gone, at: position, whole, since };
    yield anew(position.snapshot, () => [writer().take()]);
  }

  restore(index: number, chunks: readonly Buffer[], stateVersion: number): void {
    const known = this.stateVersion;
    requireRestorable(this.node, { index, isOwned: this.owned.has(index), stateVersion, known });
    this.load(this.open(index), chunks, () => undefined);
  }

  size(): number {
    let n = 0;
    for (const { sessions } of this.owned.values()) n += sessions.size;
    return n;
  }
}

interface ShardAtBarrier extends SessionsAtBarrier {
  readonly watermark: number;
}

function* written(writer: SessionWriter, sessions: readonly Session[]): Generator<Buffer> {
  for (const session of sessions) {
    writer.addSession(session);
    if (writer.full()) yield writer.take();
  }
}

/** So many sessions are looked at before others may work. */
const LOOKED_AT = 1 << 12;

/** A session is of the epoch in which it last became writable: that of the newest snapshot then. */
function* changed(writer: SessionWriter, at: ShardAtBarrier, earlier: PiecePosition): Generator<Buffer> {
  for (const id of goneSince(at, earlier)) {
    writer.addGone(id);
    if (writer.full()) yield writer.take();
  }
  for (let from = 0; from < at.sessions.length; from += LOOKED_AT) {
    yield NOTHING;
    const some = at.sessions.slice(from, from + LOOKED_AT);
    yield* written(
      writer,
      some.filter(({ epoch }) => epoch >= earlier.snapshot),
    );
  }
}
