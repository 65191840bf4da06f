import type { AggregateFunction } from "../plan.ts";

const NUMERIC: readonly AggregateFunction[] = ["sum", "avg", "min", "max", "percentile"];
export const isNumeric = (fn: AggregateFunction): boolean => NUMERIC.includes(fn);
export const isOfTexts = (fn: AggregateFunction): fn is "minText" | "maxText" => fn === "minText" || fn === "maxText";

/** By the name that its user calls it. */
export const calledAs = (fn: AggregateFunction): string => (isOfTexts(fn) ? fn.slice(0, 3) : fn);

/** Whether an aggregate takes a value. It is asked before any aggregate of the record has changed. */
export function takesArgument(fn: AggregateFunction, value: unknown): boolean {
  if (value === null) return true;
  if (isOfTexts(fn)) return typeof value === "string";
  return !isNumeric(fn) || (typeof value === "number" && Number.isFinite(value));
}

export function argumentProblem(name: string, fn: AggregateFunction, value: unknown): string {
  if (isOfTexts(fn)) return `${calledAs(fn)}() of ${name} needs a text or null, not ${describe(value)}`;
  const isText = typeof value === "string" && (fn === "min" || fn === "max");
  const hint = isText ? "; say that it is one, by string(…) around it or a schema" : "";
  return `${fn}() of ${name} needs a finite number or null, not ${describe(value)}${hint}`;
}

export const keyProblem = (value: unknown): string =>
  `a key must be a text, a finite number, a boolean, null or a list of these, not ${describe(value)}`;

function describe(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "number") return String(value);
  return value === null ? "null" : `a ${typeof value === "object" ? "map" : typeof value}`;
}
