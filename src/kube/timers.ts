import { systemClock, type Clock } from "../clock.ts";

/** Cancels what was scheduled; a second call does nothing. */
export type Cancel = () => void;

/** Time and randomness for everything in this folder, so that tests move them by hand. */
export interface Timers extends Clock {
  /** Calls `run` once, `ms` from now. Does not keep the process alive by itself. */
  after(ms: number, run: () => void): Cancel;
  /** In [0, 1). */
  random(): number;
}

export const systemTimers: Timers = {
  ...systemClock,
  random: () => Math.random(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Resolves after `ms`, or as soon as the signal aborts: callers look at the signal, they never catch here. */
export function pause(timers: Timers, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    const finish = (): void => {
      cancel();
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const cancel = timers.after(ms, finish);
    signal?.addEventListener("abort", finish, { once: true });
  });
}
