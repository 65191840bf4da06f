import { WeirError } from "../../errors.ts";
import type { SinkContext } from "./connector.ts";

/** Records that a system does not take: they end the job, or are left out with a word, by the sink's `onError`. */
export interface LeftOut {
  readonly skips: boolean;
  /** Throws SINK_REFUSED unless such records are left out. */
  take(message: string, why: { readonly fix: string; readonly cause: unknown; readonly system?: string }): void;
  /** Records left out. */
  readonly count: number;
}

/** Of a record in a message. */
export const SHOWN = 200;
/** A word about each of the first, and then about every so many. */
const SPOKEN = 10;
const EVERY = 1_000;

export function leftOut(ctx: SinkContext): LeftOut {
  const skips = ctx.onError === "Skip";
  let count = 0;
  return {
    skips,
    get count() {
      return count;
    },
    take: (message, { fix, cause, system }) => {
      const said = system === undefined ? message : `${system}: ${message}`;
      if (!skips) throw new WeirError("SINK_REFUSED", `${said}. ${fix}, or set onError: Skip on the sink`, { cause });
      count++;
      if (count <= SPOKEN || count % EVERY === 0) ctx.warn?.(`skipped: ${message}`);
    },
  };
}
