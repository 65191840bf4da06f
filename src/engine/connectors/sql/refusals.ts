import type { SinkContext } from "../connector.ts";
import { leftOut, SHOWN, type LeftOut } from "../left-out.ts";
import type { RowRefused } from "./session.ts";

/** Records that the table does not take. */
export interface Refusals extends Pick<LeftOut, "skips" | "count"> {
  /** Throws SINK_REFUSED unless such records are left out. */
  take(record: { readonly text: string | undefined; readonly number: number }, why: RowRefused): void;
}

export function refusals(system: string, table: string, ctx: SinkContext): Refusals {
  const records = leftOut(ctx);
  return {
    skips: records.skips,
    get count() {
      return records.count;
    },
    take: ({ text, number }, why) => {
      const column = why.column === undefined ? "" : `column "${why.column}": `;
      const shown = text === undefined ? "a tombstone" : text.slice(0, SHOWN);
      const message = `${system} table "${table}" does not take record ${number + 1} since the worker's start: ${column}${why.message}. The record: ${shown}`;
      records.take(message, { fix: "Correct the records with map, or the table", cause: why });
    },
  };
}
