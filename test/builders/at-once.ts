import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";

/** Between two looks at how busy this process is; also the least that two tasks start apart. */
const LOOK_MS = 100;
/** Of the time, spent in callbacks or waiting for a processor in the middle of one. */
const BUSY = 0.8;

/**
 * Does tasks side by side, in their order, at most `most` at once, and fewer while they take all of this process's time: more of
 * them would only make each other late.
 */
export async function atOnce(most: number, tasks: readonly (() => Promise<void>)[]): Promise<void> {
  const all: Promise<void>[] = [];
  let running = 0;
  const start = async (task: () => Promise<void>): Promise<void> => {
    running++;
    try {
      await task();
    } finally {
      running--;
    }
  };
  const hasRoom = async (): Promise<boolean> => {
    const before = performance.eventLoopUtilization();
    await delay(LOOK_MS);
    return running < most && performance.eventLoopUtilization(before).utilization < BUSY;
  };
  for (const task of tasks) {
    while (running > 0 && !(await hasRoom()));
    const done = start(task);
    done.catch(() => undefined); // told below
    all.push(done);
  }
  await Promise.all(all);
}
