/** Runs work one after the other: checkpoints and savepoints of a slot never overlap. */
export type Exclusive = <T>(work: () => Promise<T>) => Promise<T>;

export function exclusive(): Exclusive {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const run = last.then(work, work);
    last = run.catch(() => undefined);
    return run;
  };
}

/** Gives up waiting after `ms`, or when nobody wants it any more; the work is told by its signal and may end later. */
export async function within<T>(
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
  late: () => Error,
  unwanted?: AbortSignal,
): Promise<T> {
  unwanted?.throwIfAborted();
  const abort = new AbortController();
  const { promise: deadline, reject } = Promise.withResolvers<never>();
  const giveUp = (error: unknown): void => {
    abort.abort(error);
    reject(error);
  };
  const onUnwanted = (): void => giveUp(unwanted?.reason);
  const timer = setTimeout(() => giveUp(late()), ms);
  unwanted?.addEventListener("abort", onUnwanted);
  try {
    return await Promise.race([work(abort.signal), deadline]);
  } finally {
    clearTimeout(timer);
    unwanted?.removeEventListener("abort", onUnwanted);
  }
}
