import type { Timers } from "./timers.ts";

export interface ManualTimers extends Timers {
  /** Moves time on and runs everything due, in order, letting promises settle between the runs. */
  advance(ms: number): Promise<void>;
  /** Sets the clock forward or back by so much; nothing else has happened. */
  setClock(byMs: number): void;
  /** How many timers wait. */
  pending(): number;
}

interface Entry {
  readonly at: number;
  readonly run: () => void;
}

/** The fake that ships beside the port. `random` is constant unless given. */
export function manualTimers(options: { start?: number; random?: () => number } = {}): ManualTimers {
  let now = options.start ?? 0;
  let setBy = 0;
  const entries = new Set<Entry>();
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const nextDue = (limit: number): Entry | undefined => {
    let first: Entry | undefined;
    for (const entry of entries) if (entry.at <= limit && (first === undefined || entry.at < first.at)) first = entry;
    return first;
  };
  return {
    now: () => now + setBy,
    elapsed: () => now,
    random: options.random ?? (() => 0.5),
    after: (ms, run) => {
      const entry = { at: now + ms, run };
      entries.add(entry);
      return () => entries.delete(entry);
    },
    advance: async (ms) => {
      const limit = now + ms;
      await settle();
      for (let entry = nextDue(limit); entry !== undefined; entry = nextDue(limit)) {
        entries.delete(entry);
        now = Math.max(now, entry.at);
        entry.run();
        await settle();
      }
      now = limit;
      await settle();
    },
    setClock: (byMs) => {
      setBy += byMs;
    },
    pending: () => entries.size,
  };
}
