import { Failure } from "../../expression/failure.ts";
import { celRuntime } from "../../expression/runtime/runtime.ts";
import { WeirError } from "../../errors.ts";
import { decoder, plainInt } from "../json/decoder.ts";
import { endOfName, MAX_SCAN_BYTES, plain, scanString, scanValue, skipSpace } from "../json/scan.ts";
import type { Batch } from "../batch.ts";
import type { OutRecord, SinkWriter } from "../connectors/connector.ts";
import { generatedFunction } from "../generated-function.ts";
import { nodeCounters } from "../node-counters.ts";
import type { Plan, PlanNode, PlanSource } from "../plan.ts";
import { decodes, programGraph } from "../program-graph.ts";
import type { NodeCounters, Program, ProgramInput, ProgramOptions } from "../program.ts";
import { Watermarks } from "../watermarks.ts";
import type { WindowNode } from "../windows/cells.ts";
import { murmur2, shardOf } from "../windows/murmur2.ts";
import { WindowState } from "../windows/window-state.ts";
import type { Fire } from "../windows/window-state.ts";
import { ChainRuntime } from "./chain-runtime.ts";
import { ChainWriter } from "./chain.ts";
import { Scratch } from "./scratch.ts";
import { sourceFunction } from "./source-function.ts";
import { fireSource } from "./window-source.ts";

/** What the generated module gives back: by node name, a function per source and one per window. */
interface Chains {
  readonly sources: Readonly<Record<string, (batch: Batch) => number>>;
  readonly fires: Readonly<Record<string, Fire>>;
}

/** Compiles a plan: one generated function per chain, from a source to its sinks and windows, and one below each window. */
export function compile(plan: Plan, options: ProgramOptions): Program {
  const windows = plan.nodes.filter((n) => n.kind === "windowAggregate").map((n) => new WindowState(n));
  const counters = nodeCounters(plan);
  const chains = chainsOf(plan, options, { windows, counters });
  const watermarks = new Watermarks(
    plan,
    new Map(windows.map((w) => [w.node, (watermark: number) => w.advance(watermark, chains.fires[w.node] as Fire)])),
  );
  return {
    inputs: new Map(plan.sources.map((s) => [s.node, inputOf(s, chains)])),
    keyed: windows,
    advanceWatermark: (source, watermark) => watermarks.advance(source, watermark),
    setIdle: (source, idle) => watermarks.setIdle(source, idle),
    end: (source) => watermarks.advance(source, Number.POSITIVE_INFINITY),
    counters: () => counters,
  };
}

function inputOf(source: PlanSource, chains: Chains): ProgramInput {
  const run = chains.sources[source.node] as (batch: Batch) => number;
  const input = {
    maxEventTime: Number.NEGATIVE_INFINITY,
    process: (batch: Batch): void => {
      input.maxEventTime = run(batch);
    },
  };
  return input;
}

interface Parts {
  readonly windows: readonly WindowState[];
  readonly counters: ReadonlyMap<string, NodeCounters>;
}

function chainsOf(plan: Plan, options: ProgramOptions, { windows, counters }: Parts): Chains {
  const names = [...counters.keys()];
  const index = new Map(names.map((name, i) => [name, i]));
  const record: OutRecord = {
    value: Buffer.alloc(0),
    start: 0,
    end: 0,
    key: undefined,
    keyStart: 0,
    keyEnd: -1,
    ts: 0,
  };
  const scope: Record<string, unknown> = {
    cel: celRuntime,
    params: options.parameters,
    peek: options.peek ?? (() => undefined),
    R: new ChainRuntime(),
    o: new Scratch(),
    rec: record,
    U: Symbol("not decoded"),
    decode: decoder(),
    Failure,
    MAX_SCAN_BYTES,
    endOfName,
    murmur2,
    plain,
    plainInt,
    scanString,
    scanValue,
    shardOf,
    skipSpace,
  };
  for (const [i, name] of names.entries()) scope[`C${i}`] = counters.get(name);
  for (const window of windows) scope[`W${index.get(window.node)}`] = window;
  for (const sink of plan.sinks) scope[`S${index.get(sink.node)}`] = sinkOf(options, sink.node);
  return generatedFunction<Chains>(chainSource(plan, index), scope);
}

function sinkOf(options: ProgramOptions, node: string): SinkWriter {
  const sink = options.sinks.get(node);
  if (sink === undefined) throw new Error(`no writer for sink "${node}"`);
  return sink;
}

/** The generated text. */
function chainSource(plan: Plan, index: ReadonlyMap<string, number>): string {
  refuseOddNumbers(plan);
  const graph = programGraph(plan);
  const chain = new ChainWriter(graph, { nodes: index, maxParallelism: plan.maxParallelism });
  const windows = plan.nodes.filter((n): n is WindowNode => n.kind === "windowAggregate");
  const functions = [
    ...windows.map((w) => fireSource(chain, w)),
    ...plan.sources.map((s) => sourceFunction(chain, s, decodes(plan, s.node, graph))),
  ];
  const entry = (kind: string, name: string): string => `[${JSON.stringify(name)}]: ${kind}${index.get(name)}`;
  return `${functions.join("\n")}
return {
  sources: { ${plan.sources.map((s) => entry("source", s.node)).join(", ")} },
  fires: { ${windows.map((w) => entry("fire", w.name)).join(", ")} },
};`;
}

/** Numbers are written into the code as they are; a plan is read from a file, where they could be anything. */
function refuseOddNumbers(plan: Plan): void {
  const sizes = plan.nodes.map((n): unknown => numberOf(n));
  const odd = [plan.maxParallelism, ...sizes].find((n) => !Number.isSafeInteger(n));
  if (odd !== undefined) throw new WeirError("PIPELINE_INVALID", `the plan has ${JSON.stringify(odd)} for a number`);
}

function numberOf(node: PlanNode): number {
  if (node.kind === "windowAggregate") return node.window.sizeMs;
  return node.kind === "peek" ? node.every : 1;
}
