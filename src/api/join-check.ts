import { parseDuration } from "./duration.ts";
import type { PipelineNode } from "./pipeline.schema.ts";
import type { Problem } from "./problem.ts";

type Join = NonNullable<PipelineNode["join"]>;
export type Found = [field: string, message: string];

/** Time ends what is kept for it, and records can be late. */
export const isTimedJoin = (join: PipelineNode["join"]): boolean =>
  join !== undefined && [join.window, join.interval, join.temporal].some((times) => times !== undefined);

/** What a join's schema cannot say of its inputs, keys and times. */
export function joinProblems({ name, from, join, ttl }: PipelineNode): Problem[] {
  if (join === undefined || join.lookup !== undefined) return [];
  const problems = [...inputs(from ?? []), ...keys(join), ...times(join, ttl), ...selectedFields(join.select ?? {})];
  return problems.map(([field, message]) => ({
    code: "PIPELINE_INVALID",
    path: `spec.pipeline.nodes[${name}].${field}`,
    message,
  }));
}

function inputs(from: readonly string[]): Found[] {
  if (from.length === 2) return [];
  return [["from", `a join reads two inputs, the left one and then the right one, not ${from.length}`]];
}

function keys({ leftKey, rightKey }: Join): Found[] {
  const missing: Found[] = [];
  if (leftKey === undefined)
    missing.push(["join.leftKey", "is missing: write an expression over left, such as left.id"]);
  if (rightKey === undefined)
    missing.push(["join.rightKey", "is missing: write an expression over right, such as right.id"]);
  return missing;
}

function times(join: Join, ttl: string | undefined): Found[] {
  const { window, type = "Inner" } = join;
  if (!isTimedJoin(join)) return type === "Inner" ? [] : [["join.type", retracts(type)]];
  if (ttl !== undefined)
    return [["ttl", "is for a join without a window, interval or temporal, which keep records by themselves"]];
  if (join.temporal !== undefined && type === "Outer")
    return [
      ["join.type", "cannot be Outer in a temporal join: a version is in force until the next one, whoever asks"],
    ];
  if (window === undefined || parseDuration(window.size) > 0) return [];
  return [["join.window.size", "must be longer than 0"]];
}

/** A row would be alone until its partner comes, which may be at any time. */
const retracts = (type: string): string =>
  `${type} needs a window or an interval: without one, a record that is alone now may have a partner later, and a result cannot be taken back; add interval: {before, after}`;

export function selectedFields(select: Readonly<Record<string, string>>): Found[] {
  return Object.keys(select)
    .filter((field) => field === "true" || field === "false")
    .map((field) => [
      "join.select",
      `a field named ${field}: that is how kubectl reads n, no, y and yes without quotes`,
    ]);
}
