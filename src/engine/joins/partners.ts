import type { RowLog } from "./row-log.ts";

/** Rows of a key from one time to another, in order of time, then of arrival; nearly always they have come in it. */
export function partners(log: RowLog, key: number, { from, to }: { from: number; to: number }): readonly number[] {
  const rows: number[] = [];
  let sorted = true;
  let latest = Number.NEGATIVE_INFINITY;
  for (let row = log.first(key); row >= 0; row = log.next(row)) {
    const ts = log.ts[row] as number;
    if (ts < from || ts > to) continue;
    rows.push(row);
    sorted &&= ts >= latest;
    latest = ts;
  }
  return sorted ? rows : rows.toSorted((a, b) => (log.ts[a] as number) - (log.ts[b] as number) || a - b);
}
