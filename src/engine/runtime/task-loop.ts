/**
 * A slice ends after this long, so that I/O, timers and the control API are never far behind. A checkpoint is about
 * twenty file operations one after the other, and each waits for the slice that runs when it completes.
 */
const SLICE_MS = 2;

/** Runs steps in slices of one event loop and sleeps when there is nothing to do. */
export interface TaskLoop {
  /** There may be something to do. Cheap, and safe to call from anywhere. */
  wake(): void;
  /** No step runs after this. */
  stop(): void;
}

/**
 * `step` does one batch of work and says whether there may be more; when it says no, the loop waits for `wake`.
 * What it throws ends the loop and goes to `onError`.
 */
export function taskLoop(step: () => boolean, onError: (e: unknown) => void): TaskLoop {
  let scheduled = false;
  let stopped = false;

  const slice = (): void => {
    scheduled = false;
    if (stopped) return;
    const until = performance.now() + SLICE_MS;
    let more = true;
    try {
      while (more && !stopped && performance.now() < until) more = step();
    } catch (e) {
      stopped = true;
      onError(e);
      return;
    }
    if (more) wake();
  };
  const wake = (): void => {
    if (scheduled || stopped) return;
    scheduled = true;
    setImmediate(slice);
  };
  return {
    wake,
    stop: () => {
      stopped = true;
    },
  };
}
