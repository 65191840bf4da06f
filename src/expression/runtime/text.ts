import { Failure } from "../failure.ts";
import { matcher } from "../regex/match.ts";
import { BOOL, INT, listOf, STRING } from "../value-type.ts";
import { charge, chargeText, FREE_TEXT, MAX_ITEMS, MAX_TEXT } from "./budget.ts";
import { define, overload } from "./function.ts";

/** Number of code points. */
export function codePoints(text: string): number {
  let n = text.length;
  for (let i = 0; i < text.length - 1; i++) {
    if ((text.charCodeAt(i) & 0xfc00) !== 0xd800 || (text.charCodeAt(i + 1) & 0xfc00) !== 0xdc00) continue;
    n--;
    i++;
  }
  return n;
}

/** UTF-16 position of a code point's position; undefined beyond the end. */
function unitAt(text: string, point: number): number | undefined {
  if (point < 0) return undefined;
  let i = 0;
  for (let left = point; left > 0; left--) {
    if (i >= text.length) return undefined;
    i += (text.codePointAt(i) ?? 0) > 0xffff ? 2 : 1;
  }
  return i;
}

const whole = <T>(text: string, run: () => T): T | Failure => chargeText(text.length) ?? run();

function matches(text: string, pattern: string): unknown {
  const compiled = matcher(pattern);
  if (typeof compiled === "string") return new Failure("Range", `the pattern ${compiled}`);
  const steps = text.length * compiled.steps;
  return (steps < FREE_TEXT ? undefined : charge(steps)) ?? compiled.test(text);
}

function indexOf(text: string, part: string): unknown {
  return whole(text, () => {
    const unit = text.indexOf(part);
    return unit < 0 ? -1 : codePoints(text.slice(0, unit));
  });
}

function substring(text: string, from: number, to?: number): unknown {
  return whole(text, () => {
    const [start, end] = [unitAt(text, from), to === undefined ? text.length : unitAt(text, to)];
    if (start !== undefined && end !== undefined && start <= end) return text.slice(start, end);
    return new Failure("Range", `substring(${from}${to === undefined ? "" : `, ${to}`}) of a shorter text`);
  });
}

function split(text: string, separator: string): unknown {
  return whole(text, () => {
    const parts = separator === "" ? Array.from(text) : text.split(separator);
    const tooMany = new Failure("TooLarge", `a list of more than ${MAX_ITEMS} items`);
    return parts.length > MAX_ITEMS ? tooMany : (charge(parts.length >> 3) ?? parts);
  });
}

/** Nothing is before each code point, and at the end: as in cel-go. */
function replace(text: string, part: string, by: string): unknown {
  return whole(text, () => {
    const pieces = part === "" ? ["", ...Array.from(text), ""] : text.split(part);
    const length = text.length + (pieces.length - 1) * (by.length - part.length);
    if (length > MAX_TEXT) return new Failure("TooLarge", `a text of more than ${MAX_TEXT} characters`);
    return chargeText(length) ?? pieces.join(by);
  });
}

/** ASCII only, so that the result does not depend on a table of Unicode. */
const upper = (text: string): string => text.replaceAll(/[a-z]+/g, (letters) => letters.toUpperCase());
const lower = (text: string): string => text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());

const test = (holds: (text: string, part: string) => boolean) =>
  define(
    "method",
    2,
    overload("string string", BOOL, (text: string, part: string) => whole(text, () => holds(text, part))),
  );
/** Unicode's White_Space, as CEL takes it: with U+0085, which JavaScript leaves, and without U+FEFF, which it takes. */
const SPACE = /^\p{White_Space}$/u;

/** By hand: a pattern that looks for the last spaces of a text goes through those in its middle again and again. */
function trim(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && SPACE.test(text.charAt(start))) start++;
  while (end > start && SPACE.test(text.charAt(end - 1))) end--;
  return text.slice(start, end);
}

const change = (run: (text: string) => string) =>
  define(
    "method",
    4,
    overload("string", STRING, (text: string) => whole(text, () => run(text))),
  );

export const textFunctions = {
  contains: test((text, part) => text.includes(part)),
  startsWith: test((text, part) => text.startsWith(part)),
  endsWith: test((text, part) => text.endsWith(part)),
  matches: define("both", 20, overload("string string", BOOL, matches)),
  lowerAscii: change(lower),
  upperAscii: change(upper),
  trim: change(trim),
  indexOf: define("method", 4, overload("string string", INT, indexOf)),
  substring: define(
    "method",
    4,
    overload("string int", STRING, substring),
    overload("string int int", STRING, substring),
  ),
  split: define("method", 8, overload("string string", listOf(STRING), split)),
  replace: define("method", 8, overload("string string string", STRING, replace)),
} as const;
