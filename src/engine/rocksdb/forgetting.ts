import type { Database } from "./database.ts";

/** Entries that are gone are kept for so many snapshots: a checkpoint that adds to an older one must say that they went. */
const GONE_FOR = 1024;

/** Moves on what the database of a node may forget when it rewrites its files. */
export class Forgetting {
  /** What went before that snapshot may be forgotten. */
  goneBelow = 0;
  private readonly database: Database;
  private readonly ttlMs: number;
  private readonly mayWait: boolean;
  private snapshots = 0;

  /** With a time to live of 0 only what is gone is forgotten. `mayWait`: see `Database.forget`. */
  constructor(database: Database, { ttlMs, mayWait = false }: { ttlMs: number; mayWait?: boolean }) {
    this.database = database;
    this.ttlMs = ttlMs;
    this.mayWait = mayWait;
  }

  /** A snapshot begins: what it has must stay in it. */
  hold(): void {
    this.snapshots++;
  }

  release(): void {
    this.snapshots--;
  }

  /** It is `time` now, after so many snapshots. */
  advance(time: number, number: number): void {
    if (this.snapshots > 0) return;
    this.goneBelow = Math.max(0, number - GONE_FOR);
    const by = this.ttlMs > 0 ? time - this.ttlMs : Number.NEGATIVE_INFINITY;
    this.database.forget(by, this.goneBelow, this.mayWait);
  }
}
