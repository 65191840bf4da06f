import type { Failure } from "../failure.ts";
import { isFailure } from "../failure.ts";
import { charge } from "./budget.ts";
import { Duration, Timestamp } from "./instant.ts";
import { failureIn, isFields, wrongType } from "./kind.ts";

/** Equality over all types: values of different types are unequal, numbers are equal by value, NaN equals nothing. */
export function equal(a: unknown, b: unknown): boolean | Failure {
  return failureIn(a, b) ?? same(a, b);
}

export function unequal(a: unknown, b: unknown): boolean | Failure {
  const result = equal(a, b);
  return typeof result === "boolean" ? !result : result;
}

function same(a: unknown, b: unknown): boolean | Failure {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && sameLists(a, b);
  if (isFields(a)) return isFields(b) && sameFields(a, b);
  return spanOfTime(a, b) === 0;
}

function sameLists(a: readonly unknown[], b: readonly unknown[]): boolean | Failure {
  if (a.length !== b.length) return false;
  return charge(a.length) ?? allSame(a.length, (i) => same(a[i], b[i]));
}

function sameFields(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): boolean | Failure {
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return (
    charge(keys.length) ??
    allSame(keys.length, (i) => {
      const key = keys[i] ?? "";
      return Object.hasOwn(b, key) && same(a[key], b[key]);
    })
  );
}

function allSame(count: number, sameAt: (i: number) => boolean | Failure): boolean | Failure {
  for (let i = 0; i < count; i++) {
    const result = sameAt(i);
    if (result !== true) return result;
  }
  return true;
}

/** Negative, 0 or positive; NaN where a NaN makes every comparison false. */
function order(a: unknown, b: unknown): number | undefined {
  if (typeof a === "number" && typeof b === "number") return compareNumbers(a, b);
  if (typeof a === "string" && typeof b === "string") return compareText(a, b);
  if (typeof a === "boolean" && typeof b === "boolean") return Number(a) - Number(b);
  return spanOfTime(a, b);
}

function spanOfTime(a: unknown, b: unknown): number | undefined {
  if (a instanceof Timestamp && b instanceof Timestamp) return a.ms - b.ms;
  return a instanceof Duration && b instanceof Duration ? a.ms - b.ms : undefined;
}

const compareNumbers = (a: number, b: number): number => (a < b ? -1 : a > b ? 1 : a === b ? 0 : NaN);

/** By code points. UTF-16 order differs only where a surrogate meets a unit from U+E000 on. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  if (i === length) return a.length - b.length;
  return rank(a.charCodeAt(i)) - rank(b.charCodeAt(i));
}

const rank = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);

function comparison(operator: string, holds: (order: number) => boolean): (a: unknown, b: unknown) => unknown {
  return (a, b) => {
    const found = order(a, b);
    return found === undefined ? (failureIn(a, b) ?? wrongType(operator, a, b)) : holds(found);
  };
}

export const less = comparison("<", (o) => o < 0);
export const lessOrEqual = comparison("<=", (o) => o <= 0);
export const greater = comparison(">", (o) => o > 0);
export const greaterOrEqual = comparison(">=", (o) => o >= 0);

/** `x in list`, `key in map`. */
export function isIn(a: unknown, b: unknown): boolean | Failure {
  const failed = failureIn(a, b);
  if (failed !== undefined) return failed;
  if (Array.isArray(b)) return charge(b.length >> 3) ?? contains(b, a);
  if (!isFields(b)) return wrongType("in", a, b);
  return typeof a === "string" ? Object.hasOwn(b, a) : wrongType("in", a, b);
}

function contains(list: readonly unknown[], item: unknown): boolean | Failure {
  for (const candidate of list) {
    const result = same(candidate, item);
    if (result === true || isFailure(result)) return result;
  }
  return false;
}

/** The least (sign -1) or greatest (sign 1) of comparable values. */
export function extreme(values: readonly unknown[], sign: 1 | -1): unknown {
  let best = values[0];
  for (const value of values.slice(1)) {
    const found = order(value, best);
    if (found === undefined) return wrongType(sign < 0 ? "min" : "max", best, value);
    if (found * sign > 0 || Number.isNaN(found)) best = Number.isNaN(best) ? best : value;
  }
  return best;
}
