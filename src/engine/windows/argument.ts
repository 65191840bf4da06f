import type { AggregateFunction } from "../plan.ts";

const NUMERIC: readonly AggregateFunction[] = ["sum", "avg", "min", "max", "percentile"];
export const isNumeric = (fn: AggregateFunction): boolean => NUMERIC.includes(fn);

/** Whether an aggregate takes a value. It is asked before any aggregate of the record has changed. */
export function takesArgument(fn: AggregateFunction, value: unknown): boolean {
  if (!isNumeric(fn) || value === null) return true;
  return typeof value === "number" && Number.isFinite(value);
}

export const argumentProblem = (name: string, fn: AggregateFunction, value: unknown): string =>
  `${fn}() of ${name} needs a finite number or null, not ${describe(value)}`;

export const keyProblem = (value: unknown): string =>
  `a key must be a text, a finite number, a boolean, null or a list of these, not ${describe(value)}`;

function describe(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "number") return String(value);
  return value === null ? "null" : `a ${typeof value === "object" ? "map" : typeof value}`;
}
