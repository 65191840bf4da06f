import type { PlanNode } from "../plan.ts";
import { dedupLayout, layoutOf, stateSignature, topLayout } from "../windows/cells.ts";
import type { CellLayout, DedupNode, TopNode } from "../windows/cells.ts";
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
    case "dedup":
      return table(node, dedupLayout());
    case "topN":
      return table(node, topLayout(node));
    default:
      return undefined;
  }
}

function table(node: DedupNode | TopNode, layout: CellLayout): NaiveTable {
  const { name, ttlMs } = node;
  return new NaiveTable({
    node: name,
    ttlMs,
    layout,
    stateSignature: stateSignature(node),
    trigger: { type: "record" },
  });
}
