import { checkpointOrThrow, type Checkpointer } from "./checkpointer.ts";
import type { Exclusive } from "./exclusive.ts";
import type { OpenSlot } from "./open-slot.ts";

export interface Endings {
  readonly done: Promise<"finished" | "stopped">;
  onEnd(stop: (how: "finished" | "stopped" | "failed", withinMs?: number) => Promise<void>): void;
  end(how: "finished" | "stopped", withinMs?: number): Promise<void>;
  fail(e: unknown): void;
  /** A last checkpoint, and the parts of savepoints that were asked for before it was taken. */
  finish(checkpoints: Checkpointer, oneSavepoint: Exclusive): Promise<void>;
  /** How it has ended, or is ending. */
  readonly how: "finished" | "stopped" | "failed" | undefined;
}

/** A slot ends once: everything is stopped and closed before anybody hears of it. */
export function endings(open: OpenSlot): Endings {
  const { promise, resolve, reject } = Promise.withResolvers<"finished" | "stopped">();
  promise.catch(() => undefined);
  let ended: Endings["how"];
  let stop: Parameters<Endings["onEnd"]>[0] = () => Promise.resolve();
  const close = async (...how: Parameters<typeof stop>): Promise<boolean> => {
    if (ended !== undefined) return false;
    [ended] = how;
    await stop(...how);
    await open.close();
    return true;
  };
  const fail = (e: unknown): void => {
    open.tear();
    void close("failed").then((first) => {
      if (first) reject(e instanceof Error ? e : new Error(String(e)));
    });
  };
  const end = async (how: "finished" | "stopped", withinMs?: number): Promise<void> => {
    if (await close(how, withinMs)) resolve(how);
  };
  return {
    done: promise,
    onEnd: (fn) => {
      stop = fn;
    },
    end,
    fail,
    get how() {
      return ended;
    },
    finish: async (checkpoints, oneSavepoint) => {
      try {
        await checkpointOrThrow(checkpoints);
        await oneSavepoint(() => Promise.resolve());
        await end("finished");
      } catch (e) {
        fail(e);
      }
    },
  };
}
