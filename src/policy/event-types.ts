import type { Node } from "../expression/expression.ts";

/** The event types a condition can be true for; "any" where the expression does not say. */
export type EventTypes = ReadonlySet<string> | "any";

/**
 * Found from the expression, so that a `started` event does not reset a `for` on metrics: `event.type == 'x'`,
 * `event.type in ['x', 'y']`, and what && and || make of them.
 */
export function eventTypes(node: Node): EventTypes {
  switch (node.kind) {
    case "and":
      return node.operands.map(eventTypes).reduce(intersect, "any");
    case "or":
      return node.operands.map(eventTypes).reduce(union);
    case "binary":
      return ofComparison(node.operator, node.left, node.right);
    default:
      return "any";
  }
}

export const matchesType = (types: EventTypes, type: string): boolean => types === "any" || types.has(type);

function ofComparison(operator: string, left: Node, right: Node): EventTypes {
  if (operator === "==") {
    const text = isEventType(left) ? textOf(right) : isEventType(right) ? textOf(left) : undefined;
    return text === undefined ? "any" : new Set([text]);
  }
  if (operator !== "in" || !isEventType(left) || right.kind !== "list") return "any";
  const texts = right.items.map(textOf);
  return texts.every((t) => t !== undefined) ? new Set(texts) : "any";
}

const isEventType = (node: Node): boolean => node.kind === "path" && node.path.join(".") === "event.type";

const textOf = (node: Node): string | undefined =>
  node.kind === "literal" && typeof node.value === "string" ? node.value : undefined;

function intersect(a: EventTypes, b: EventTypes): EventTypes {
  if (a === "any") return b;
  return b === "any" ? a : a.intersection(b);
}

function union(a: EventTypes, b: EventTypes): EventTypes {
  return a === "any" || b === "any" ? "any" : a.union(b);
}
