import { WeirError } from "../../errors.ts";
import type { AggregateFunction } from "../plan.ts";

const FUNCTIONS: readonly AggregateFunction[] = ["count", "sum", "avg", "min", "max", "first", "last"];
const CALL = /^\s*([a-z]+)\s*\(([\s\S]*)\)\s*$/;

export interface Aggregate {
  readonly name: string;
  readonly fn: AggregateFunction;
  readonly arg: string | null;
}

/** Reads `max(event.lag)`: one aggregate call around one expression. */
export function parseAggregate(node: string, name: string, text: string): Aggregate {
  const invalid = (why: string): WeirError =>
    new WeirError("EXPRESSION_INVALID", `node "${node}", aggregate ${name}: "${text}" ${why}`);
  const call = CALL.exec(text);
  const fn = FUNCTIONS.find((f) => f === call?.[1]);
  if (call === null || fn === undefined) throw invalid(`is not one call of ${FUNCTIONS.join(", ")}`);
  const arg = (call[2] as string).trim();
  if (fn === "count") {
    if (arg !== "") throw invalid("takes no argument: count() counts records; filter them before");
    return { name, fn, arg: null };
  }
  if (arg === "") throw invalid("needs an argument, for example max(event.lag)");
  return { name, fn, arg };
}
