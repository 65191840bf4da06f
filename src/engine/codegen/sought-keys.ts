import type { KeyedPlanNode, PlanNode } from "../plan.ts";
import type { ProgramGraph } from "../program-graph.ts";
import { keyFields } from "./key-source.ts";
import type { KeyNames } from "./key-source.ts";
import type { ChainWriter } from "./chain.ts";
import { isCanonical } from "./shape.ts";
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

/** Variables of a key that was sought before its record is processed; its start is −1 where it was not. */
export interface SoughtNames extends KeyNames {
  readonly hash: string;
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

/** What a key is called that was sought. `block` is the variable of the keys that are lists. */
export function soughtNames(chain: ChainWriter, { node, isList }: Sought, block: string): SoughtNames {
  const w = chain.index(node.name);
  return { buffer: isList ? `${block}.bytes` : "b", start: `qs${w}`, end: `qe${w}`, hash: `qh${w}` };
}

/** Makes the key of a record whose fields were found, and tells its table. */
export function seekSource(
  chain: ChainWriter,
  sought: Sought,
  { slot, block }: { slot: ProjectedFields["slot"]; block: string },
): string {
  const { node, fields, isList } = sought;
  const { buffer, start, end, hash } = soughtNames(chain, sought, block);
  const slots = fields.map(slot);
  const canonical = slots.map(isCanonical).join(" && ");
  const items = slots.map((field) => `${block}.item(${start}, b, ${field.start}, ${field.end});`);
  const made = isList
    ? `${start} = ${block}.at; ${items.join(" ")} ${end} = ${block}.end();`
    : slots.map((field) => `${start} = ${field.start}; ${end} = ${field.end};`).join("");
  const seek = `W${chain.index(node.name)}.seek(${chain.shardSource(node.keying, hash)}, ${hash});`;
  const hashed = isList ? `${block}.hash(${start}, ${end})` : `murmur2(${buffer}, ${start}, ${end})`;
  return `if (${canonical}) { ${made} ${hash} = ${hashed}; ${seek} }`;
}
