import { isOfEventTime } from "../../src/api/window-check.ts";
import type { PipelineNode } from "../../src/api/pipeline.schema.ts";
import { restoreDivided, type SplitPart } from "../../src/engine/checkpoint/divide.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import type { KeyedNode, PiecePosition, Program, StatePiece } from "../../src/engine/program.ts";
import { batchOf } from "./memory-batch.ts";
import { memorySink } from "./memory-sink.ts";

export type Row = Readonly<Record<string, unknown>>;

export interface Rig {
  readonly program: Program;
  readonly take: () => Row[];
}

/** One node over events `{k, ts}`, and what it gives; of a join both sides are these. */
function rigOf(node: Partial<PipelineNode>, partitionedBy?: string): Rig {
  const source = { source: { datagen: {} }, eventTime: { field: "event.ts" } };
  const events: PipelineNode = { name: "events", ...source, ...(partitionedBy === undefined ? {} : { partitionedBy }) };
  const others: PipelineNode = { ...events, name: "others" };
  const from = node.join === undefined ? ["events"] : ["events", "others"];
  const nodes: PipelineNode[] = [
    ...(node.join === undefined ? [events] : [events, others]),
    { name: "state", from, ...(node.join === undefined ? { keyBy: "event.k" } : {}), ...node },
    { name: "out", from: isOfEventTime(node.window) ? ["state", "state.late"] : ["state"], sink: { blackhole: {} } },
  ];
  const plan = planPipeline({ nodes }, { parameters: {}, maxParallelism: 8 });
  const { writer, written } = memorySink();
  const program = compile(plan, { slot: 0, slots: 1, parameters: {}, sinks: new Map([["out", writer]]) });
  return { program, take: () => written.splice(0).map(({ value }) => JSON.parse(value) as Row) };
}

export const declared = (node: Partial<PipelineNode>): Rig => rigOf(node, "event.k");
export const stateOf = ({ program }: Rig): KeyedNode => program.keyed[0] as KeyedNode;

export function send({ program }: Rig, split: number, events: readonly Row[], source = "events"): void {
  program.inputs.get(source)?.process(
    batchOf(
      events.map((event) => JSON.stringify(event)),
      split,
    ),
  );
}

export function advance({ program }: Rig, watermark: number): void {
  for (const source of program.inputs.keys()) program.advanceWatermark(source, watermark);
}

export type Chunks = ReadonlyMap<number, readonly Buffer[]>;

export function wholeOf(rig: Rig): Chunks {
  const snapshot = stateOf(rig).beginSnapshot();
  const chunks = new Map(
    stateOf(rig)
      .shards()
      .map((shard) => [shard, [...snapshot.chunks(shard)]] as const),
  );
  snapshot.release();
  return chunks;
}

export function partOf(rig: Rig, chunks: Chunks = wholeOf(rig)): SplitPart {
  const { stateVersion: version, watermark } = stateOf(rig);
  const shards = [...chunks].map(([shard, saved]) => ({
    shard,
    watermark: Math.max(...saved.map((chunk) => chunk.readDoubleLE(0))),
    chunks: async function* () {
      yield* await Promise.resolve(saved);
    },
  }));
  return { saved: { shards, watermark }, version, uri: "memory://saved" };
}

export async function hashed(node: Partial<PipelineNode>, parts: readonly SplitPart[]): Promise<Rig> {
  const rig = rigOf(node);
  await restoreDivided(stateOf(rig), parts, { slot: 0, slots: 1, maxParallelism: 8 });
  return rig;
}

/** What the newest of several checkpoints has of a shard: of large pieces what earlier ones wrote, and what changed since. */
export function increments(rig: Rig): (shard: number) => Buffer[] {
  const written = new Map<object, { at: PiecePosition; chunks: Buffer[] }>();
  return (shard) => {
    const snapshot = stateOf(rig).beginSnapshot();
    const all: StatePiece[] = [
      { at: { snapshot: 0, entries: 0 }, whole: () => snapshot.chunks(shard), since: () => undefined },
    ];
    const newest = [...(snapshot.pieces?.(shard) ?? all)].flatMap((piece) => {
      const earlier = piece.of === undefined ? undefined : written.get(piece.of);
      const since = earlier === undefined ? undefined : piece.since(earlier.at);
      const chunks = since === undefined ? [...piece.whole()] : [...(earlier?.chunks ?? []), ...since];
      if (piece.of !== undefined) written.set(piece.of, { at: piece.at, chunks });
      return chunks;
    });
    snapshot.release();
    return newest.filter((chunk) => chunk.length > 0);
  };
}
