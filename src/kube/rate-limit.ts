import type { Timers } from "./timers.ts";

export interface RateLimit {
  /** Milliseconds to wait before this key's next try; counts one more failure. */
  next(key: string): number;
  /** The key worked: its next failure starts at the shortest wait again. */
  forget(key: string): void;
  retries(key: string): number;
}

export interface RetryRateLimitOptions {
  readonly timers: Timers;
  readonly baseMs?: number;
  readonly maxMs?: number;
  /** Retries a second over all keys, and how many may come at once: a fault that hits every key must not become a storm. */
  readonly perSecond?: number;
  readonly burst?: number;
}

/** The defaults of client-go's DefaultTypedControllerRateLimiter, with a shorter longest wait (5 minutes). */
export function retryRateLimit(options: RetryRateLimitOptions): RateLimit {
  const { timers, baseMs = 5, maxMs = 300_000, perSecond = 10, burst = 100 } = options;
  const failures = new Map<string, number>();
  let tokens = burst;
  let filledAt = timers.elapsed();

  /** Takes a token, going into debt when there is none: the debt is the wait. */
  const take = (): number => {
    const now = timers.elapsed();
    tokens = Math.min(burst, tokens + ((now - filledAt) / 1000) * perSecond) - 1;
    filledAt = now;
    return tokens >= 0 ? 0 : (-tokens / perSecond) * 1000;
  };

  return {
    next: (key) => {
      const count = failures.get(key) ?? 0;
      failures.set(key, count + 1);
      return Math.max(Math.min(baseMs * 2 ** count, maxMs), take());
    },
    forget: (key) => {
      failures.delete(key);
    },
    retries: (key) => failures.get(key) ?? 0,
  };
}
