import type { PipelineNode } from "../../src/api/pipeline.schema.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import { loadedFunction } from "../../src/engine/functions/loaded-function.ts";
import { functionsOf } from "../../src/engine/functions/plan-functions.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import type { KeyedNode, PiecePosition, Program, ProgramOptions } from "../../src/engine/program.ts";
import { rocksFolder } from "../servers/rocksdb.ts";
import { batchOf } from "./memory-batch.ts";
import { memorySink } from "./memory-sink.ts";

/** What every backend of keyed state must do: the same cases for all of them. */
export const BACKENDS = ["Memory", "RocksDB", "RocksDB without a cache"] as const;
export type Backend = (typeof BACKENDS)[number];

type Row = Readonly<Record<string, unknown>>;
export interface Rig {
  /** Programs share sinks, as workers share an output. */
  start(backend: Backend): Program;
  startOn(state: Pick<ProgramOptions, "rocks">): Program;
  /** Rows since they were taken last. */
  take(): Row[];
}

/** One keyed node over events `{k, ts, v}`; what it gives is kept. The right side of a join is another source, `others`. */
export function backendRigs(): (node: Partial<PipelineNode>, fn?: unknown) => Rig {
  const rocks = rocksFolder();
  return (node, fn) => {
    const read = { source: { datagen: {} }, partitionedBy: "event.k", eventTime: { field: "event.ts" } };
    const sources = node.join === undefined ? ["events"] : ["events", "others"];
    const nodes: PipelineNode[] = [
      ...sources.map((name) => ({ name, ...read })),
      { name: "state", from: sources, ...(node.join === undefined ? { keyBy: "event.k" } : {}), ...node },
      { name: "out", from: ["state"], sink: { blackhole: {} } },
    ];
    const functions = fn === undefined ? [] : [{ name: "fn", module: { path: "/fn.mjs" } }];
    const plan = planPipeline({ functions, nodes }, { parameters: {}, maxParallelism: 64 });
    const { writer, written } = memorySink();
    const sinks = new Map([["out", writer]]);
    const loaded = new Map(
      [...functionsOf(plan)].map(([name, f]) => [name, loadedFunction(f, { value: fn, url: "" })]),
    );
    const startOn = (state: Pick<ProgramOptions, "rocks">): Program =>
      compile(plan, { slot: 0, slots: 1, parameters: {}, sinks, functions: loaded, ...state });
    return {
      startOn,
      start: (backend) =>
        startOn(backend === "Memory" ? {} : { rocks: rocks.state(backend === "RocksDB" ? {} : { cacheBytes: 0 }) }),
      take: () => written.splice(0).map(({ value }) => JSON.parse(value) as Row),
    };
  };
}

export interface Event {
  readonly k: string;
  readonly ts?: number;
  readonly v?: unknown;
}

export function send(program: Program, events: readonly Event[], split = 0, source = "events"): void {
  const lines = events.map(({ k, ts = 0, v = 0 }) => JSON.stringify({ k, ts, v }));
  for (let i = 0; i < lines.length; i += 500)
    program.inputs.get(source)?.process(batchOf(lines.slice(i, i + 500), split));
}

export const stateOf = ({ keyed }: Program): KeyedNode => keyed[0] as KeyedNode;
export const keys = (n: number): string[] => Array.from({ length: n }, (_, i) => `key-${i}`);

/** What checkpoints write of shard 0, each of them what changed since the one before. */
export function increments(): { take(program: Program): number; readonly written: readonly Buffer[] } {
  const written: Buffer[] = [];
  const positions = new Map<object, PiecePosition>();
  return {
    written,
    /** How many entries it has. */
    take: (program) => {
      const snapshot = stateOf(program).beginSnapshot();
      let entries = 0;
      for (const piece of snapshot.pieces?.(0) ?? []) {
        const earlier = piece.of === undefined ? undefined : positions.get(piece.of);
        const found = [...((earlier === undefined ? undefined : piece.since(earlier)) ?? piece.whole())];
        const chunks = found.filter((chunk) => chunk.length > 0);
        if (piece.of !== undefined) positions.set(piece.of, piece.at);
        written.push(...chunks.map((chunk) => Buffer.from(chunk)));
        entries += chunks.reduce((sum, chunk) => sum + chunk.readUInt32LE(8), 0);
      }
      snapshot.release();
      return entries;
    },
  };
}
