import { inputOf, readsOf } from "../../api/graph-check.ts";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import type { PlanInput } from "../plan.ts";

/** The logical graph: the user's nodes with their inputs resolved, in topological order. */
export interface StreamGraph {
  readonly nodes: readonly GraphNode[];
  readonly byName: ReadonlyMap<string, GraphNode>;
}

export interface GraphNode {
  readonly name: string;
  readonly spec: PipelineNode;
  readonly inputs: readonly PlanInput[];
}

/** Of nodes that `checkGraph` finds sound: names are unique, inputs exist, and there is no cycle. */
export function streamGraph(specs: readonly PipelineNode[]): StreamGraph {
  const graphNode = (spec: PipelineNode): GraphNode => ({
    name: spec.name,
    spec,
    inputs: readsOf(spec).map(inputOf),
  });
  const byName = new Map(specs.map((spec) => [spec.name, graphNode(spec)]));
  return { nodes: topological(byName), byName };
}

function topological(byName: ReadonlyMap<string, GraphNode>): GraphNode[] {
  const order = new Set<GraphNode>();
  const visit = (node: GraphNode | undefined): void => {
    if (node === undefined || order.has(node)) return;
    for (const input of node.inputs) visit(byName.get(input.node));
    order.add(node);
  };
  for (const node of byName.values()) visit(node);
  return [...order];
}
