import { parseDuration } from "../../api/duration.ts";
import type { Pipeline, PipelineNode } from "../../api/pipeline.schema.ts";
import { WeirError } from "../../errors.ts";
import type { Keying, PlanFunction, PlanNode } from "../plan.ts";
import { checkUnclaimed } from "./expressions.ts";
import type { CheckedNode } from "./expressions.ts";
import type { GraphNode } from "./stream-graph.ts";

interface Surroundings extends Pick<CheckedNode, "event" | "report"> {
  readonly pipeline: Pipeline;
}

/** The physical operator of a node that runs a user's function; undefined for any other. */
export function processOperation(
  { name, spec, inputs }: GraphNode,
  keying: Keying | undefined,
  { pipeline, ...at }: Surroundings,
): PlanNode | undefined {
  const { process, keyBy } = spec;
  if (process === undefined) return undefined;
  const base = { name, inputs, onError: spec.onError ?? "Fail" } as const;
  const own = { function: planFunction(pipeline, process.function), outputs: process.outputs ?? [] };
  if (keyBy === undefined) return { ...base, kind: "process", ...own };
  const key = checkUnclaimed({ name, ...at, field: "keyBy" }, keyBy, "key");
  return { ...base, kind: "keyedProcess", ...own, key, ttlMs: milliseconds(process), keying: keying ?? "local" };
}

const milliseconds = ({ ttl }: NonNullable<PipelineNode["process"]>): number =>
  ttl === undefined ? 0 : parseDuration(ttl);

/** That it exists has been checked, and that its module is one of the two. */
export function planFunction({ functions = [] }: Pipeline, name: string): PlanFunction {
  const found = functions.find((f) => f.name === name);
  if (found === undefined) throw new WeirError("PIPELINE_INVALID", `spec.pipeline.functions has no "${name}"`);
  const { configMapRef, path = "" } = found.module;
  const module = configMapRef === undefined ? { path } : { configMap: configMapRef.name, key: configMapRef.key };
  return { name, module, export: found.export ?? "default" };
}
