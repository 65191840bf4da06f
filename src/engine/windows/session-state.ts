import type { KeyedSnapshot } from "../program.ts";
import { EntryWriter, readChunk } from "./entry-codec.ts";
import { requireRestorable } from "./restorable.ts";
import { Sessions } from "./sessions.ts";
import type { Session, SessionShard } from "./sessions.ts";
import { Timers } from "./timers.ts";
import type { Fire } from "./window-state.ts";

interface Shard extends SessionShard {
  /** In order of creation. */
  readonly sessions: Map<number, Session>;
}

/** Sessions in memory. */
export class SessionState extends Sessions<Shard> {
  private readonly timers = new Timers<{ readonly shard: Shard; readonly id: number }>();

  protected newShard(index: number): Shard {
    return { index, floor: Number.NEGATIVE_INFINITY, created: 0, sessions: new Map(), byKey: new Map() };
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
