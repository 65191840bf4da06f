import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import { Failure } from "../../src/expression/failure.ts";
import { tryEvaluate } from "../../src/expression/interpret.ts";
import { parseExpression } from "../../src/expression/parse.ts";
import { isWeirError } from "../../src/errors.ts";
import { celCases, type CelCase } from "../builders/cel-cases.ts";

/** Where Weir's CEL gives another answer, by what docs/reference/expressions.md says about it. */
const DIFFERENT: Readonly<Record<string, readonly string[]>> = {
  "times have milliseconds": [
    "timestamps/timestamp_conversions/toString_timestamp_nanos",
    "timestamps/timestamp_arithmetic/add_time_to_duration_nanos_negative",
    "timestamps/timestamp_arithmetic/add_time_to_duration_nanos_positive",
    "timestamps/timestamp_range/add_duration_nanos_over",
    "timestamps/timestamp_range/add_duration_nanos_under",
  ],
  "a duration is as long as all timestamps": [
    "timestamps/timestamp_range/sub_time_duration_over",
    "timestamps/timestamp_range/sub_time_duration_under",
  ],
  "time zones are offsets": [
    "timestamps/timestamp_selectors_tz/getDate",
    "timestamps/timestamp_selectors_tz/getDayOfMonth_name_pos",
    "timestamps/timestamp_selectors_tz/getDayOfMonth_name_neg",
    "timestamps/timestamp_selectors_tz/getDayOfYear",
    "timestamps/timestamp_selectors_tz/getMinutes",
  ],
  "names have no container": [
    "namespace/namespace/self_eval_container_lookup",
    "namespace/namespace/self_eval_container_lookup_unchecked",
  ],
};

type Outcome = "right" | "refused" | "different";

/** Refusing an expression is no wrong answer, unless it has to be one. */
function outcomeOf({ expression, bindings, expected }: CelCase): Outcome {
  const value = evaluated(expression, bindings);
  if (value === undefined) return expected === "error" ? "right" : "refused";
  const failed = value.result instanceof Failure;
  if (expected === "error") return failed ? "right" : "different";
  return !failed && isDeepStrictEqual(plain(value.result), plain(expected.value)) ? "right" : "different";
}

/** JSON has no negative zero, and a map of Weir's no prototype. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value === 0 ? 0 : value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

function evaluated(text: string, bindings: CelCase["bindings"]): { result: unknown } | undefined {
  const variables = Object.fromEntries(Object.keys(bindings).map((name) => [name, "dyn"] as const));
  try {
    return { result: tryEvaluate(parseExpression(text, { variables }), bindings) };
  } catch (e) {
    if (isWeirError(e) && (e.code === "EXPRESSION_INVALID" || e.code === "EXPRESSION_OVER_BUDGET")) return undefined;
    throw e;
  }
}

describe("the conformance cases of the CEL specification", () => {
  it("give the specified answer or are refused, but for what the manual lists", () => {
    const { cases, others } = celCases();
    const outcomes = cases.map((c) => ({ name: c.name, outcome: outcomeOf(c) }));
    const count = (outcome: Outcome): number => outcomes.filter((o) => o.outcome === outcome).length;
    console.log(
      `CEL conformance: ${cases.length} cases on values that Weir has (${others} on others): ${count("right")} right, ` +
        `${count("refused")} refused (extensions, unsigned ints, bytes, messages), ${count("different")} different, as the manual says`,
    );
    const different = outcomes.filter((o) => o.outcome === "different").map((o) => o.name);
    expect(different.toSorted()).toEqual(Object.values(DIFFERENT).flat().toSorted());
    expect(count("right")).toBeGreaterThan(840);
  });
});
