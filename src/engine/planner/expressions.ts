import { isWeirError, WeirError } from "../../errors.ts";
import { parseExpression } from "../../expression/parse.ts";
import type { VariableType } from "../../expression/value-type.ts";

/** The node that an expression belongs to, and what is known of the events it reads. */
export interface CheckedNode {
  readonly name: string;
  readonly event?: VariableType | undefined;
  /** Instead of `event`. */
  readonly variables?: Readonly<Record<string, VariableType>>;
}

/** Parses, checks and prices an expression at planning time, so that its error names the node; returns its text. */
export function checkExpression(at: CheckedNode, text: string, result: "bool" | "list" | "any" = "any"): string {
  const { name: node, event = "dyn", variables = { event } } = at;
  try {
    parseExpression(text, { result, variables: { ...variables, params: "dyn" } });
    return text;
  } catch (e) {
    if (!isWeirError(e)) throw e;
    throw new WeirError(e.code, `node "${node}": ${e.message}`, { cause: e });
  }
}
