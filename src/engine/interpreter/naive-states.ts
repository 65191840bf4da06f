import { stateOf } from "../keyed-state/state-of.ts";
import type { PlanNode } from "../plan.ts";
import { NaiveJoin } from "./naive-join.ts";
import { NaiveTemporalJoin } from "./naive-temporal-join.ts";
import { NaiveSessions } from "./naive-sessions.ts";
import { NaiveTable } from "./naive-table.ts";
import { NaiveWindows } from "./naive-windows.ts";

export type AggregateState = NaiveSessions | NaiveTable | NaiveWindows;

/** The state of a node that has one. */
export function naiveState(node: PlanNode): AggregateState | NaiveJoin | undefined {
  return stateOf<AggregateState | NaiveJoin>(node, {
    sessions: (at, gapMs) => new NaiveSessions(at, gapMs),
    windows: (at) => new NaiveWindows(at),
    table: (options) => new NaiveTable(options),
    join: (at) => (at.times.type === "temporal" ? new NaiveTemporalJoin(at) : new NaiveJoin(at)),
  });
}
