import type { PlanNode } from "../plan.ts";
import { layoutOf, stateSignature } from "../windows/cells.ts";
import { NaiveSessions } from "./naive-sessions.ts";
import { NaiveTable } from "./naive-table.ts";
import { NaiveWindows } from "./naive-windows.ts";

export type AggregateState = NaiveSessions | NaiveTable | NaiveWindows;

/** The state of a node that has one. */
export function naiveState(node: PlanNode): AggregateState | undefined {
  switch (node.kind) {
    case "windowAggregate": {
      const { window } = node;
      return window.type === "session" ? new NaiveSessions(node, window.gapMs) : new NaiveWindows({ ...node, window });
    }
    case "keyedAggregate": {
      const { name, ttlMs, trigger } = node;
      const facts = { layout: layoutOf(node), stateSignature: stateSignature(node) };
      return new NaiveTable({ node: name, ttlMs, trigger, ...facts });
    }
    default:
      return undefined;
  }
}
