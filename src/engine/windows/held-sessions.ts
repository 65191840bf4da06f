import type { PiecePosition } from "../program.ts";
import { OWN_HISTORY } from "./pieces.ts";
import type { Session, SessionsById } from "./sessions.ts";

/** Sessions that went and had been in a snapshot, in the order in which they went. */
interface Gone {
  readonly ids: number[];
  /** By place among the ids: number of the newest snapshot when it went. */
  readonly after: number[];
}

/** Sessions of a shard at a barrier: none of these objects changes any more. */
export interface SessionsAtBarrier {
  readonly sessions: readonly Session[];
  readonly position: PiecePosition;
  /** The same object for as long as it is known which sessions went. */
  readonly gone: Gone;
  /** How many had gone. */
  readonly goneCount: number;
}

/** Sessions of a shard in memory, in order of creation. */
export class HeldSessions implements SessionsById {
  private readonly all = new Map<number, Session>();
  private gone: Gone = { ids: [], after: [] };
  /** Number of the newest snapshot, and below which number sessions were in one. */
  private last: PiecePosition = { snapshot: 0, entries: 0 };

  get size(): number {
    return this.all.size;
  }

  get(id: number): Session | undefined {
    return this.all.get(id);
  }

  set(id: number, session: Session): void {
    this.all.set(id, session);
  }

  delete(id: number): void {
    this.all.delete(id);
    if (id >= this.last.entries) return;
    this.gone.ids.push(id);
    this.gone.after.push(this.last.snapshot);
  }

  /**
   * Where more have gone than are there, all of these are soon written anew: then there is no use in knowing which. Nor
   * where there are few: then they are written anew each time, and what was saved before is not kept.
   */
  barrier(position: PiecePosition): SessionsAtBarrier {
    this.last = position;
    if (this.all.size < Math.max(OWN_HISTORY, this.gone.ids.length)) this.gone = { ids: [], after: [] };
    const { gone } = this;
    return { sessions: [...this.all.values()], position, gone, goneCount: gone.ids.length };
  }
}

/** Which sessions of an earlier barrier are gone at a later one. */
export function* goneSince({ gone, goneCount }: SessionsAtBarrier, earlier: PiecePosition): Generator<number> {
  const { ids, after } = gone;
  let at = goneCount;
  while (at > 0 && (after[at - 1] as number) >= earlier.snapshot) at--;
  for (; at < goneCount; at++) if ((ids[at] as number) < earlier.entries) yield ids[at] as number;
}
