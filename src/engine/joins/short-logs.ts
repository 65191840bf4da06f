import { OWN_HISTORY } from "../windows/pieces.ts";
import type { LogAtBarrier } from "./log-pieces.ts";

/** Rows of a log at a snapshot and at those after it, until the next one. */
interface Count {
  readonly snapshot: number;
  readonly n: number;
}

/** Of logs that are short: how many rows they had, at all snapshots for as long as this is the same object. */
export type Counts<L extends object> = WeakMap<L, Count[]>;

/** What checkpoints have of the short logs of a shard. They have one history together: a piece for each would be more than its rows. */
export class ShortLogs<L extends object> {
  private counts: Counts<L> = new WeakMap();
  /** Rows that were saved, also of logs that were dropped since. */
  private saved = 0;

  /** Nothing where they are few: then they are written anew each time, and what was saved before is not kept. */
  barrier(snapshot: number, logs: readonly LogAtBarrier<L>[]): Counts<L> | undefined {
    const short = logs.filter(isShort);
    const rows = short.reduce((sum, { n }) => sum + n, 0);
    const hasGrown = logs.some((held) => !isShort(held) && this.counts.has(held.log));
    this.note(snapshot, short);
    if (rows >= OWN_HISTORY && !hasGrown && this.saved <= 2 * rows) return this.counts;
    this.counts = new WeakMap();
    this.saved = 0;
    if (rows < OWN_HISTORY) return undefined;
    this.note(snapshot, short);
    return this.counts;
  }

  private note(snapshot: number, short: readonly LogAtBarrier<L>[]): void {
    for (const { log, n } of short) {
      const counts = this.counts.get(log) ?? [];
      const before = counts.at(-1)?.n ?? 0;
      if (counts.length === 0) this.counts.set(log, counts);
      if (n > before) counts.push({ snapshot, n });
      this.saved += n - before;
    }
  }
}

export const isShort = ({ n }: { readonly n: number }): boolean => n < OWN_HISTORY;

/** How many rows a log had at a snapshot. */
export const countAt = <L extends object>(counts: Counts<L>, log: L, snapshot: number): number =>
  counts.get(log)?.findLast((count) => count.snapshot <= snapshot)?.n ?? 0;
