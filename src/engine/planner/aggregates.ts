import { WeirError } from "../../errors.ts";
import { suggestion } from "../../api/suggestion.ts";
import type { AggregateFunction, PlanAggregate } from "../plan.ts";
import { nodePath } from "./expressions.ts";

/** What an aggregate takes beside its expression, with its bounds. */
interface Parameter {
  readonly holds: (n: number) => boolean;
  readonly needs: string;
  readonly standard?: number;
}

const limit: Parameter = {
  holds: (n) => Number.isInteger(n) && n >= 1 && n <= 10_000,
  needs: "a limit from 1 to 10000, for example collect(event.id, 100)",
  standard: 100,
};
const share: Parameter = {
  holds: (n) => n >= 0 && n <= 1,
  needs: "a share from 0 to 1, for example percentile(event.lag, 0.99)",
};

/** By the names that users call them by. */
type Called = Exclude<AggregateFunction, "minText" | "maxText">;
const FUNCTIONS: Readonly<Record<Called, Parameter | undefined>> = {
  count: undefined,
  sum: undefined,
  avg: undefined,
  min: undefined,
  max: undefined,
  first: undefined,
  last: undefined,
  collect: limit,
  countDistinct: undefined,
  approxCountDistinct: undefined,
  percentile: share,
};
const NAMES = Object.keys(FUNCTIONS) as Called[];
const CALL = /^\s*([A-Za-z]+)\s*\(([\s\S]*)\)\s*$/;
/** No expression ends in a comma and a number: that is the parameter. */
const LAST_NUMBER = /^([\s\S]*),\s*([0-9]*\.?[0-9]+)\s*$/;

/** Reads `max(event.lag)` or `percentile(event.lag, 0.99)`: one aggregate call around one expression. */
export function parseAggregate(node: string, name: string, text: string): PlanAggregate {
  const invalid = (why: string): WeirError => {
    const message = `aggregate ${name}: "${text}" ${why}`;
    const place = { path: nodePath(node), text, offset: 0, message };
    return new WeirError("EXPRESSION_INVALID", `node "${node}", ${message}`, { place });
  };
  const call = CALL.exec(text);
  const fn = NAMES.find((f) => f === call?.[1]);
  if (call === null || fn === undefined)
    throw invalid(`is not one call of ${NAMES.join(", ")}${hint(text, call?.[1])}`);
  const inside = (call[2] as string).trim();
  if (endsEarly(inside))
    throw invalid("is more than one call; write each as a field of its own, and calculate with them in a map after it");
  if (fn !== "count") return { name, fn, ...argument(fn, inside, invalid) };
  if (inside !== "") throw invalid("takes no argument: count() counts records; filter them before");
  return { name, fn, arg: null };
}

function hint(text: string, called: string | undefined): string {
  if (text.split("(").length > text.split(")").length)
    return "; YAML ends a value in { } at a comma: put the whole call into quotes";
  return called === undefined ? "" : suggestion(called, NAMES);
}

/** What closes its call: a bracket beside those that are opened inside. */
function endsEarly(inside: string): boolean {
  let open = 0;
  for (const [c] of inside.replaceAll(/'[^']*'|"[^"]*"/g, "").matchAll(/[()]/g)) {
    open += c === "(" ? 1 : -1;
    if (open < 0) return true;
  }
  return false;
}

function argument(
  fn: Called,
  inside: string,
  invalid: (why: string) => WeirError,
): Pick<PlanAggregate, "arg" | "param"> {
  const parameter = FUNCTIONS[fn];
  const split = parameter === undefined ? null : LAST_NUMBER.exec(inside);
  const arg = (split?.[1] ?? inside).trim();
  if (arg === "") throw invalid(`needs an argument, for example ${fn}(event.lag${fn === "percentile" ? ", 0.5" : ""})`);
  if (parameter === undefined) return { arg };
  const param = split === null ? parameter.standard : Number(split[2]);
  if (param === undefined || !parameter.holds(param)) throw invalid(`needs ${parameter.needs}`);
  return { arg, param };
}
