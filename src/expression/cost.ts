import type { Node, NodeOf } from "./expression.ts";
import { childrenOf } from "./expression.ts";
import { celFunctions } from "./runtime/functions.ts";

/**
 * Static bound in the way of Kubernetes: one step a node, loops multiply. A list that comes from a record is taken for
 * this long; longer ones run into the step budget of the evaluation.
 */
const UNKNOWN_LENGTH = 64;
export const MAX_COST = 100_000;

export function costOf(node: Node): number {
  switch (node.kind) {
    case "call":
      return (celFunctions[node.name]?.cost ?? 1) + children(node);
    case "comprehension":
      return costOf(node.over) + lengthOf(node.over) * (1 + body(node));
    default:
      return 1 + children(node);
  }
}

function children(node: Node): number {
  return childrenOf(node).reduce((sum, child) => sum + costOf(child), 0);
}

function body({ predicate, transform }: NodeOf<"comprehension">): number {
  return [predicate, transform].reduce((sum, n) => sum + (n === null ? 0 : costOf(n)), 0);
}

function lengthOf(node: Node): number {
  switch (node.kind) {
    case "list":
      return node.items.length;
    case "map":
      return node.entries.length;
    case "comprehension":
      return lengthOf(node.over);
    case "binary":
      return node.operator === "+" ? lengthOf(node.left) + lengthOf(node.right) : UNKNOWN_LENGTH;
    case "conditional":
      return Math.max(lengthOf(node.yes), lengthOf(node.no));
    default:
      return UNKNOWN_LENGTH;
  }
}
