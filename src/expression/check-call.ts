import { suggestion } from "../api/suggestion.ts";
import type { Node } from "./expression.ts";
import { matcher } from "./regex/match.ts";
import { textOfPath } from "./references.ts";
import type { CelFunction, Overload } from "./runtime/function.ts";
import { accepts, signature } from "./runtime/function.ts";
import { celFunctions } from "./runtime/functions.ts";
import type { ValueKind } from "./runtime/kind.ts";
import type { Checker, Place } from "./scope.ts";
import { invalid } from "./scope.ts";
import type { Syntax } from "./syntax.ts";
import type { ValueType } from "./value-type.ts";
import { BOOL, CLAIMED_DOUBLE, DYN, isClaimed, join, nameOfType } from "./value-type.ts";

export const MACROS = ["all", "exists", "exists_one", "map", "filter"] as const;

interface Call extends Place {
  readonly name: string;
  readonly args: readonly Syntax[];
}

/** A global call: `size(x)`, `has(event.a)`. */
export function checkCall({ name, args, node, scope }: Call, sub: Checker): Node {
  if (name === "has") return has(args, { node, scope }, sub);
  return checkFunction("global", { name, args: args.map((n) => sub(n)), node, scope });
}

function has(args: readonly Syntax[], { node, scope }: Place, sub: Checker): Node {
  const [arg] = args;
  const checked = args.length === 1 && arg !== undefined ? sub(arg) : undefined;
  if (checked?.kind === "path" && checked.path.length > 1) return { kind: "hasPath", type: BOOL, path: checked.path };
  if (checked?.kind === "select") return { kind: "hasField", type: BOOL, operand: checked.operand, key: checked.key };
  throw invalid(scope, node, "has() takes one field, for example has(event.payload.lag)");
}

interface CheckedCall extends Place {
  readonly name: string;
  readonly args: readonly Node[];
}

/** A function of the table, called as `f(x)` or `x.f()`: the receiver is the first argument. */
export function checkFunction(style: "global" | "method", { name, args, node, scope }: CheckedCall): Node {
  const fn = Object.hasOwn(celFunctions, name) ? celFunctions[name] : undefined;
  if (fn === undefined) {
    const hint = similar(name, style === "method" ? args[0] : undefined);
    throw invalid(scope, node, `there is no function "${name}"${hint}`);
  }
  if (fn.style !== "both" && fn.style !== style)
    throw invalid(scope, node, `${name} is called as ${fn.style === "global" ? `${name}(x)` : `x.${name}(…)`}`);
  const candidates = fn.overloads.filter((o) => takes(o, args, fn));
  if (candidates.length === 0) throw invalid(scope, node, noOverload(name, fn, args));
  if (name === "matches") checkPattern(args[1], { node, scope });
  const type = resultOf(candidates, args);
  const claimed = type.kind === "double" && name !== "double" && args.some((a) => isClaimed(a.type));
  return { kind: "call", type: claimed ? CLAIMED_DOUBLE : type, name, args };
}

/** What other languages call it. */
const KNOWN_ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ["includes", "contains"],
  ["length", "size"],
  ["len", "size"],
  ["lower", "lowerAscii"],
  ["tolowercase", "lowerAscii"],
  ["upper", "upperAscii"],
  ["touppercase", "upperAscii"],
  ["substr", "substring"],
]);

/** What CEL has another way to say. */
const SAID_OTHERWISE: ReadonlyMap<string, string> = new Map([
  ...["coalesce", "ifnull", "nvl"].map((name) => [name, "write has(x) && x != null ? x : other"] as const),
  ["if", "write condition ? value : other"],
  ["not", "write !(…)"],
  ["concat", "write a + b, with string(…) around what is no text"],
  ["now", "time is that of the records: event.ts, or a window"],
  ["tostring", "write string(x)"],
  ...["count", "sum", "avg", "first", "last", "collect", "percentile"].map(
    (name) => [name, "it is an aggregate, for a node with keyBy and aggregate"] as const,
  ),
]);

/** The same of one list or text. */
const SAID_OF_ONE: ReadonlyMap<string, (x: string) => string> = new Map([
  ["count", (x) => `size(${x})`],
  ["first", (x) => `${x}[0]`],
  ["last", (x) => `${x}[size(${x}) - 1]`],
]);

function similar(name: string, receiver?: Node): string {
  const ofOne = receiver === undefined ? undefined : SAID_OF_ONE.get(name.toLowerCase());
  if (ofOne !== undefined) return `; write ${ofOne(receiver?.kind === "path" ? textOfPath(receiver.path) : "x")}`;
  const otherwise = SAID_OTHERWISE.get(name.toLowerCase());
  if (otherwise !== undefined) return `; ${otherwise}`;
  const here = KNOWN_ELSEWHERE.get(name.toLowerCase());
  if (here !== undefined) return `; here it is "${here}"`;
  return (
    suggestion(name, [...Object.keys(celFunctions), ...MACROS, "has"]) || "; docs/reference/expressions.md lists them"
  );
}

function takes(o: Overload, args: readonly Node[], { variadic }: CelFunction): boolean {
  if (variadic ? args.length < o.takes.length : args.length !== o.takes.length) return false;
  return args.every(({ type }, i) => {
    const wanted = o.takes[Math.min(i, o.takes.length - 1)] ?? "any";
    return type.kind === "dyn" || accepts(runtimeKind(type), wanted);
  });
}

const runtimeKind = (type: ValueType): ValueKind =>
  type.kind === "object" ? "map" : type.kind === "dyn" ? "null" : type.kind;

/** The overload is known where all types are; else the result is what all that may be chosen have in common. */
function resultOf(candidates: readonly Overload[], args: readonly Node[]): ValueType {
  const [first] = candidates;
  if (first !== undefined && args.every((a) => a.type.kind !== "dyn")) return first.gives;
  return candidates.map((o) => o.gives).reduce((a, b) => (a.kind === b.kind ? join(a, b) : DYN));
}

function noOverload(name: string, fn: CelFunction, args: readonly Node[]): string {
  const written = signature(
    name,
    args.map((a) => nameOfType(a.type)),
  );
  const known = fn.overloads.map((o) => signature(name, [...o.takes, ...(fn.variadic ? ["…"] : [])]));
  return `there is no ${written}; it is one of ${[...new Set(known)].join(", ")}`;
}

/** Patterns are literals, so that a bad one is found before the first record and each is compiled once. */
function checkPattern(pattern: Node | undefined, { node, scope }: Place): void {
  if (pattern?.kind !== "literal" || typeof pattern.value !== "string")
    throw invalid(scope, node, "the pattern of matches must be a text in quotes");
  const compiled = matcher(pattern.value);
  if (typeof compiled === "string") throw invalid(scope, node, `the pattern ${compiled}`);
}
