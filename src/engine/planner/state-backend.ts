import { WeirError } from "../../errors.ts";
import { nodePath } from "./expressions.ts";
import type { Plan, PlanNode } from "../plan.ts";

const LATER = "leave state.backend out, which keeps it in memory";

/** Why a node's state cannot be in RocksDB; undefined where it can, or where there is none. */
export function storedProblem(node: PlanNode): string | undefined {
  switch (node.kind) {
    case "keyedAggregate":
      if (node.trigger.type !== "time" || node.ttlMs === 0) return undefined;
      return `this version keeps an aggregate that gives results by time and has a ttl in memory only; leave ttl out, or ${LATER}`;
    case "windowAggregate":
    case "join":
    case "keyedProcess":
    case "dedup":
    case "topN":
      return undefined;
    default:
      return "keying" in node ? `this version keeps the state of ${node.kind} in memory only; ${LATER}` : undefined;
  }
}

/** What of a plan cannot be in RocksDB: nothing is kept in memory silently. */
export function storedProblems(nodes: readonly PlanNode[]): WeirError[] {
  return nodes.flatMap((node) => {
    const problem = storedProblem(node);
    if (problem === undefined) return [];
    const text = `state.backend RocksDB, node "${node.name}": ${problem}`;
    const place = { path: nodePath(node.name), message: `with state.backend RocksDB: ${problem}` };
    return [new WeirError("SPEC_NOT_IMPLEMENTED", text, { place })];
  });
}

/** Nodes whose state is in RocksDB. */
export const storedNodes = (plan: Plan): readonly PlanNode[] => plan.nodes.filter((node) => "keying" in node);
