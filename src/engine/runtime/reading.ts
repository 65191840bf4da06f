import type { OpenSlot } from "./open-slot.ts";
import { rateLimits } from "./rate-limits.ts";
import type { SlotOptions } from "./slot-options.ts";
import type { SourceTask } from "./source-task.ts";
import { taskLoop, type TaskLoop } from "./task-loop.ts";

/** How often idle splits and ended sources are looked at while batches keep coming. */
const REST_MS = 100;

export type Hold = "user" | "savepoint" | "stop";

export interface Reading {
  hold(why: Hold): void;
  release(why: Hold): void;
  /** Whether anybody, or this one, holds the sources. */
  held(why?: Hold): boolean;
  wake(): void;
  stop(): void;
}

/** Drives the sources: one batch a step, in turns, while nobody holds them and every sink has room. */
export function reading(
  { tasks, sinks, program }: OpenSlot,
  { clock, plan, start }: SlotOptions,
  on: { ended: () => void; failed: (e: unknown) => void },
): Reading {
  const holds = new Set<Hold>();
  const writers = [...sinks.values()];
  const limits = rateLimits(plan, { program, slots: start.slots, clock });
  let turn = 0;
  let ended = false;

  const blocked = (): boolean => ended || holds.size > 0 || writers.some((w) => w.saturated());
  const rest = (): void => {
    for (const task of tasks) task.rest(clock.now());
    if (!tasks.every((t) => t.ended)) return;
    ended = true;
    on.ended();
  };
  const step = (): boolean => {
    if (blocked()) return false;
    let wait = Infinity;
    for (let i = 0; i < tasks.length; i++) {
      const task = tasks[turn++ % tasks.length] as SourceTask;
      const limited = limits.waitMs(task.node);
      if (limited > 0) wait = Math.min(wait, limited);
      else if (task.step()) return true;
    }
    if (wait < REST_MS) setTimeout(loop.wake, wait);
    rest();
    return false;
  };
  const loop: TaskLoop = taskLoop(step, on.failed);
  for (const task of tasks) task.reader.onReady(loop.wake);
  for (const writer of writers) writer.onDrain(loop.wake);
  const timer = setInterval(() => {
    try {
      if (!blocked()) rest();
      loop.wake();
    } catch (e) {
      on.failed(e);
    }
  }, REST_MS);

  return {
    hold: (why) => {
      holds.add(why);
    },
    release: (why) => {
      holds.delete(why);
      if (holds.size > 0) return;
      for (const task of tasks) task.paused();
      loop.wake();
    },
    held: (why) => (why === undefined ? holds.size > 0 : holds.has(why)),
    wake: loop.wake,
    stop: () => {
      clearInterval(timer);
      loop.stop();
    },
  };
}
