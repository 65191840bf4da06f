import { KeyedTable } from "../keyed-state/keyed-table.ts";
import type { PlanNode } from "../plan.ts";
import type { KeyedNode } from "../program.ts";
import { dedupLayout, layoutOf, stateSignature, topLayout } from "../windows/cells.ts";
import type { CellLayout, DedupNode, TopNode } from "../windows/cells.ts";
import { SessionState } from "../windows/session-state.ts";
import { WindowState } from "../windows/window-state.ts";
import type { Fire } from "../windows/window-state.ts";

/** State that generated code changes, and that the watermark moves on. */
export interface KeyedState extends KeyedNode {
  advance(watermark: number, fire: Fire): void;
}

/** The state of a node that has one. */
export function keyedState(node: PlanNode): KeyedState | undefined {
  switch (node.kind) {
    case "windowAggregate": {
      const { window } = node;
      return window.type === "session" ? new SessionState(node, window.gapMs) : new WindowState({ ...node, window });
    }
    case "keyedAggregate": {
      const { name, ttlMs, trigger } = node;
      const facts = { layout: layoutOf(node), stateSignature: stateSignature(node) };
      return new KeyedTable({ node: name, ttlMs, trigger, ...facts });
    }
    case "dedup":
      return table(node, dedupLayout());
    case "topN":
      return table(node, topLayout(node));
    default:
      return undefined;
  }
}

function table(node: DedupNode | TopNode, layout: CellLayout): KeyedTable {
  return new KeyedTable({ node: node.name, ttlMs: node.ttlMs, layout, stateSignature: stateSignature(node) });
}
