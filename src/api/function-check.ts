import { parseDuration } from "./duration.ts";
import type { Pipeline, PipelineNode } from "./pipeline.schema.ts";
import type { Problem } from "./problem.ts";

/** What Node loads as a module by its name; types are taken out of TypeScript. */
const MODULE_NAME = /\.m?[jt]s$/;
const OWN_OUTPUTS = ["out", "dead"];

/** Whether the functions that nodes name are there, and are modules. */
export function functionProblems({ functions = [], nodes }: Pipeline): Problem[] {
  const names = functions.map((f) => f.name);
  return [...functions.flatMap(moduleProblems), ...nodes.flatMap((node) => usageProblems(node, names))];
}

const problem = (path: string, message: string): Problem => ({ code: "PIPELINE_INVALID", path, message });

function moduleProblems({ name, module }: NonNullable<Pipeline["functions"]>[number]): Problem[] {
  const at = `spec.pipeline.functions[${name}].module`;
  const { configMapRef, path = "" } = module;
  const file = configMapRef?.key ?? path;
  const named = configMapRef === undefined ? "path" : "configMapRef.key";
  if (!MODULE_NAME.test(file)) return [problem(`${at}.${named}`, `"${file}" must end in .mjs, .js, .mts or .ts`)];
  if (configMapRef !== undefined || path.startsWith("/")) return [];
  return [problem(`${at}.path`, `"${path}" must be an absolute path in the worker's pod`)];
}

function usageProblems(node: PipelineNode, names: readonly string[]): Problem[] {
  const { process, source, sink } = node;
  const uses = [
    ["process", process?.function],
    ["source.custom", source?.custom?.function],
    ["sink.custom", sink?.custom?.function],
  ] as const;
  const at = `spec.pipeline.nodes[${node.name}]`;
  const unknown = uses.flatMap(([field, name]) => {
    if (name === undefined || names.includes(name)) return [];
    const known = names.length === 0 ? "there are none" : `there are ${names.join(", ")}`;
    return [problem(`${at}.${field}.function`, `spec.pipeline.functions has no "${name}"; ${known}`)];
  });
  return [...unknown, ...processProblems(node, `${at}.process`)];
}

function processProblems({ process, keyBy }: PipelineNode, at: string): Problem[] {
  if (process === undefined) return [];
  const { ttl, outputs = [] } = process;
  const found: Problem[] = [];
  if (ttl !== undefined && keyBy === undefined)
    found.push(problem(`${at}.ttl`, "is for the state of keys; add keyBy to the node, or leave it out"));
  if (ttl !== undefined && parseDuration(ttl) === 0) found.push(problem(`${at}.ttl`, "must be longer than 0"));
  const taken = outputs.find((name, i) => OWN_OUTPUTS.includes(name) || outputs.indexOf(name) !== i);
  if (taken !== undefined) found.push(problem(`${at}.outputs`, `"${taken}" is taken or named twice`));
  return found;
}
