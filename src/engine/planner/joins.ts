import { parseDuration } from "../../api/duration.ts";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { WeirError } from "../../errors.ts";
import type { VariableType } from "../../expression/value-type.ts";
import type { Keying as KeyingMode, PlanJoinTimes, PlanSource } from "../plan.ts";
import { equalSplits, keyingOf, none } from "./declared-key.ts";
import type { Declared, Keying } from "./declared-key.ts";
import { checkUnclaimed } from "./expressions.ts";
import type { CheckedNode } from "./expressions.ts";
import { variablePath } from "./field-path.ts";
import { mapFields } from "./map-fields.ts";
import type { GraphNode } from "./stream-graph.ts";

type Join = NonNullable<PipelineNode["join"]>;

interface Around {
  readonly keying: KeyingMode | undefined;
  /** Schemas of the inputs. */
  readonly sides: readonly (VariableType | undefined)[];
  readonly report?: CheckedNode["report"];
}

/** The physical operator of a join. That it has two inputs and both keys has been checked. */
export function joinOperation(
  { name, join, ttl }: PipelineNode & { readonly join: Join },
  { keying = "local", sides, report }: Around,
) {
  const { leftKey, rightKey, type: joinType = "Inner", select } = join;
  const times = joinTimes(join, ttl);
  if (leftKey === undefined || rightKey === undefined)
    throw new WeirError("PIPELINE_INVALID", `node "${name}": a join needs both keys`);
  const [left = "dyn", right = "dyn"] = sides;
  const keys = [
    checkUnclaimed({ name, field: "join.leftKey", variables: { left }, report }, leftKey, "key"),
    checkUnclaimed({ name, field: "join.rightKey", variables: { right }, report }, rightKey, "key"),
  ] as const;
  // A side that may have no row may be compared with null, which a record of a schema never is.
  const variables = { left: joinType === "Outer" ? "dyn" : left, right: joinType === "Inner" ? right : "dyn" } as const;
  const fields = select === undefined ? null : mapFields({ name, variables, report }, "join.select", select);
  return { kind: "join", keys, times, joinType, select: fields, keying } as const;
}

function joinTimes({ window, interval, temporal }: Join, ttl: string | undefined): PlanJoinTimes {
  if (window !== undefined) return { type: "window", sizeMs: parseDuration(window.size) };
  if (temporal !== undefined) return { type: "temporal" };
  if (interval === undefined) return { type: "unbounded", ttlMs: ttl === undefined ? 0 : parseDuration(ttl) };
  return { type: "interval", beforeMs: parseDuration(interval.before), afterMs: parseDuration(interval.after) };
}

/** Rows that meet must be in one worker: both sides must be split by their keys, and their splits must correspond. */
export function joinKeying(
  { name, spec }: GraphNode,
  [left, right]: readonly Declared[],
  sources: ReadonlyMap<string, PlanSource>,
): Keying {
  if (left === undefined || right === undefined) return { mode: "local", why: `"${name}" has no two inputs` };
  const sides = [keyingOf(spec.join?.leftKey ?? "", left, "left"), keyingOf(spec.join?.rightKey ?? "", right, "right")];
  const local = sides.find((s) => s.mode === "local");
  if (local !== undefined || left.path === undefined || right.path === undefined)
    return local ?? { mode: "local", why: "" };
  if (equalSplits(sources.get(left.origin), sources.get(right.origin))) return { mode: "declared", why: "" };
  return { mode: "local", why: `it joins "${left.origin}" and "${right.origin}", whose splits may differ` };
}

/** Where the declared key is in what a join gives: where it is there at all, it is the key of the row's shard. */
export function joinResult(
  { name, spec }: GraphNode,
  keying: Keying,
  sides: readonly Declared[],
): [string, Declared][] {
  const side = none(`"${name}" gives records of both of its inputs`);
  const [left] = sides;
  return [
    [name, keying.mode === "declared" && left?.path !== undefined ? resultKey(spec, name, left) : none(keying.why)],
    [`${name}.late`, side],
    [`${name}.dead`, side],
  ];
}

function resultKey(
  { join }: PipelineNode,
  name: string,
  left: Extract<Declared, { path: readonly string[] }>,
): Declared {
  const { origin } = left;
  if (join?.select === undefined) return { path: ["left", ...left.path], origin };
  const { leftKey = "", rightKey = "", type = "Inner" } = join;
  // A side without a row gives null for its key, and nulls of all keys are no shard.
  const keys = [...(type === "Outer" ? [] : [leftKey]), ...(type === "Inner" ? [rightKey] : [])];
  const paths = keys.map((key) => variablePath(key)?.join("."));
  const isKey = (text: string): boolean => paths.includes(variablePath(text)?.join(".") ?? "none");
  const copied = Object.entries(join.select).find(([, text]) => isKey(text));
  if (copied === undefined) return none(`join "${name}" does not copy its key unchanged`);
  return { path: copied[0].split("."), origin };
}
