import { Failure } from "../failure.ts";
import { charge } from "./budget.ts";
import { isFields, wrongType } from "./kind.ts";
import { notBool } from "./logic.ts";

type Body = (item: unknown) => unknown;

function itemsOf(over: unknown, macro: string): readonly unknown[] | Failure {
  if (Array.isArray(over)) return over;
  if (over instanceof Failure) return over;
  return isFields(over) ? Object.keys(over) : wrongType(macro, over);
}

/** `decisive` ends the loop; a failed item fails the whole only where no item decides. */
function quantifier(macro: string, decisive: boolean): (over: unknown, predicate: Body) => unknown {
  return (over, predicate) => {
    const items = itemsOf(over, macro);
    if (items instanceof Failure) return items;
    let failed: Failure | undefined;
    for (const item of items) {
      const spent = charge(1);
      if (spent !== undefined) return spent;
      const verdict = predicate(item);
      if (verdict === decisive) return decisive;
      if (typeof verdict !== "boolean") failed ??= notBool(verdict, macro);
    }
    return failed ?? !decisive;
  };
}

export const all = quantifier("all", false);
export const exists = quantifier("exists", true);

export function existsOne(over: unknown, predicate: Body): unknown {
  const matching = filter(over, predicate, "exists_one");
  return Array.isArray(matching) ? matching.length === 1 : matching;
}

export function filter(over: unknown, predicate: Body, macro = "filter"): unknown {
  return collect(over, predicate, { macro, transform: (item) => item });
}

export function mapItems(over: unknown, transform: Body, predicate?: Body): unknown {
  return collect(over, predicate, { macro: "map", transform });
}

interface Collecting {
  readonly macro: string;
  readonly transform: Body;
}

function collect(over: unknown, predicate: Body | undefined, { macro, transform }: Collecting): unknown {
  const items = itemsOf(over, macro);
  if (items instanceof Failure) return items;
  const result: unknown[] = [];
  for (const item of items) {
    const spent = charge(1);
    if (spent !== undefined) return spent;
    const wanted = predicate === undefined || predicate(item);
    if (wanted === false) continue;
    if (wanted !== true) return notBool(wanted, macro);
    const value = transform(item);
    if (value instanceof Failure) return value;
    result.push(value);
  }
  return result;
}
