import type { Random } from "./random.ts";

const FIELDS = [
  "a",
  "b",
  "c",
  "d",
  "n",
  "s",
  "l",
  "o.a",
  "o.b",
  "o.s",
  "o.l",
  "missing",
  "o.missing",
  `o["x-y"]`,
] as const;
const TEXTS = [
  "",
  "a",
  "ab",
  "metrics",
  "é",
  "😀",
  "\uffff",
  "it's",
  'say "x"',
  "back\\slash",
  "12",
  "1.5",
  "true",
  "${x}",
  "2026-05-01T22:00:00Z",
] as const;
const NUMBERS = [
  "0",
  "1",
  "2",
  "-1",
  "3",
  "10000",
  "9007199254740991",
  "-9007199254740991",
  "0.0",
  "0.5",
  "-2.5",
  "1e3",
  "1e300",
] as const;
const PATTERNS = ["^a", "b$", "a|b", "[a-c]+", "^(ab)*$", "m.t", "\\\\d+", "(?i)METRICS", "x{2,3}", "^$"] as const;
const METHODS = ["contains", "startsWith", "endsWith"] as const;
const UNARY = [
  "size",
  "int",
  "double",
  "string",
  "bool",
  "abs",
  "floor",
  "ceil",
  "round",
  "min",
  "max",
  "timestamp",
  "duration",
] as const;

interface Making {
  readonly r: Random;
  readonly locals: readonly string[];
  readonly sub: (locals?: readonly string[]) => string;
}

const LOGIC = ["&&", "||"] as const;
const COMPARISONS = ["==", "!=", "<", "<=", ">", ">="] as const;
const ARITHMETIC = ["+", "-", "*", "/", "%"] as const;

const logic = ({ r, sub }: Making): string =>
  `(${sub()} ${r.pick(LOGIC)} ${sub()}${r.chance(0.3) ? ` ${r.pick(LOGIC)} ${sub()}` : ""})`;
const comparison = ({ r, sub }: Making): string => `(${sub()} ${r.pick(COMPARISONS)} ${sub()})`;
const arithmetic = ({ r, sub }: Making): string => `(${sub()} ${r.pick(ARITHMETIC)} ${sub()})`;

const forms: readonly [(m: Making) => string, ...((m: Making) => string)[]] = [
  logic,
  logic,
  comparison,
  comparison,
  arithmetic,
  arithmetic,
  ({ r, locals }) => `(${leaf(r, locals)} ${r.pick(COMPARISONS)} ${literal(r)})`,
  ({ sub }) => `(${sub()} ? ${sub()} : ${sub()})`,
  ({ r, sub }) => (r.chance(0.7) ? `!(${sub()})` : `-(${sub()})`),
  ({ r }) => `has(${field(r)})`,
  ({ r, sub }) => `(${sub()} in ${r.chance(0.6) ? list(r, () => literal(r)) : sub()})`,
  ({ r, sub }) => `${r.pick(UNARY)}(${sub()}${r.chance(0.1) ? `, ${sub()}` : ""})`,
  ({ r, locals }) => `${leaf(r, locals)}.matches('${r.pick(PATTERNS)}')`,
  ({ r, locals, sub }) => `${leaf(r, locals)}.${r.pick(METHODS)}(${r.chance(0.7) ? text(r) : sub()})`,
  ({ r, sub }) => list(r, sub),
  ({ r, sub }) => `{'k': ${sub()}, 'o': ${sub()}}${r.pick(["", ".k", "['o']"])}`,
  ({ r, locals, sub }) => `${leaf(r, locals)}[${sub()}]`,
  macro,
];

/** A text that may be an expression: most parse and type-check, since nearly everything in it is dyn. */
export function randomExpression(r: Random, depth = 4, locals: readonly string[] = []): string {
  if (depth === 0 || r.chance(0.12)) return leaf(r, locals);
  return r.pick(forms)({ r, locals, sub: (names = locals) => randomExpression(r, depth - 1, names) });
}

function macro({ r, sub, locals }: Making): string {
  const name = r.pick(["x", "y", "a"]);
  const over = r.chance(0.5) ? r.pick(["event.l", "event.o.l", "event.o", "event"]) : list(r, () => sub());
  const within = [...locals, name];
  const kind = r.pick(["all", "exists", "exists_one", "filter", "map", "map"]);
  const filtered = kind === "map" && r.chance(0.3) ? `${sub(within)}, ` : "";
  return `${over}.${kind}(${name}, ${filtered}${sub(within)})${r.chance(0.2) ? ".size()" : ""}`;
}

function leaf(r: Random, locals: readonly string[]): string {
  const [first, ...others] = locals;
  if (first !== undefined && r.chance(0.4)) return `${r.pick([first, ...others])}${r.pick(["", "", ".a", ".missing"])}`;
  return r.chance(0.6) ? field(r) : literal(r);
}

function field(r: Random): string {
  return r.chance(0.03) ? "event" : `event.${r.pick(FIELDS)}`;
}

function literal(r: Random): string {
  const kind = r.below(10);
  if (kind < 4) return r.pick(NUMBERS);
  return kind < 8 ? text(r) : r.pick(["true", "false", "null"]);
}

const text = (r: Random): string => JSON.stringify(r.pick(TEXTS)).replaceAll("\\u", "\\\\u");
const list = (r: Random, item: () => string): string => `[${Array.from({ length: r.below(4) }, item).join(", ")}]`;

/** Any JSON value, mostly small. */
export function randomJson(r: Random, depth = 3): unknown {
  switch (r.below(depth === 0 ? 6 : 8)) {
    case 0:
      return r.pick([null, true, false]);
    case 1:
    case 2:
      return r.pick([0, -0, 1, 2, 3, -1, 12000, 9007199254740991, 9007199254740992, 1e300]);
    case 3:
      return r.pick([0.5, 1.5, -2.25, 1e-7]);
    case 4:
    case 5:
      return r.pick(TEXTS);
    case 6:
      return Array.from({ length: r.below(4) }, () => randomJson(r, depth - 1));
    default:
      return randomRecord(r, depth - 1);
  }
}

export function randomRecord(r: Random, depth = 3): Record<string, unknown> {
  const fields = ["a", "b", "c", "d", "n", "s", "l", "o", "x-y"].filter(() => r.chance(0.6));
  return Object.fromEntries(fields.map((name) => [name, name === "o" ? shape(r, depth) : randomJson(r, depth)]));
}

function shape(r: Random, depth: number): unknown {
  return depth > 0 && r.chance(0.8) ? randomRecord(r, depth - 1) : randomJson(r, 0);
}
