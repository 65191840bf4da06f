/** A token bucket: how many records a reader may hand out now. */
export interface ReadBudget {
  /** Whole records that may be read at `now`. */
  left(now: number): number;
  spend(records: number): void;
  /** When the next record may be read. */
  nextAt(now: number): number;
}

/** What gathers while nobody reads, as time: a reader that was away for a moment keeps its rate, one that was paused does not race. */
const BURST_MS = 100;

export function readBudget(perSecond: number | undefined, startedAt: number): ReadBudget {
  if (perSecond === undefined) return { left: () => Infinity, spend: () => {}, nextAt: (now) => now };
  const perMs = perSecond / 1000;
  const most = Math.max(1, BURST_MS * perMs);
  let tokens = most;
  let at = startedAt;
  const refill = (now: number): void => {
    tokens = Math.min(most, tokens + Math.max(0, now - at) * perMs);
    at = now;
  };
  return {
    left: (now) => {
      refill(now);
      return Math.floor(tokens);
    },
    spend: (records) => {
      tokens -= records;
    },
    nextAt: (now) => now + Math.max(0, 1 - tokens) / perMs,
  };
}
