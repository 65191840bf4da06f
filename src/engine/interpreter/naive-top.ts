import { isRank, rankProblem, ranksBefore } from "../accumulators/top-list.ts";
import type { TopItem } from "../accumulators/top-list.ts";
import { textOf } from "../accumulators/accumulator.ts";
import type { TopNode } from "../windows/cells.ts";
import type { NaiveTable } from "./naive-table.ts";

export interface RankedRow {
  readonly rank: number;
  readonly record: unknown;
}

/** Adds a record to its key's list by sorting anew; gives what has another rank than before. */
export function addRanked(
  state: NaiveTable,
  node: TopNode,
  of: { shard: number; key: string; ts: number; by: unknown; value: unknown },
): RankedRow[] {
  const { by, value } = of;
  if (!isRank(by)) throw new TypeError(rankProblem(by));
  let rows: RankedRow[] = [];
  state.change(of.shard, of, (entry) => {
    const before = JSON.parse(textOf(entry.texts[0]) ?? "[]") as TopItem[];
    const order = { size: node.size, descending: node.order === "Descending" };
    const at = before.filter(([other]) => !ranksBefore(order, by, other)).length;
    const after = before.toSpliced(at, 0, [by, JSON.stringify(value)]).slice(0, node.size);
    entry.texts[0] = JSON.stringify(after);
    rows = after.map(([, record], i) => ({ rank: i + 1, record: JSON.parse(record) as unknown })).slice(at);
  });
  return rows;
}
