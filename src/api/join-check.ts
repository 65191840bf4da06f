import { parseDuration } from "./duration.ts";
import type { PipelineNode } from "./pipeline.schema.ts";
import type { Problem } from "./problem.ts";

type Join = NonNullable<PipelineNode["join"]>;
type Found = [field: string, message: string];

/** What a join's schema cannot say of its inputs, keys and times. */
export function joinProblems({ name, from, join }: PipelineNode): Problem[] {
  if (join === undefined || (join.window === undefined && join.interval === undefined)) return [];
  const problems = [...inputs(from ?? []), ...keys(join), ...times(join), ...fields(join.select ?? {})];
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

function times({ window }: Join): Found[] {
  if (window === undefined || parseDuration(window.size) > 0) return [];
  return [["join.window.size", "must be longer than 0"]];
}

function fields(select: Readonly<Record<string, string>>): Found[] {
  return Object.keys(select)
    .filter((field) => field === "true" || field === "false")
    .map((field) => [
      "join.select",
      `a field named ${field}: that is how kubectl reads n, no, y and yes without quotes`,
    ]);
}
