import type { Timers } from "./timers.ts";

/** Ends a call at its deadline or with its caller's signal, whichever comes first. */
export interface CallLimit {
  readonly signal: AbortSignal;
  /** From now on only the caller's signal ends it. */
  liftDeadline(): void;
  /** Lets go of timer and caller. Always call it: a caller's signal may live as long as the process. */
  release(): void;
}

/** Not AbortSignal.any and AbortSignal.timeout: each of their signals is kept until the time-out, 0.7 KB a call. */
export function limitCall(caller: AbortSignal | undefined, timeoutMs: number, timers: Timers): CallLimit {
  const controller = new AbortController();
  const abort = (): void => controller.abort(caller?.reason);
  const liftDeadline = timers.after(timeoutMs, () =>
    controller.abort(new DOMException(`no answer within ${timeoutMs} ms`, "TimeoutError")),
  );
  if (caller?.aborted === true) abort();
  else caller?.addEventListener("abort", abort, { once: true });
  return {
    signal: controller.signal,
    liftDeadline,
    release: () => {
      liftDeadline();
      caller?.removeEventListener("abort", abort);
    },
  };
}
