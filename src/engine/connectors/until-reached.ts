import { messageOf, WeirError } from "../../errors.ts";
import type { ConnectorContext } from "./connector.ts";

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 3_000;

/** Milliseconds to wait before try number `attempt` (1 is the first repetition). */
export function backOff(attempt: number): number {
  return Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempt - 1, 16));
}

export interface Reached {
  readonly code: "SOURCE_UNREACHABLE" | "SINK_UNREACHABLE";
  /** What cannot be reached, for the message. */
  readonly system: string;
}

/**
 * Repeats `attempt` until it works, and keeps the job's reason up to date meanwhile. Only a Terminal WeirError or the
 * end of the connector gets out.
 */
export async function untilReached<T>(
  ctx: ConnectorContext,
  { code, system }: Reached,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      const result = await attempt();
      if (tries > 1) ctx.report(undefined);
      return result;
    } catch (error) {
      if (error instanceof WeirError && error.retry === "Terminal") throw error;
      ctx.signal.throwIfAborted();
      const wait = backOff(tries);
      ctx.report({ code, message: `${system}: ${messageOf(error)}`, nextTryAt: ctx.clock.now() + wait });
      await pause(wait, ctx.signal);
    }
  }
}

/** Waits, or rejects when the signal fires first. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      signal.removeEventListener("abort", stop);
      resolve();
    };
    const timer = setTimeout(done, ms);
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason instanceof Error ? signal.reason : new Error("closed"));
    };
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}
