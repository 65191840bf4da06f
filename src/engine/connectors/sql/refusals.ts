import { WeirError } from "../../../errors.ts";
import type { SinkContext } from "../connector.ts";
import type { RowRefused } from "./session.ts";

/** Records that the table does not take: they end the job, or are left out with a word, by the sink's `onError`. */
export interface Refusals {
  readonly skips: boolean;
  /** Throws SINK_REFUSED unless such records are left out. */
  take(record: { readonly text: string | undefined; readonly number: number }, why: RowRefused): void;
  /** Records left out. */
  readonly count: number;
}

const SHOWN = 200;
/** A word about each of the first, and then about every so many. */
const SPOKEN = 10;
const EVERY = 1_000;

export function refusals(system: string, table: string, ctx: SinkContext): Refusals {
  const skips = ctx.onError === "Skip";
  let count = 0;
  return {
    skips,
    get count() {
      return count;
    },
    take: ({ text, number }, why) => {
      const column = why.column === undefined ? "" : `column "${why.column}": `;
      const shown = text === undefined ? "a tombstone" : text.slice(0, SHOWN);
      const message = `${system} table "${table}" does not take record ${number + 1} since the worker's start: ${column}${why.message}. The record: ${shown}`;
      if (!skips) {
        const fix = "Correct the records with map, or the table, or set onError: Skip on the sink";
        throw new WeirError("SINK_REFUSED", `${message}. ${fix}`, { cause: why });
      }
      count++;
      if (count <= SPOKEN || count % EVERY === 0) ctx.warn?.(`skipped: ${message}`);
    },
  };
}
