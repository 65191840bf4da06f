import { isWeirError } from "../errors.ts";
import type { Meter } from "./meter.ts";
import { noMeter } from "./meter.ts";
import type { RateLimit } from "./rate-limit.ts";
import { retryRateLimit } from "./rate-limit.ts";
import type { Cancel, Timers } from "./timers.ts";
import { systemTimers } from "./timers.ts";

/**
 * What processing a key ended in.
 *
 *  - `undefined`: done. The back-off of the key is forgotten; it comes back only when something adds it.
 *  - `{ requeueAfterMs }`: done for now, and the back-off is forgotten; the key comes back by itself after that time, or
 *    earlier when something adds it.
 *  - a rejected promise: the key comes back after its own exponential back-off (5 ms to 5 min), unless the error is a
 *    WeirError with `retry` "Terminal" (comes back only when something adds it) or "After" (comes back after `retryAfterMs`).
 */
export type Verdict = { readonly requeueAfterMs: number } | undefined;

export interface WorkQueueOptions {
  readonly name: string;
  /** Called for one key at a time: never twice at once for the same key, up to `concurrency` keys together. */
  readonly process: (key: string, signal: AbortSignal) => Promise<Verdict>;
  readonly concurrency?: number;
  /**
   * From one start of a key to its next at least; default 120 ms: nine starts fit into any second, so that a storm
   * of events stays below ten runs a second.
   */
  readonly minGapMs?: number;
  /** Sees every error that processing ended in, before the queue acts on it. */
  readonly onError?: (key: string, error: unknown) => void;
  readonly rateLimit?: RateLimit;
  readonly meter?: Meter;
  readonly timers?: Timers;
}

/**
 * Keys, never events: adding a key that waits does nothing, adding one that is being processed makes it run once more
 * afterwards, so a burst of changes costs one reconcile and none is lost.
 */
export interface WorkQueue {
  readonly name: string;
  add(key: string): void;
  /** Adds the key after `ms`. Of several, the earliest wins; a plain `add` overtakes it. */
  addAfter(key: string, ms: number): void;
  /** Processes keys until the signal aborts; resolves when the last running one has ended. Keys added before wait for it. */
  run(signal: AbortSignal): Promise<void>;
  /** Keys that wait and could run now. */
  readonly depth: number;
  /** The key that has been processed for longest, and since when, by `Timers.elapsed`. */
  readonly longestRun: { readonly key: string; readonly since: number } | undefined;
  /** Failures in a row of a key. */
  retriesOf(key: string): number;
  /** Resolves when nothing runs and nothing waits that is due now; delayed keys do not count. */
  idle(): Promise<void>;
}

interface Delayed {
  readonly at: number;
  /** It is delayed only by the gap between two runs. */
  readonly isDue: boolean;
  readonly cancel: Cancel;
}

const MAX_REMEMBERED = 10_000;

function forgetOld(times: Map<string, number>, before: number): void {
  for (const [key, at] of times) if (at < before) times.delete(key);
}

export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  const { name, concurrency = 1, minGapMs = 120, meter = noMeter, timers = systemTimers } = options;
  const limit = options.rateLimit ?? retryRateLimit({ timers });
  const waiting = new Map<string, number>(); // key → when it was added (all by `elapsed`); a Map keeps the order
  const running = new Map<string, number>(); // key → since when, in that order
  const again = new Set<string>(); // added while running
  const delayed = new Map<string, Delayed>();
  const startedAt = new Map<string, number>();
  const idlers: (() => void)[] = [];
  let active: AbortSignal | undefined;
  let ended: (() => void) | undefined;

  meter.gauge("queue_depth", { queue: name }, () => waiting.size);

  const add = (key: string): void => {
    drop(key);
    const gap = (startedAt.get(key) ?? -Infinity) + minGapMs - timers.elapsed();
    if (running.has(key)) again.add(key);
    else if (gap > 0) delay(key, gap, true);
    else if (!waiting.has(key)) waiting.set(key, timers.elapsed());
    pump();
  };

  const delay = (key: string, ms: number, isDue: boolean): void => {
    drop(key);
    delayed.set(key, { at: timers.elapsed() + ms, isDue, cancel: timers.after(ms, () => add(key)) });
  };

  const drop = (key: string): void => {
    delayed.get(key)?.cancel();
    delayed.delete(key);
  };

  const addAfter = (key: string, ms: number): void => {
    if (ms <= 0) {
      add(key);
      return;
    }
    const at = timers.elapsed() + ms;
    if (waiting.has(key) || again.has(key) || (delayed.get(key)?.at ?? Infinity) <= at) return;
    delay(key, ms, false);
  };

  const settle = (key: string, outcome: { verdict: Verdict } | { error: unknown }): void => {
    if ("verdict" in outcome) {
      limit.forget(key);
      if (outcome.verdict !== undefined) addAfter(key, Math.max(outcome.verdict.requeueAfterMs, 1));
      return;
    }
    const { error } = outcome;
    options.onError?.(key, error);
    if (isWeirError(error) && error.retry === "Terminal") {
      limit.forget(key);
      meter.count("queue_terminal_errors_total", { queue: name });
      return;
    }
    meter.count("queue_retries_total", { queue: name });
    const backoff = limit.next(key);
    addAfter(key, isWeirError(error) ? Math.max(backoff, error.retryAfterMs ?? 0) : backoff);
  };

  const processOne = async (key: string, signal: AbortSignal): Promise<void> => {
    const started = timers.elapsed();
    try {
      settle(key, { verdict: await options.process(key, signal) });
    } catch (error) {
      settle(key, { error });
    } finally {
      meter.observe("queue_work_seconds", { queue: name }, (timers.elapsed() - started) / 1000);
      running.delete(key);
      if (again.delete(key)) add(key);
      if (startedAt.size > MAX_REMEMBERED) forgetOld(startedAt, timers.elapsed() - minGapMs);
      pump();
    }
  };

  const pump = (): void => {
    while (active !== undefined && !active.aborted && running.size < concurrency) {
      const [next] = waiting;
      if (next === undefined) break;
      const [key, since] = next;
      waiting.delete(key);
      running.set(key, timers.elapsed());
      startedAt.set(key, timers.elapsed());
      meter.observe("queue_wait_seconds", { queue: name }, (timers.elapsed() - since) / 1000);
      void processOne(key, active);
    }
    if (running.size > 0) return;
    if (active?.aborted === true) ended?.();
    if (isIdle()) for (const wake of idlers.splice(0)) wake();
  };

  const isIdle = (): boolean =>
    running.size === 0 && waiting.size === 0 && ![...delayed.values()].some((entry) => entry.isDue);

  return {
    name,
    add,
    addAfter,
    retriesOf: (key) => limit.retries(key),
    get depth() {
      return waiting.size;
    },
    get longestRun() {
      const [first] = running;
      return first === undefined ? undefined : { key: first[0], since: first[1] };
    },
    idle: () => (isIdle() ? Promise.resolve() : new Promise((resolve) => idlers.push(resolve))),
    run: (signal) =>
      new Promise<void>((resolve, reject) => {
        if (active !== undefined) {
          reject(new Error(`the queue ${name} runs already`));
          return;
        }
        ended = resolve;
        active = signal;
        signal.addEventListener("abort", () => {
          for (const key of delayed.keys()) drop(key);
          pump();
        });
        pump();
      }),
  };
}
