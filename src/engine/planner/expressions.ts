import { isWeirError, WeirError } from "../../errors.ts";
import type { Expression, Node } from "../../expression/expression.ts";
import { parseExpression } from "../../expression/parse.ts";
import type { ResultKind } from "../../expression/parse.ts";
import type { ValueType, VariableType } from "../../expression/value-type.ts";

/** The node that an expression belongs to, and what is known of the events it reads. */
export interface CheckedNode {
  readonly name: string;
  /** The field of the node that has the expression, where another could have the same one: `aggregate.total`. */
  readonly field?: string;
  readonly event?: VariableType | undefined;
  /** Instead of `event`. */
  readonly variables?: Readonly<Record<string, VariableType>>;
  /** Takes an error instead of its being thrown, so that one plan shows all of them. */
  readonly report?: ((error: WeirError) => void) | undefined;
}

/** Parses, checks and prices an expression at planning time, so that its error names the node; returns its text. */
export function checkExpression(at: CheckedNode, text: string, result: ResultKind = "any"): string {
  typeOfExpression(at, text, result);
  return text;
}

/**
 * The same for keys and rankings, by what they are whatever a record is: a type that only a schema claims refuses no job,
 * for records are not held to it. `weir lint` warns of it.
 */
export function checkUnclaimed(at: CheckedNode, text: string, result: ResultKind): string {
  if (typeOfExpression(at, text) === undefined) return text;
  const variables = Object.keys(at.variables ?? { event: "dyn" }).map((name) => [name, "dyn"] as const);
  return checkExpression({ ...at, variables: Object.fromEntries(variables) }, text, result);
}

/** As checkExpression, and what is known of its value; undefined where the error has been reported. */
export const typeOfExpression = (at: CheckedNode, text: string, result: ResultKind = "any"): ValueType | undefined =>
  checked(at, text, result)?.type;

/** Whether a value to rank is a text, or null, whichever way it is calculated. */
export function isText(at: CheckedNode, text: string): boolean {
  const ast = checked(at, text, "ranked")?.ast;
  return (
    ast !== undefined && endsOf(ast).every((e) => isNull(e) || e.type.kind === "string") && !endsOf(ast).every(isNull)
  );
}

const isNull = ({ type }: Node): boolean => type.kind === "null";
const endsOf = (node: Node): readonly Node[] =>
  node.kind === "conditional" ? [...endsOf(node.yes), ...endsOf(node.no)] : [node];

function checked(at: CheckedNode, text: string, result: ResultKind): Expression | undefined {
  const { name: node, field, event = "dyn", variables = { event } } = at;
  try {
    return parseExpression(text, { result, variables: { ...variables, params: "dyn" } });
  } catch (e) {
    if (!isWeirError(e)) throw e;
    const place = { message: e.message, ...e.place, path: fieldPathOf(node, field) };
    const error = new WeirError(e.code, `node "${node}": ${e.message}`, { cause: e, place });
    if (at.report === undefined) throw error;
    at.report(error);
    return undefined;
  }
}

const fieldPathOf = (node: string, field: string | undefined): string =>
  field === undefined ? nodePath(node) : `${nodePath(node)}.${field}`;

/** A node as problems name it. */
export const nodePath = (node: string): string => `spec.pipeline.nodes[${node}]`;
