/** How a job's failures are answered. All durations in ms; `maxAttempts` −1 is without end. */
export type RestartStrategy =
  | {
      readonly kind: "ExponentialBackoff";
      readonly initialDelay: number;
      readonly maxDelay: number;
      readonly multiplier: number;
      /** Share of the delay that is spread, 0–1. */
      readonly jitter: number;
      /** A job that ran this long without a failure starts counting anew. */
      readonly resetAfter: number;
      readonly maxAttempts: number;
    }
  | { readonly kind: "FixedDelay"; readonly delay: number; readonly maxAttempts: number }
  | { readonly kind: "FailureRate"; readonly maxFailures: number; readonly window: number; readonly delay: number }
  | { readonly kind: "Never" };

/** What is remembered of failures: part of status.restarts. */
export interface RestartMemory {
  /** Failures in a row. */
  readonly attempt: number;
  /** Times of the newest failures, oldest first; bounded by `MEMORY`. */
  readonly recent: readonly number[];
}

export const MEMORY = 100;
const FIXED_RESET = 600_000;

/** Adds failures that happened at `now`. */
export function remember(
  memory: RestartMemory,
  strategy: RestartStrategy,
  failures: number,
  now: number,
): RestartMemory {
  const last = memory.recent.at(-1);
  const calm = strategy.kind === "ExponentialBackoff" ? strategy.resetAfter : FIXED_RESET;
  const attempt = last !== undefined && now - last >= calm ? 0 : memory.attempt;
  const recent = [...memory.recent, ...Array.from({ length: Math.min(failures, MEMORY) }, () => now)];
  return { attempt: attempt + failures, recent: recent.slice(-MEMORY) };
}

/** Milliseconds from the newest failure to the next try, or null when the job gives up. `spread` in [0, 1) seeds the jitter. */
export function nextDelay(memory: RestartMemory, strategy: RestartStrategy, spread: number): number | null {
  switch (strategy.kind) {
    case "Never":
      return null;
    case "FixedDelay":
      return exhausted(memory.attempt, strategy.maxAttempts) ? null : strategy.delay;
    case "FailureRate": {
      const newest = memory.recent.at(-1) ?? 0;
      const within = memory.recent.filter((at) => newest - at < strategy.window).length;
      return within > strategy.maxFailures ? null : strategy.delay;
    }
    case "ExponentialBackoff": {
      if (exhausted(memory.attempt, strategy.maxAttempts)) return null;
      const power = Math.max(0, memory.attempt - 1);
      const raw = Math.min(strategy.maxDelay, strategy.initialDelay * strategy.multiplier ** Math.min(power, 64));
      return Math.round(raw * (1 + strategy.jitter * (2 * spread - 1)));
    }
  }
}

function exhausted(attempt: number, max: number): boolean {
  return max >= 0 && attempt > max;
}

/** A number in [0, 1) that is always the same for a text: the jitter of a pure decision (FNV-1a). */
export function spreadOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0) / 2 ** 32;
}
