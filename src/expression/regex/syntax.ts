/**
 * The syntax of RE2 without what cannot be followed in one pass or needs Unicode's tables: no \b, no (?m), no \p{…}, and
 * as in RE2 no look-around and no back references. Anything else is refused by name.
 */
export type Range = readonly [number, number];
export type Pattern =
  | { readonly kind: "set"; readonly ranges: readonly Range[] }
  | { readonly kind: "start" | "end" }
  | { readonly kind: "sequence" | "choice"; readonly parts: readonly Pattern[] }
  | { readonly kind: "repeat"; readonly part: Pattern; readonly min: number; readonly max: number };

export class PatternError extends Error {}

const LAST = 0x10ffff;
const MAX_PATTERN = 1000;
const MAX_DEPTH = 50;
const MAX_REPEAT = 1000;

const DIGIT: readonly Range[] = [[48, 57]];
const UPPER: readonly Range[] = [[65, 90]];
const LOWER: readonly Range[] = [[97, 122]];
const WORD: readonly Range[] = [...DIGIT, ...UPPER, [95, 95], ...LOWER];
const SPACE: readonly Range[] = [
  [9, 10],
  [12, 13],
  [32, 32],
];
const PERL: Readonly<Record<string, readonly Range[]>> = { d: DIGIT, w: WORD, s: SPACE };
const POSIX = new Map<string, readonly Range[]>(
  Object.entries({
    alnum: [...DIGIT, ...UPPER, ...LOWER],
    alpha: [...UPPER, ...LOWER],
    digit: DIGIT,
    lower: LOWER,
    upper: UPPER,
    space: [
      [9, 13],
      [32, 32],
    ],
    word: WORD,
    xdigit: [...DIGIT, [65, 70], [97, 102]],
    punct: [
      [33, 47],
      [58, 64],
      [91, 96],
      [123, 126],
    ],
  }),
);
const CONTROL: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 };

interface Flags {
  readonly ignoreCase: boolean;
  readonly dotAll: boolean;
}

interface Cursor {
  readonly chars: readonly string[];
  at: number;
}

const fail = (message: string): never => {
  throw new PatternError(message);
};
const code = (char: string): number => char.codePointAt(0) ?? 0;

export function parsePattern(text: string): Pattern {
  if (text.length > MAX_PATTERN) return fail(`is longer than ${MAX_PATTERN} characters`);
  const cursor: Cursor = { chars: Array.from(text), at: 0 };
  const pattern = choice(cursor, { ignoreCase: false, dotAll: false }, 0);
  return cursor.at < cursor.chars.length ? fail("has a ) without (") : pattern;
}

const peek = (c: Cursor, ahead = 0): string => c.chars[c.at + ahead] ?? "";
function eat(c: Cursor, expected: string): boolean {
  if (peek(c) !== expected) return false;
  c.at++;
  return true;
}

function choice(c: Cursor, outer: Flags, depth: number): Pattern {
  if (depth > MAX_DEPTH) return fail(`nests deeper than ${MAX_DEPTH} groups`);
  const parts: Pattern[] = [];
  let flags = outer;
  let items: Pattern[] = [];
  while (c.at < c.chars.length && peek(c) !== ")") {
    if (eat(c, "|")) {
      parts.push({ kind: "sequence", parts: items });
      items = [];
      continue;
    }
    const changed = inlineFlags(c, flags);
    if (changed === undefined) items.push(repeated(c, flags, depth));
    else flags = changed;
  }
  parts.push({ kind: "sequence", parts: items });
  return { kind: "choice", parts };
}

/** `(?i)` holds to the end of its group. */
function inlineFlags(c: Cursor, flags: Flags): Flags | undefined {
  const found = /^\(\?(-?[a-zA-Z]+(?:-[a-zA-Z]+)?)\)/.exec(c.chars.slice(c.at, c.at + 20).join(""));
  if (found === null) return undefined;
  c.at += found[0].length;
  return withFlags(flags, found[1] ?? "");
}

function withFlags(flags: Flags, letters: string): Flags {
  const [on = "", off = ""] = letters.split("-");
  const unknown = /[^is]/.exec(on + off)?.[0];
  if (unknown !== undefined) return fail(`uses the flag ${unknown}; only i and s are supported`);
  const after = (letter: string, before: boolean): boolean =>
    off.includes(letter) ? false : on.includes(letter) || before;
  return { ignoreCase: after("i", flags.ignoreCase), dotAll: after("s", flags.dotAll) };
}

function repeated(c: Cursor, flags: Flags, depth: number): Pattern {
  const part = atom(c, flags, depth);
  const bounds = quantifier(c);
  if (bounds === undefined) return part;
  eat(c, "?"); // lazy or greedy: the same texts match
  if (quantifier(c) !== undefined) return fail("repeats a repetition, such as a**");
  return { kind: "repeat", part, min: bounds[0], max: bounds[1] };
}

function quantifier(c: Cursor): Range | undefined {
  if (eat(c, "*")) return [0, Infinity];
  if (eat(c, "+")) return [1, Infinity];
  if (eat(c, "?")) return [0, 1];
  const counted = /^\{([0-9]{1,4})(,([0-9]{0,4}))?\}/.exec(c.chars.slice(c.at, c.at + 12).join(""));
  if (counted === null) return undefined;
  c.at += counted[0].length;
  const min = Number(counted[1]);
  const max = counted[2] === undefined ? min : counted[3] === "" ? Infinity : Number(counted[3]);
  if (min > MAX_REPEAT || (max !== Infinity && max > MAX_REPEAT)) return fail(`repeats more than ${MAX_REPEAT} times`);
  return min <= max ? [min, max] : fail(`repeats from ${min} to ${max} times`);
}

