import { parseDuration } from "../../api/duration.ts";
import { inputOf, readsOf } from "../../api/graph-check.ts";
import type { Pipeline, PipelineNode } from "../../api/pipeline.schema.ts";
import type { Warning } from "./job-warnings.ts";

/** Aggregates that are of another value when a record comes again with a newer one in it. */
const ADDS_UP = /^\s*(count|sum|avg|percentile)\s*\(/;

/**
 * Nodes that rank or add up results which change. A newer result is one record more for them, since nodes take nothing
 * back: the three tenants with the most events would be three results of one tenant.
 */
export function changingResults({ nodes }: Pipeline): Warning[] {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const known = new Map<string, string | undefined>();
  /** The node whose results change, of those that a node gives on; the plain output only, `late` has records. */
  const changing = (input: string): string | undefined => {
    const { node, output } = inputOf(input);
    if (output === "late" || output === "dead") return undefined;
    if (!known.has(node)) known.set(node, fromNode(byName.get(node)));
    return known.get(node);
  };
  const fromNode = (node: PipelineNode | undefined): string | undefined => {
    if (node === undefined) return undefined;
    if (changes(node)) return node.name;
    return givesOn(node)
      ? readsOf(node)
          .map(changing)
          .find((name) => name !== undefined)
      : undefined;
  };
  return nodes.flatMap((node): Warning[] => {
    const field = countsRecords(node);
    const changed =
      field === undefined ? undefined : (node.from ?? []).map(changing).find((name) => name !== undefined);
    if (field === undefined || changed === undefined) return [];
    const message = `results of node "${changed}" change, and each newer one is a record more here, none is taken back: read what comes once, from a window without allowedLateness`;
    return [{ code: "changing-results", path: `spec.pipeline.nodes[${node.name}].${field}`, message }];
  });
}

/** Gives several results for one key, or one key and window. */
function changes({ aggregate, window, topN }: PipelineNode): boolean {
  if (topN !== undefined) return true;
  if (aggregate === undefined || window?.count !== undefined) return false;
  if (window === undefined || window.global !== undefined) return true;
  return window.allowedLateness !== undefined && parseDuration(window.allowedLateness) > 0;
}

const givesOn = ({ filter, map, select, drop, branch, union, peek, rateLimit }: PipelineNode): boolean =>
  [filter, map, select, drop, branch, union, peek, rateLimit].some((kind) => kind !== undefined);

function countsRecords({ topN, aggregate = {} }: PipelineNode): "topN" | "aggregate" | undefined {
  if (topN !== undefined) return "topN";
  return Object.values(aggregate).some((call) => ADDS_UP.test(call)) ? "aggregate" : undefined;
}
