import type { Timers } from "./timers.ts";

export interface Backoff {
  /** Milliseconds to wait before the next try. */
  next(): number;
}

/**
 * Exponential, jittered waits between tries against one server: 0.8 s doubling to 30 s, each up to twice as long at random,
 * so that a thousand clients do not come back together. Starts again after two quiet minutes. (client-go's reflector.)
 */
export function reconnectBackoff(
  timers: Timers,
  {
    firstMs = 800,
    maxMs = 30_000,
    resetAfterMs = 120_000,
  }: { firstMs?: number; maxMs?: number; resetAfterMs?: number } = {},
): Backoff {
  let wait = firstMs;
  let lastAt = -Infinity;
  return {
    next: () => {
      const now = timers.elapsed();
      if (now - lastAt > resetAfterMs) wait = firstMs;
      lastAt = now;
      const jittered = Math.min(wait * (1 + timers.random()), maxMs);
      wait = Math.min(wait * 2, maxMs);
      return jittered;
    },
  };
}
