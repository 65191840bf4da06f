import type { KeyedPlanNode, PlanNode } from "../plan.ts";
import type { ProgramGraph } from "../program-graph.ts";
import { keyFields } from "./key-source.ts";
import type { ChainWriter } from "./chain.ts";
import type { ProjectedFields } from "./projected-fields.ts";

/** So many records are decoded before the first of them is processed: their lines of the tables come into the cache together. */
export const BLOCK = 64;

/** A table in memory whose keys are fields of a source's records as they came. */
export interface Sought {
  readonly node: KeyedPlanNode;
  readonly fields: readonly (readonly string[])[];
  /** The key is a list of them. */
  readonly isList: boolean;
}

/** Nodes that give records on as they are. */
const UNCHANGED: ReadonlySet<PlanNode["kind"]> = new Set(["filter", "branch", "union", "peek", "rateLimit"]);
const TABLES: ReadonlySet<PlanNode["kind"]> = new Set(["keyedAggregate", "dedup", "topN"]);

/** The tables that records of a source come to before anything has changed them. */
export function soughtKeys(graph: ProgramGraph, source: string): readonly Sought[] {
  const found = new Map<string, Sought>();
  const followed = new Set<string>();
  const follow = (node: string, output: string): void => {
    if (followed.has(`${node}.${output}`)) return;
    followed.add(`${node}.${output}`);
    for (const reader of graph.readers(node, output)) {
      if (reader.kind !== "node") continue;
      const { node: to } = reader;
      if (TABLES.has(to.kind)) add(to as KeyedPlanNode);
      else if (UNCHANGED.has(to.kind)) for (const next of outputsOf(to)) follow(to.name, next);
    }
  };
  const add = (node: KeyedPlanNode): void => {
    const key = keyFields(node.key);
    if (key !== undefined) found.set(node.name, { node, ...key });
  };
  follow(source, "out");
  return [...found.values()];
}

function outputsOf(node: PlanNode): string[] {
  if (node.kind !== "branch") return ["out"];
  return [...node.cases.map(({ name }) => name), ...(node.otherwise === null ? [] : [node.otherwise])];
}

/** Notes the key of a record whose fields were found. */
export function seekSource(
  chain: ChainWriter,
  { node, fields, isList }: Sought,
  slot: ProjectedFields["slot"],
): string {
  const slots = fields.map(slot);
  const canonical = slots.map(({ type }) => `(${type} === 1 || ${type} === 3)`).join(" && ");
  const state = `W${chain.index(node.name)}`;
  const seek = (hash: string): string =>
    `const hash = ${hash}; ${state}.seek(${chain.shardSource(node.keying, "hash")}, hash);`;
  const [only] = slots;
  if (!isList && only !== undefined) return `if (${canonical}) { ${seek(`murmur2(b, ${only.start}, ${only.end})`)} }`;
  const puts = slots.map(({ start, end }) => `listed = R.keyItem(listed, b, ${start}, ${end});`);
  return `if (${canonical}) { let listed = 0; ${puts.join(" ")} ${seek("murmur2(R.key, 0, R.keyListEnd(listed))")} }`;
}
