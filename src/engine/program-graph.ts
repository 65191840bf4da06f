import type { Side } from "./joins/row.ts";
import type { Plan, PlanBuffer, PlanInput, PlanNode, PlanSink } from "./plan.ts";

/** Who reads an output: a node, a buffer before one, or a sink. */
export type Reader =
  /** `side`: which of its inputs a join reads there; 0 for any other node. */
  | { readonly kind: "node"; readonly node: PlanNode; readonly side: Side }
  | { readonly kind: "buffer"; readonly buffer: PlanBuffer }
  | { readonly kind: "sink"; readonly sink: PlanSink };

/** A plan as both engines walk it: readers by `node.output`, in the order of the plan, nodes before buffers before sinks. */
export interface ProgramGraph {
  readers(node: string, output: string): readonly Reader[];
}

/** Nodes to which it matters which of their inputs a record comes from. */
export const hasSides = ({ kind }: PlanNode): boolean => kind === "join" || kind === "broadcast";

export function programGraph(plan: Plan): ProgramGraph {
  const byOutput = new Map<string, Reader[]>();
  const add = (reader: Reader, { node, output }: PlanInput): void => {
    const key = `${node}.${output}`;
    byOutput.set(key, [...(byOutput.get(key) ?? []), reader]);
  };
  for (const node of plan.nodes)
    node.inputs.forEach((input, i) => add({ kind: "node", node, side: hasSides(node) && i > 0 ? 1 : 0 }, input));
  for (const buffer of plan.buffers ?? []) for (const input of buffer.inputs) add({ kind: "buffer", buffer }, input);
  for (const sink of plan.sinks) for (const input of sink.inputs) add({ kind: "sink", sink }, input);
  return { readers: (node, output) => byOutput.get(`${node}.${output}`) ?? [] };
}

/** Nodes that hand records on without looking into them. */
function passesUnread(node: PlanNode): boolean {
  return node.kind === "union" || node.kind === "rateLimit" || (node.kind === "peek" && node.message === null);
}

/**
 * Whether a source's records are decoded, and so checked: something reads a field of them, or their event time, or its
 * onError asks for it. A source whose records are only passed on is not looked into.
 */
export function decodes(plan: Plan, source: string, graph: ProgramGraph): boolean {
  const own = plan.sources.find((s) => s.node === source);
  // Who says what to do with malformed records wants them found, also where nothing else reads a field.
  if (own !== undefined && (own.onError !== "Fail" || (own.eventTime?.field ?? null) !== null)) return true;
  const reads = (reader: Reader): boolean => {
    if (reader.kind === "sink") return reader.sink.key !== null || reader.sink.headers !== undefined;
    if (reader.kind === "buffer") return graph.readers(reader.buffer.node, "out").some(reads);
    return !passesUnread(reader.node) || graph.readers(reader.node.name, "out").some(reads);
  };
  return graph.readers(source, "out").some(reads);
}
