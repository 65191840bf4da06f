import { setTimeout as sleep } from "node:timers/promises";
import { WeirError } from "../../errors.ts";

/** A write that takes longer than this ends with the process, unless there is less time. */
const END_WITHIN_MS = 5_000;

/** What a slot writes to its storage. Once it has ended nothing more appears there: its successor goes on from what it has found. */
export interface Writes {
  /** Fires when the slot ends: nobody waits for a checkpoint or a part of a savepoint any more. */
  readonly unwanted: AbortSignal;
  run<T>(write: () => Promise<T>): Promise<T>;
  /** Resolves when what is being written is given up, or was written. */
  end(withinMs?: number): Promise<void>;
}

export function writes(): Writes {
  const ended = new AbortController();
  const running = new Set<Promise<unknown>>();
  return {
    unwanted: ended.signal,
    run: (write) => {
      ended.signal.throwIfAborted();
      const result = write();
      running.add(result);
      const over = (): void => void running.delete(result);
      result.then(over, over);
      return result;
    },
    end: async (withinMs = END_WITHIN_MS) => {
      ended.abort(new WeirError("WORKER_UNREACHABLE", "the slot has ended; its last checkpoint is what remains"));
      if (running.size === 0) return;
      const late = new AbortController();
      await Promise.race([
        Promise.allSettled(running),
        sleep(withinMs, undefined, { signal: late.signal }).catch(() => undefined),
      ]);
      late.abort();
    },
  };
}
