import type { PlanInput, PlanSource } from "../plan.ts";
import { isWithin, plainPath, samePath } from "./field-path.ts";
import { throughPairs } from "./lookups.ts";
import { joinKeying, joinResult } from "./joins.ts";
import { equalSplits, keyingOf, none } from "./declared-key.ts";
import type { Declared, Keying } from "./declared-key.ts";
import type { GraphNode, StreamGraph } from "./stream-graph.ts";

export function keyings(graph: StreamGraph, sources: ReadonlyMap<string, PlanSource>): ReadonlyMap<string, Keying> {
  const streams = new Map<string, Declared>();
  const found = new Map<string, Keying>();
  for (const node of graph.nodes) {
    const { join } = node.spec;
    if (join !== undefined && join.lookup === undefined) {
      const sides = node.inputs.map((i) => streamOf(i, streams));
      const keying = joinKeying(node, sides, sources);
      found.set(node.name, keying);
      for (const [output, stream] of joinResult(node, keying, sides)) streams.set(output, stream);
      continue;
    }
    const input = merge(
      node,
      (node.spec.broadcast === undefined ? node.inputs : node.inputs.slice(0, -1)).map((i) => streamOf(i, streams)),
      sources,
    );
    const key = keyOf(node);
    if (key === undefined) {
      streams.set(node.name, through(node, input, sources));
      continue;
    }
    const keying = keyingOf(key, input);
    found.set(node.name, keying);
    const { dedup, distinct, process } = node.spec;
    const result = resultOf(key, keying, input);
    streams.set(node.name, process === undefined ? ((dedup ?? distinct) ? input : result) : made(node));
    streams.set(`${node.name}.late`, process === undefined ? input : made(node));
  }
  return found;
}

/** What a node keeps its state by. */
const keyOf = ({ spec }: GraphNode): string | undefined =>
  spec.distinct === undefined ? spec.keyBy : (spec.distinct.by ?? "event");

/** What a function gives is anything, on all its outputs. */
const made = ({ name }: GraphNode): Declared => none(`process "${name}" makes other records`);

function streamOf(input: PlanInput, streams: ReadonlyMap<string, Declared>): Declared {
  const own = streams.get(`${input.node}.${input.output}`) ?? streams.get(input.node);
  return own ?? none(`"${input.node}" has no declared key`);
}

function resultOf(keyBy: string, keying: Keying, input: Declared): Declared {
  const field = plainPath(keyBy)?.at(-1);
  if (keying.mode !== "declared" || field === undefined || input.path === undefined) return none(keying.why);
  return { path: [field], origin: input.origin };
}

function through(node: GraphNode, input: Declared, sources: ReadonlyMap<string, PlanSource>): Declared {
  const source = sources.get(node.name);
  if (source !== undefined) return ofSource(source);
  if (input.path === undefined) return input;
  const { map, flatMap, select, drop, process, join, broadcast } = node.spec;
  if (join !== undefined || broadcast !== undefined) return throughPairs(node, input);
  if (process !== undefined) return made(node);
  if (map !== undefined) return throughMap(node.name, map, input);
  if (flatMap !== undefined) return none(`flatMap "${node.name}" makes other records`);
  const { path: declared } = input;
  const related = (field: string): boolean => {
    const path = plainPath(field) ?? [];
    return isWithin(declared, path) || (drop !== undefined && isWithin(path, declared));
  };
  const lost = select === undefined ? drop?.some(related) === true : !select.some(related);
  if (!lost) return input;
  return none(`${drop === undefined ? "select" : "drop"} "${node.name}" does not keep event.${declared.join(".")}`);
}

type WithKey = Extract<Declared, { path: readonly string[] }>;

function throughMap(
  name: string,
  map: Readonly<Record<string, string>>,
  { path: declared, origin }: WithKey,
): Declared {
  for (const [field, expression] of Object.entries(map)) {
    const copied = plainPath(expression);
    if (copied !== undefined && samePath(copied, declared)) return { path: field.split("."), origin };
  }
  return none(`map "${name}" does not copy event.${declared.join(".")} unchanged`);
}

function ofSource(source: PlanSource): Declared {
  if (source.partitionedBy === null) return none(`source "${source.node}" has no partitionedBy`);
  if (source.connector === "kafka" && topicCount(source) > 1)
    return none(`source "${source.node}" reads several topics, so one key is in several partitions`);
  return { path: source.partitionedBy, origin: source.node };
}

function topicCount(source: PlanSource): number {
  const topics = (source.config as { topics?: readonly unknown[] }).topics;
  return topics?.length ?? 1;
}

/** Streams that meet keep the key if all have it in the same field and their splits are known to correspond. */
function merge(node: GraphNode, inputs: readonly Declared[], sources: ReadonlyMap<string, PlanSource>): Declared {
  const [first, ...rest] = inputs;
  if (first === undefined) return none(`"${node.name}" has no input`);
  if (first.path === undefined) return first;
  for (const other of rest) {
    if (other.path === undefined) return other;
    if (!samePath(other.path, first.path))
      return none(`the inputs of "${node.name}" have their key in different fields`);
    if (!equalSplits(sources.get(first.origin), sources.get(other.origin)))
      return none(`"${node.name}" unites "${first.origin}" and "${other.origin}", whose splits may differ`);
  }
  return first;
}
