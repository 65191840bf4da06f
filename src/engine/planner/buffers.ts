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
  const buffers = graph.nodes.map(bufferOf).filter((b) => b !== undefined);
  const byReader = new Map(buffers.map((b) => [b.reader, b]));
  refuseLimitBehind(nodes, byReader);
  const behind = (reader: string, inputs: readonly PlanInput[]): readonly PlanInput[] => {
    const buffer = byReader.get(reader);
    return buffer === undefined ? inputs : [{ node: buffer.node, output: "out" }];
  };
  return {
    nodes: nodes.map((n) => ({ ...n, inputs: behind(n.name, n.inputs) })),
    sinks: sinks.map((s) => ({ ...s, inputs: behind(s.node, s.inputs) })),
    buffers,
  };
}

function bufferOf({ name, spec, inputs }: GraphNode): PlanBuffer | undefined {
  if (spec.buffer === undefined) return undefined;
  refusePlace(name, spec);
  const { strategy = "Buffer" } = spec.buffer;
  const keyBy = strategy === "Latest" ? spec.keyBy : undefined;
  const { size = strategy === "Latest" && keyBy === undefined ? 1 : DEFAULT_SIZE } = spec.buffer;
  const key = keyBy === undefined ? null : checkExpression({ name }, keyBy);
  return { node: `${name}~buffer`, reader: name, inputs, size, strategy, key };
}

function refusePlace(name: string, { source, join, broadcast }: PipelineNode): void {
  if (source === undefined && join === undefined && broadcast === undefined) return;
  const kind = join === undefined ? "a broadcast" : "a join";
  const [what, where] = source === undefined ? [kind, "that it reads"] : (["a source", "that read it"] as const);
  const text = `node "${name}" is ${what}, before which no buffer can stand; give buffer to the nodes ${where}`;
  throw new WeirError("PIPELINE_INVALID", text);
}

const losesNothing = (strategy: BufferStrategy): boolean => strategy === "Buffer" || strategy === "Error";

/** A checkpoint empties the buffers that lose nothing, whatever stands behind them. */
function refuseLimitBehind(nodes: readonly PlanNode[], buffers: ReadonlyMap<string, PlanBuffer>): void {
  const visit = (limit: string, name: string): void => {
    const buffer = buffers.get(name);
    if (buffer !== undefined) {
      if (!losesNothing(buffer.strategy)) return;
      const text = `node "${limit}" is a rateLimit behind the buffer of "${name}", which each checkpoint empties at once; put the rateLimit before the buffer, or take the strategy Drop or Latest`;
      throw new WeirError("PIPELINE_INVALID", text);
    }
    for (const { node } of nodes.find((n) => n.name === name)?.inputs ?? []) visit(limit, node);
  };
  for (const node of nodes) if (node.kind === "rateLimit") visit(node.name, node.name);
}
