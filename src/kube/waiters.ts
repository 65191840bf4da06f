import { WeirError } from "../errors.ts";
import type { Timers } from "./timers.ts";

export interface WaitOptions {
  /** What is waited for, for the message. */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

export interface Waiters {
  /** Resolves when the condition holds, at once if it does already; rejects with API_UNAVAILABLE at the time-out or abort. */
  wait(condition: () => boolean, options: WaitOptions): Promise<void>;
  /** Looks at all conditions again. */
  check(): void;
}

export function createWaiters(timers: Timers): Waiters {
  const waiting = new Set<() => void>();
  return {
    wait: (condition, { what, signal, timeoutMs }) =>
      new Promise((resolve, reject) => {
        if (condition()) {
          resolve();
          return;
        }
        const done = (): void => {
          waiting.delete(look);
          cancel?.();
          signal?.removeEventListener("abort", aborted);
        };
        const look = (): void => {
          if (!condition()) return;
          done();
          resolve();
        };
        const fail = (why: string) => (): void => {
          done();
          reject(new WeirError("API_UNAVAILABLE", `waiting for the cache to see ${what}: ${why}`));
        };
        const aborted = fail("cancelled");
        const cancel =
          timeoutMs === undefined ? undefined : timers.after(timeoutMs, fail(`not within ${timeoutMs} ms`));
        if (signal?.aborted === true) {
          aborted();
          return;
        }
        signal?.addEventListener("abort", aborted, { once: true });
        waiting.add(look);
      }),
    check: () => {
      for (const look of waiting) look();
    },
  };
}
