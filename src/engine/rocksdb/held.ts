/** An object by name that is in memory. */
export interface Held<T> {
  value: T | undefined;
  changed: boolean;
  /** Of the snapshot after which it was changed last. */
  number: number;
  /** The turn in which it was asked for last; 0 where that was before the last sweep. */
  used: number;
  /** The database may have something by the name. */
  stored: boolean;
  bytes: number;
}

/** What the database does not have as it is: no value where it is gone. */
export interface Unwritten<T> {
  readonly value: T | undefined;
  /** Of the snapshot after which it was changed last. */
  readonly number: number;
}

/** What a sweep may let go of: what nobody asked for since the last one, also what was asked for before this turn, anything. */
export const SWEEPS = ["idle", "earlier", "all"] as const;
export type Sweep = (typeof SWEEPS)[number];

/** Whether a sweep passes over an object; the next one knows whether it was asked for in between. */
export function stays(held: Held<unknown>, among: Sweep, turn: number): boolean {
  if (among === "all" || held.used === 0) return false;
  if (held.used === turn) return true;
  if (among === "earlier") return false;
  held.used = 0;
  return true;
}
