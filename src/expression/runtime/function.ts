import { Failure } from "../failure.ts";
import type { ValueType } from "../value-type.ts";
import { kindOf } from "./kind.ts";
import type { ValueKind } from "./kind.ts";

export type ArgumentKind = Exclude<ValueKind, "failure"> | "number" | "any";

export interface Overload {
  readonly takes: readonly ArgumentKind[];
  readonly gives: ValueType;
  readonly run: (...args: never[]) => unknown;
}

export interface CelFunction {
  /** `f(x)`, `x.f()`, or both. */
  readonly style: "global" | "method" | "both";
  readonly overloads: readonly Overload[];
  /** Steps of one call, beside those of its arguments. */
  readonly cost: number;
  /** The last argument may be repeated. */
  readonly variadic: boolean;
}

export function overload<A extends readonly unknown[]>(
  takes: string,
  gives: ValueType,
  run: (...args: A) => unknown,
): Overload {
  const kinds = takes === "" ? [] : (takes.split(" ") as ArgumentKind[]);
  return { takes: kinds, gives, run: run as Overload["run"] };
}

export function define(style: CelFunction["style"], cost: number, ...overloads: readonly Overload[]): CelFunction {
  return { style, cost, overloads, variadic: false };
}

/** How a call of the user reads: `contains(string, int)`. */
export const signature = (name: string, kinds: readonly string[]): string => `${name}(${kinds.join(", ")})`;

export function accepts(kind: ValueKind, wanted: ArgumentKind): boolean {
  return kind === wanted || wanted === "any" || (wanted === "number" && (kind === "int" || kind === "double"));
}

/** The function as evaluations call it: picks the overload by the values. */
export function callable(name: string, { overloads, variadic }: CelFunction): (...args: readonly unknown[]) => unknown {
  return (...args) => {
    for (const arg of args) if (arg instanceof Failure) return arg;
    const kinds = args.map(kindOf);
    const chosen = overloads.find((o) => fits(o, kinds, variadic));
    if (chosen !== undefined) return (chosen.run as (...args: readonly unknown[]) => unknown)(...args);
    return new Failure("Type", `there is no ${signature(name, kinds)}`);
  };
}

function fits(o: Overload, kinds: readonly ValueKind[], variadic: boolean): boolean {
  if (variadic ? kinds.length < o.takes.length : kinds.length !== o.takes.length) return false;
  return kinds.every((kind, i) => accepts(kind, o.takes[Math.min(i, o.takes.length - 1)] ?? "any"));
}
