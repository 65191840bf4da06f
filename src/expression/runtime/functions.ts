import { Failure } from "../failure.ts";
import { DOUBLE, DYN, INT, STRING } from "../value-type.ts";
import { charge, chargeText, MAX_TEXT } from "./budget.ts";
import { calendar } from "./calendar.ts";
import { extreme } from "./compare.ts";
import { conversions } from "./convert.ts";
import type { CelFunction } from "./function.ts";
import { define, overload } from "./function.ts";
import { codePoints, textFunctions } from "./text.ts";

const sizeOf = define(
  "both",
  1,
  overload("string", INT, (text: string) => chargeText(text.length) ?? codePoints(text)),
  overload("list", INT, (items: readonly unknown[]) => items.length),
  overload("map", INT, (fields: object) => Object.keys(fields).length),
);

function best(sign: 1 | -1): CelFunction {
  const ofList = (items: readonly unknown[]): unknown =>
    items.length === 0
      ? new Failure("Range", `${sign < 0 ? "min" : "max"} of an empty list`)
      : (charge(items.length >> 3) ?? extreme(items, sign));
  return {
    style: "global",
    cost: 2,
    variadic: true,
    overloads: [
      overload("list", DYN, (first: readonly unknown[], ...more: readonly unknown[]) =>
        more.length === 0 ? ofList(first) : extreme([first, ...more], sign),
      ),
      overload("int", INT, (...values: readonly unknown[]) => extreme(values, sign)),
      overload("number", DOUBLE, (...values: readonly unknown[]) => extreme(values, sign)),
      overload("string", STRING, (...values: readonly unknown[]) => extreme(values, sign)),
      overload("any", DYN, (...values: readonly unknown[]) => extreme(values, sign)),
    ],
  };
}

function rounded(round: (n: number) => number): CelFunction {
  return define(
    "global",
    1,
    overload("number", INT, (n: number) => {
      const whole = round(n) + 0;
      if (Number.isSafeInteger(whole)) return whole;
      return new Failure("Overflow", `${n} is beyond ±(2^53 - 1), the range of an int`);
    }),
  );
}

function join(parts: readonly unknown[], separator: string): unknown {
  if (!parts.every((part) => typeof part === "string")) return new Failure("Type", "join takes a list of strings");
  const length = parts.reduce((sum, part) => sum + part.length + separator.length, 0);
  if (length > MAX_TEXT) return new Failure("TooLarge", `a text of more than ${MAX_TEXT} characters`);
  return charge(parts.length >> 3) ?? chargeText(length) ?? parts.join(separator);
}

/** Every function of the language. A new one needs a row here and in docs/reference/expressions.md. */
export const celFunctions: Readonly<Record<string, CelFunction>> = {
  size: sizeOf,
  ...textFunctions,
  ...conversions,
  ...calendar,
  min: best(-1),
  max: best(1),
  abs: define(
    "global",
    1,
    overload("int", INT, (n: number) => Math.abs(n)),
    overload("double", DOUBLE, (n: number) => Math.abs(n)),
  ),
  floor: rounded(Math.floor),
  ceil: rounded(Math.ceil),
  /** Halves away from zero. */
  round: rounded((n) => Math.sign(n) * Math.round(Math.abs(n))),
  join: define(
    "method",
    8,
    overload("list string", STRING, join),
    overload("list", STRING, (parts: readonly unknown[]) => join(parts, "")),
  ),
};
