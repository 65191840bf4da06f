import { WeirError } from "../../errors.ts";
import type { VariableType } from "../../expression/value-type.ts";
import type { PlanNode, PlanSource } from "../plan.ts";
import { checkUnclaimed } from "./expressions.ts";
import type { CheckedNode } from "./expressions.ts";
import { mapFields } from "./map-fields.ts";
import type { GraphNode, StreamGraph } from "./stream-graph.ts";

export type BroadcastNode = Extract<PlanNode, { kind: "broadcast" }>;

interface Around {
  /** Schemas of the inputs. */
  readonly sides: readonly (VariableType | undefined)[];
  readonly report?: CheckedNode["report"];
}

/** The physical operator of a broadcast; undefined for any other node. */
export function broadcastOperation(
  { name, spec, inputs }: GraphNode,
  { sides, report }: Around,
): BroadcastNode | undefined {
  const { broadcast } = spec;
  if (broadcast === undefined) return undefined;
  const { leftKey, rightKey, type: joinType = "Inner", select } = broadcast;
  const [left = "dyn", right = "dyn"] = sides;
  const variables = { left, right: joinType === "Left" ? "dyn" : right } as const;
  return {
    name,
    inputs,
    onError: spec.onError ?? "Fail",
    kind: "broadcast",
    keys: [
      checkUnclaimed({ name, field: "broadcast.leftKey", variables: { left }, report }, leftKey, "key"),
      checkUnclaimed({ name, field: "broadcast.rightKey", variables: { right }, report }, rightKey, "key"),
    ],
    joinType,
    select: select === undefined ? null : mapFields({ name, variables, report }, "broadcast.select", select),
  };
}

/** The sources of tables, marked. What stands between them and a table runs in every worker, on all records. */
export function markBroadcasts(graph: StreamGraph, sources: readonly PlanSource[]): PlanSource[] {
  const side = new Map<string, string>();
  const visit = (name: string, table: string): void => {
    const node = graph.byName.get(name);
    if (node === undefined || side.has(name)) return;
    refuseState(node, table);
    side.set(name, table);
    for (const input of node.inputs) visit(input.node, table);
  };
  for (const { name, spec, inputs } of graph.nodes)
    if (spec.broadcast !== undefined) visit(inputs.at(-1)?.node ?? "", name);
  for (const node of graph.nodes) refuseShared(node, side);
  return sources.map((source) => (side.has(source.node) ? { ...source, broadcast: true } : source));
}

function refuseState({ name, spec }: GraphNode, table: string): void {
  const { source, filter, map, flatMap, select, drop, branch, union, peek } = spec;
  if ([source, filter, map, flatMap, select, drop, branch, union, peek].some((x) => x !== undefined) && !spec.buffer)
    return;
  throw new WeirError(
    "PIPELINE_INVALID",
    `node "${name}" feeds the broadcast of "${table}", which every worker has: there may only be filter, map, flatMap, select, drop, branch, union and peek without buffer, whose results are the same everywhere`,
  );
}

function refuseShared({ name, spec, inputs }: GraphNode, side: ReadonlyMap<string, string>): void {
  if (side.has(name)) return;
  const others = spec.broadcast === undefined ? inputs : inputs.slice(0, -1);
  const shared = others.find((input) => side.has(input.node));
  if (shared === undefined) return;
  throw new WeirError(
    "PIPELINE_INVALID",
    `node "${name}" reads "${shared.node}", which feeds the broadcast of "${side.get(shared.node)}": every worker reads all of that, so "${name}" would get each record several times; give it a source of its own`,
  );
}