function atom(c: Cursor, flags: Flags, depth: number): Pattern {
  const char = peek(c);
  c.at++;
  switch (char) {
    case "(":
      return group(c, flags, depth);
    case "[":
      return set(bracket(c), flags);
    case ".":
      return { kind: "set", ranges: flags.dotAll ? [[0, LAST]] : invert([[10, 10]]) };
    case "^":
      return { kind: "start" };
    case "$":
      return { kind: "end" };
    case "\\":
      return escaped(c, flags);
    case "*":
    case "+":
    case "?":
      return fail(`repeats nothing with ${char}`);
    default:
      return set([[code(char), code(char)]], flags);
  }
}

function group(c: Cursor, flags: Flags, depth: number): Pattern {
  const head = /^\?(?:P?<([A-Za-z_][A-Za-z0-9_]*)>|(-?[a-zA-Z]*(?:-[a-zA-Z]+)?):)/.exec(
    c.chars.slice(c.at, c.at + 80).join(""),
  );
  if (head === null && peek(c) === "?") return fail("uses look-around or another group that is not supported");
  c.at += head?.[0].length ?? 0;
  const inner = choice(c, withFlags(flags, head?.[2] ?? ""), depth + 1);
  return eat(c, ")") ? inner : fail("has a ( without )");
}

function escaped(c: Cursor, flags: Flags): Pattern {
  if (eat(c, "A")) return { kind: "start" };
  if (eat(c, "z")) return { kind: "end" };
  return set(escape(c), flags);
}

/** The characters that an escape stands for; the cursor is behind the backslash. */
function escape(c: Cursor): readonly Range[] {
  const char = peek(c);
  c.at++;
  const perl = PERL[char.toLowerCase()];
  if (perl !== undefined) return char === char.toLowerCase() ? perl : invert(perl);
  const control = CONTROL[char];
  if (control !== undefined) return [[control, control]];
  if (char === "x") return hexadecimal(c);
  if (char === "") return fail("ends with a backslash");
  if (/[0-9A-Za-z]/.test(char)) return fail(`uses \\${char}, which is not supported`);
  return [[code(char), code(char)]];
}

function hexadecimal(c: Cursor): readonly Range[] {
  const digits = /^(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]{1,6})\})/.exec(c.chars.slice(c.at, c.at + 8).join(""));
  const value = Number.parseInt(digits?.[1] ?? digits?.[2] ?? "", 16);
  if (digits === null || value > LAST) return fail("has a \\x without a code point");
  c.at += digits[0].length;
  return [[value, value]];
}

function bracket(c: Cursor): readonly Range[] {
  const negated = eat(c, "^");
  const ranges: Range[] = [];
  for (let first = true; first || peek(c) !== "]"; first = false) {
    if (c.at >= c.chars.length) return fail("has a [ without ]");
    ranges.push(...classItem(c));
  }
  c.at++;
  return negated ? invert(ranges) : ranges;
}

function classItem(c: Cursor): readonly Range[] {
  const posix = /^\[:(\^?)([a-z]+):\]/.exec(c.chars.slice(c.at, c.at + 14).join(""));
  if (posix !== null) {
    c.at += posix[0].length;
    const named = POSIX.get(posix[2] ?? "") ?? fail(`names the class ${posix[0]}, which is not known`);
    return posix[1] === "^" ? invert(named) : named;
  }
  const ranges = classChar(c);
  const from = onlyChar(ranges);
  if (from === undefined || peek(c) !== "-" || peek(c, 1) === "]" || peek(c, 1) === "") return ranges;
  c.at++;
  const to = onlyChar(classChar(c));
  return to !== undefined && to >= from ? [[from, to]] : fail("has a range in […] that goes backwards");
}

/** The one character that ranges stand for. */
function onlyChar(ranges: readonly Range[]): number | undefined {
  const [first] = ranges;
  return ranges.length === 1 && first !== undefined && first[0] === first[1] ? first[0] : undefined;
}

function classChar(c: Cursor): readonly Range[] {
  const char = peek(c);
  c.at++;
  return char === "\\" ? escape(c) : [[code(char), code(char)]];
}

function set(ranges: readonly Range[], { ignoreCase }: Flags): Pattern {
  return { kind: "set", ranges: ignoreCase ? [...ranges, ...ranges.flatMap(otherCase)] : ranges };
}

/** ASCII letters only. */
function otherCase([from, to]: Range): readonly Range[] {
  const shifted = (low: number, high: number, by: number): readonly Range[] => {
    const [a, b] = [Math.max(from, low), Math.min(to, high)];
    return a <= b ? [[a + by, b + by]] : [];
  };
  return [...shifted(65, 90, 32), ...shifted(97, 122, -32)];
}

function invert(ranges: readonly Range[]): readonly Range[] {
  const result: Range[] = [];
  let next = 0;
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0])) {
    if (from > next) result.push([next, from - 1]);
    next = Math.max(next, to + 1);
  }
  return next <= LAST ? [...result, [next, LAST]] : result;
}
