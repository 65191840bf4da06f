import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { WeirError } from "../../errors.ts";
import { MAX_BATCH_RECORDS } from "../batch.ts";
import type { BufferStrategy, PlanBuffer, PlanInput, PlanNode, PlanSink } from "../plan.ts";
import { checkExpression } from "./expressions.ts";
import type { GraphNode, StreamGraph } from "./stream-graph.ts";

/** As many records as a source may be ahead by: 16 batches. Latest keeps what is newest, so one record. */
const DEFAULT_SIZE = 16 * MAX_BATCH_RECORDS;

interface Readers {
  readonly nodes: readonly PlanNode[];
  readonly sinks: readonly PlanSink[];
}

/** Puts the queues that nodes ask for between them and their inputs. */
export function placeBuffers(graph: StreamGraph, { nodes, sinks }: Readers): Readers & { buffers: PlanBuffer[] } {
  const buffers = graph.nodes.flatMap(buffersOf);
  const byReader = Map.groupBy(buffers, (b) => b.reader);
  refuseLimitBehind(nodes, byReader);
  const behind = (reader: string, inputs: readonly PlanInput[]): readonly PlanInput[] => {
    const own = byReader.get(reader) ?? [];
    const unbuffered = inputs.filter((input) => !own.some((b) => b.inputs.includes(input)));
    return [...own.map(({ node }) => ({ node, output: "out" })), ...unbuffered];
  };
  return {
    nodes: nodes.map((n) => ({ ...n, inputs: behind(n.name, n.inputs) })),
    sinks: sinks.map((s) => ({ ...s, inputs: behind(s.node, s.inputs) })),
    buffers,
  };
}

function buffersOf({ name, spec, inputs }: GraphNode): PlanBuffer[] {
  const { buffer, join, broadcast } = spec;
  if (buffer === undefined) return [];
  if (spec.source !== undefined)
    throw new WeirError(
      "PIPELINE_INVALID",
      `node "${name}" is a source, before which no buffer can stand; give buffer to the nodes that read it`,
    );
  const own = { node: `${name}~buffer`, reader: name, strategy: buffer.strategy ?? "Buffer" } as const;
  // The table of a broadcast is there before anything else is read.
  const read = broadcast === undefined ? inputs : inputs.slice(0, -1);
  if (join === undefined || join.lookup !== undefined) return [sized(buffer, { ...own, inputs: read }, spec.keyBy)];
  return (["left", "right"] as const).map((variable, side) => {
    const of = { ...own, node: `${own.node}-${variable}`, inputs: inputs.slice(side, side + 1), variable };
    return sized(buffer, of, side === 0 ? join.leftKey : join.rightKey);
  });
}

function sized(
  { size }: NonNullable<PipelineNode["buffer"]>,
  own: Omit<PlanBuffer, "size" | "key">,
  keyBy: string | undefined,
): PlanBuffer {
  const { strategy, reader: name, variable = "event" } = own;
  const isKeyed = strategy === "Latest" && keyBy !== undefined;
  const key = isKeyed ? checkExpression({ name, variables: { [variable]: "dyn" } }, keyBy) : null;
  return { ...own, size: size ?? (strategy === "Latest" && !isKeyed ? 1 : DEFAULT_SIZE), key };
}

const losesNothing = (strategy: BufferStrategy): boolean => strategy === "Buffer" || strategy === "Error";

/** A checkpoint empties the buffers that lose nothing, whatever stands behind them. */
function refuseLimitBehind(nodes: readonly PlanNode[], buffers: ReadonlyMap<string, readonly PlanBuffer[]>): void {
  const visit = (limit: string, name: string): void => {
    const [buffer] = buffers.get(name) ?? [];
    if (buffer !== undefined) {
      if (!losesNothing(buffer.strategy)) return;
      const text = `node "${limit}" is a rateLimit behind the buffer of "${name}", which each checkpoint empties at once; put the rateLimit before the buffer, or take the strategy Drop or Latest`;
      throw new WeirError("PIPELINE_INVALID", text);
    }
    for (const { node } of nodes.find((n) => n.name === name)?.inputs ?? []) visit(limit, node);
  };
  for (const node of nodes) if (node.kind === "rateLimit") visit(node.name, node.name);
}
