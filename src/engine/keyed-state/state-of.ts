import type { JoinNode } from "../joins/join-node.ts";
import type { Plan, PlanNode } from "../plan.ts";
import { dedupLayout, layoutOf, stateSignature, topLayout } from "../windows/cells.ts";
import type { CellLayout, DedupNode, TopNode, WindowNode } from "../windows/cells.ts";
import type { PaneWindow } from "../windows/panes.ts";
import type { TableOptions } from "./keyed-table.ts";

/** The kinds of state, as generated code has them and as the interpreter has them. */
export interface StateKinds<S> {
  sessions(node: WindowNode, gapMs: number): S;
  windows(node: WindowNode & { readonly window: PaneWindow }): S;
  table(options: TableOptions): S;
  join(node: JoinNode): S;
}

/** The state of a node that has one. */
export function stateOf<S>(node: PlanNode, kinds: StateKinds<S>): S | undefined {
  switch (node.kind) {
    case "windowAggregate": {
      const { window } = node;
      return window.type === "session" ? kinds.sessions(node, window.gapMs) : kinds.windows({ ...node, window });
    }
    case "keyedAggregate": {
      const { name, ttlMs, trigger } = node;
      return kinds.table({ node: name, ttlMs, trigger, layout: layoutOf(node), stateSignature: stateSignature(node) });
    }
    case "dedup":
      return kinds.table(tableOf(node, dedupLayout()));
    case "topN":
      return kinds.table(tableOf(node, topLayout(node)));
    case "join":
      return kinds.join(node);
    default:
      return undefined;
  }
}

/** Nodes whose state is in RocksDB where a job has it there. */
export const storedNodes = (plan: Plan): readonly PlanNode[] => plan.nodes.filter((node) => "keying" in node);

function tableOf(node: DedupNode | TopNode, layout: CellLayout): TableOptions {
  return { node: node.name, ttlMs: node.ttlMs, layout, stateSignature: stateSignature(node) };
}
