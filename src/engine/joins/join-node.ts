import type { PlanNode } from "../plan.ts";
import { shardsSignature } from "../windows/cells.ts";
import type { Side } from "./row.ts";

export type JoinNode = Extract<PlanNode, { kind: "join" }>;

/** What must be equal for saved rows to fit: the keys, which rows are kept and for how long, and what a shard is. */
export function joinSignature({ keys, joinType, keying, ...node }: JoinNode): string {
  const { type, ...times } = node.times;
  // As for keys without windows, a time to live may change.
  const cut = type === "unbounded" ? type : [type, ...Object.values(times)].join("/");
  return `left=${keys[0]};right=${keys[1]};shards=${shardsSignature(keying)};join=${cut};type=${joinType}`;
}

/** A node that gives pairs of records. */
export type PairNode = Extract<PlanNode, { readonly joinType: string }>;

/** Whether a row of the side gives a result without a partner, too. */
export function givesUnmatched({ joinType }: Pick<PairNode, "joinType">, side: Side): boolean {
  return joinType === "Outer" || (joinType === "Left" && side === 0);
}

/** Whether a result may have no row of the side. */
export const mayBeAbsent = (node: PairNode, side: Side): boolean => givesUnmatched(node, side === 0 ? 1 : 0);
