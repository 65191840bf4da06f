import { Failure } from "../failure.ts";
import { charge, MAX_ITEMS, MAX_TEXT } from "./budget.ts";
import { Duration, durationOf, Timestamp, timestampOf } from "./instant.ts";
import { failureIn, wrongType } from "./kind.ts";

type Result = unknown;
type NumberOperation = (a: number, b: number) => number | Failure;

const isInt = Number.isSafeInteger;
const overflow = (a: number, operator: string, b: number): Failure =>
  new Failure("Overflow", `${a} ${operator} ${b} is beyond ±(2^53 - 1), the range of an int`);

/**
 * Two ints give an int or an overflow; with a double on either side everything is a double. A sum that is a safe integer
 * is the same number in both worlds, so that the usual case needs one test. Adding 0 turns -0 into 0: ints have one zero.
 */
function checked(operator: string, compute: (a: number, b: number) => number): NumberOperation {
  return (a, b) => {
    const r = compute(a, b);
    if (isInt(r) || !isInt(a) || !isInt(b)) return isInt(r) ? r + 0 : r;
    return overflow(a, operator, b);
  };
}

function divide(a: number, b: number): number | Failure {
  if (!isInt(a) || !isInt(b)) return a / b;
  if (b === 0) return new Failure("DivisionByZero", `${a} / 0`);
  return Math.trunc(a / b) + 0;
}

function remainder(a: number, b: number): number | Failure {
  if (!isInt(a) || !isInt(b)) return wrongType("%", a, b);
  return b === 0 ? new Failure("DivisionByZero", `${a} % 0`) : (a % b) + 0;
}

function operation(
  operator: string,
  numbers: NumberOperation,
  others: (a: unknown, b: unknown) => Result = () => undefined,
): (a: unknown, b: unknown) => Result {
  return (a, b) => {
    if (typeof a === "number" && typeof b === "number") return numbers(a, b);
    return failureIn(a, b) ?? others(a, b) ?? wrongType(operator, a, b);
  };
}

function addOthers(a: unknown, b: unknown): Result {
  if (typeof a === "string" && typeof b === "string") return concat(a, b);
  if (Array.isArray(a) && Array.isArray(b)) return concatLists(a, b);
  if (a instanceof Duration && b instanceof Duration) return durationOf(a.ms + b.ms);
  if (a instanceof Timestamp && b instanceof Duration) return timestampOf(a.ms + b.ms);
  return a instanceof Duration && b instanceof Timestamp ? timestampOf(a.ms + b.ms) : undefined;
}

function subtractOthers(a: unknown, b: unknown): Result {
  if (a instanceof Timestamp && b instanceof Timestamp) return durationOf(a.ms - b.ms);
  if (a instanceof Timestamp && b instanceof Duration) return timestampOf(a.ms - b.ms);
  return a instanceof Duration && b instanceof Duration ? durationOf(a.ms - b.ms) : undefined;
}

function concat(a: string, b: string): string | Failure {
  return a.length + b.length <= MAX_TEXT
    ? a + b
    : new Failure("TooLarge", `a text of more than ${MAX_TEXT} characters`);
}

function concatLists(a: readonly unknown[], b: readonly unknown[]): unknown {
  const length = a.length + b.length;
  if (length > MAX_ITEMS) return new Failure("TooLarge", `a list of more than ${MAX_ITEMS} items`);
  return charge(length) ?? [...a, ...b];
}

const plus = (a: number, b: number): number => a + b;
const minus = (a: number, b: number): number => a - b;
const times = (a: number, b: number): number => a * b;
const over = (a: number, b: number): number => a / b;

/** By the values: an int where both sides are ints. */
export const add = operation("+", checked("+", plus), addOthers);
export const subtract = operation("-", checked("-", minus), subtractOthers);
export const multiply = operation("*", checked("*", times));
export const quotient = operation("/", divide);
export const modulo = operation("%", remainder);

/** Where one side is a double by its type. */
export const addDouble = operation("+", plus);
export const subtractDouble = operation("-", minus);
export const multiplyDouble = operation("*", times);
export const quotientDouble = operation("/", over);

export function negate(a: unknown): unknown {
  if (typeof a === "number") return Number.isSafeInteger(a) ? 0 - a : -a;
  if (a instanceof Failure) return a;
  return a instanceof Duration ? durationOf(-a.ms) : wrongType("-", a);
}
