import { isTimedJoin } from "../../api/join-check.ts";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { isTimed } from "../../api/window-check.ts";

/**
 * The node with the job's `state.ttl` as its own where it says none. Windows and joins by time end their state by
 * themselves; what a lookup or a table remembers is no keyed state.
 */
export function withStateTtl(node: PipelineNode, ttl: string | undefined): PipelineNode {
  if (ttl === undefined) return node;
  const { keyBy, dedup, distinct, process } = node;
  if (dedup !== undefined) return { ...node, dedup: { ttl, ...dedup } };
  if (distinct !== undefined) return { ...node, distinct: { ttl, ...distinct } };
  if (process !== undefined) return keyBy === undefined ? node : { ...node, process: { ttl, ...process } };
  return growsByKeys(node) ? { ttl, ...node } : node;
}

function growsByKeys({ aggregate, window, topN, join }: PipelineNode): boolean {
  if (join !== undefined) return join.lookup === undefined && !isTimedJoin(join);
  return topN !== undefined || (aggregate !== undefined && !isTimed(window));
}
