import type { AggregateFunction, PlanAggregate } from "../plan.ts";
import type { AccumulatorKind, Held } from "./accumulator.ts";
import { collectedValues } from "./collected-values.ts";
import { distinctValues } from "./distinct-values.ts";
import { extremeText } from "./extreme-text.ts";
import { hyperLogLog } from "./hyper-log-log.ts";
import { quantileSketch } from "./quantile-sketch.ts";

/** The accumulator of an aggregate; undefined for those that are numbers or texts. */
export function accumulatorOf({ fn, param = 0 }: Pick<PlanAggregate, "fn" | "param">): AccumulatorKind | undefined {
  switch (fn) {
    case "collect":
      return collectedValues(param);
    case "countDistinct":
      return distinctValues;
    case "approxCountDistinct":
      return hyperLogLog;
    case "percentile":
      return quantileSketch(param);
    case "minText":
      return extremeText(-1);
    case "maxText":
      return extremeText(1);
    default:
      return undefined;
  }
}

/** As SQL's aggregates do; only what gives values back keeps null. */
export const skipsNull = (fn: AggregateFunction): boolean => fn !== "collect" && fn !== "first" && fn !== "last";

/** The result of what an accumulating aggregate holds, also if no value came. */
export function heldResult(fn: AggregateFunction, held: Held): unknown {
  if (typeof held === "object") return held.result();
  if (fn === "collect") return [];
  return fn === "countDistinct" || fn === "approxCountDistinct" ? 0 : null;
}
