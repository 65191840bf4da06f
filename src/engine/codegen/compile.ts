import { Failure } from "../../expression/failure.ts";
import { celRuntime } from "../../expression/runtime/runtime.ts";
import { WeirError } from "../../errors.ts";
import { decoder, plainInt, plainTime } from "../json/decoder.ts";
import { Layouts } from "../json/layouts.ts";
import {
  endOfName,
  isWithinDoubles,
  kindWithin,
  MAX_SCAN_BYTES,
  plain,
  scanString,
  scanValue,
  skipSpace,
} from "../json/scan.ts";
import { isPlainInt } from "../json/write-value.ts";
import { own } from "../accumulators/accumulator.ts";
import { isRank } from "../accumulators/top-list.ts";
import type { Batch } from "../batch.ts";
import { BroadcastTable } from "../broadcast/broadcast-table.ts";
import type { EdgeBuffer } from "../buffers/edge-buffer.ts";
import { edgeBuffers, programBuffers } from "../buffers/program-buffer.ts";
import type { OutRecord, SinkWriter } from "../connectors/connector.ts";
import { FunctionState } from "../functions/function-state.ts";
import { copied } from "../functions/json-value.ts";
import { KeyedProcess } from "../functions/keyed-process.ts";
import type { KeyedProcessNode } from "../functions/process-node.ts";
import { RecordProcess } from "../functions/record-process.ts";
import { generatedFunction } from "../generated-function.ts";
import { NO_ROW } from "../joins/row.ts";
import type { LookupQueue } from "../lookups/lookup-queue.ts";
import { inPlanOrder, lookupQueues, programLookups } from "../lookups/program-lookup.ts";
import { isMultiple } from "../keyed-state/keyed-table.ts";
import { nodeCounters } from "../node-counters.ts";
import type { Plan, PlanNode, PlanSource } from "../plan.ts";
import { ProcessingTime } from "../processing-time.ts";
import { decodes, programGraph } from "../program-graph.ts";
import type { ProgramGraph } from "../program-graph.ts";
import type { NodeCounters, Program, ProgramInput, ProgramOptions } from "../program.ts";
import { RocksProcess } from "../rocksdb/rocks-process.ts";
import { Watermarks } from "../watermarks.ts";
import { murmur2, shardOf } from "../windows/murmur2.ts";
import { addSum, overflows } from "../windows/sum.ts";
import type { Fire } from "../windows/window-state.ts";
import { BlockKeys } from "./block-keys.ts";
import { ChainRuntime } from "./chain-runtime.ts";
import { metSource } from "./broadcast-source.ts";
import { ChainWriter } from "./chain.ts";
import type { ChainTables } from "./chain.ts";
import { joinedSource } from "./join-source.ts";
import { answeredSource } from "./lookup-source.ts";
import { Printed } from "./printed.ts";
import { Scratch } from "./scratch.ts";
import { emitSource } from "./process-source.ts";
import { soughtKeys } from "./sought-keys.ts";
import type { Sought } from "./sought-keys.ts";
import { sourceFunction } from "./source-function.ts";
import type { ChainStart } from "./source-function.ts";
import { topRowSource } from "./table-source.ts";
import { fireSource } from "./fire-source.ts";
import { AheadWriter, aheadFunction } from "./ahead.ts";
import { keyedState } from "./keyed-state.ts";
import type { KeyedState } from "./keyed-state.ts";
import { isStored, storedState } from "./stored-state.ts";
import type { StoredState } from "./stored-state.ts";

/** What the generated module gives back: by node name, a function per source and one per aggregate. */
interface Chains {
  readonly sources: Readonly<Record<string, (batch: Batch) => number>>;
  readonly fires: Readonly<Record<string, Fire>>;
  /** By where the chain begins: notes which keys its records will ask for. */
  readonly ahead: Readonly<Record<string, (batch: Batch) => void>>;
}

/** Compiles a plan: one generated function per chain, from a source to its sinks and keyed nodes, and one below each aggregate. */
export function compile(plan: Plan, options: ProgramOptions): Program {
  const counters = nodeCounters(plan);
  const { rocks } = options;
  const stateOf = (node: PlanNode): KeyedState | undefined => {
    if (node.kind === "keyedProcess") return keyedProcess(node, options, counters);
    return rocks === undefined ? keyedState(node) : storedState(node, rocks);
  };
  const keyed = plan.nodes.map(stateOf).filter((state) => state !== undefined);
  const buffers = edgeBuffers(plan);
  const lookups = lookupQueues(plan, options);
  const time = new ProcessingTime(plan, keyed);
  const stored = keyed.filter(isStored);
  const chains = chainsOf(plan, options, { keyed, counters, buffers, lookups, time });
  const run = (name: string, batch: Batch): number => runChain(chains, name, { batch, stored });
  const watermarks = new Watermarks(plan, {
    advance: new Map(
      keyed.map((k) => [k.node, (watermark: number) => k.advance(watermark, chains.fires[k.node] ?? none)]),
    ),
    buffered: new Map([...buffers, ...[...lookups].map(([name, { time }]) => [name, time] as const)]),
    sinks: options.sinks,
  });
  const queues = programBuffers(buffers, watermarks, (node, batch) => void run(node, batch));
  return {
    inputs: new Map(plan.sources.map((s) => [s.node, inputOf(s, run)])),
    keyed: [...keyed, ...lookups.values()],
    advanceWatermark: (source, watermark) => watermarks.advance(source, watermark),
    setIdle: (source, idle) => watermarks.setIdle(source, idle),
    advanceProcessingTime: (now, held = false) => {
      if (!time.isUsed) return;
      time.advance(now);
      if (!held) watermarks.advanceProcessingTime(time.now);
    },
    end: (source) => watermarks.advance(source, Number.POSITIVE_INFINITY),
    buffers: inPlanOrder(plan, [...queues, ...programLookups(lookups, watermarks)]),
    counters: () => counters,
  };
}

function keyedProcess(node: KeyedProcessNode, options: ProgramOptions, counters: Parts["counters"]): KeyedProcess {
  const own = counters.get(node.name) as NodeCounters;
  if (options.rocks !== undefined) return new RocksProcess(node, { options, counters: own }, options.rocks);
  return new KeyedProcess(node, { options, store: new FunctionState(node.ttlMs), counters: own });
}

/** For state that gives nothing when time passes. */
const none: Fire = () => undefined;

/** Where state is not all in memory, what a batch needs of it is read in one call before. */
function runChain(
  chains: Chains,
  name: string,
  { batch, stored }: { batch: Batch; stored: readonly StoredState[] },
): number {
  const process = chains.sources[name] as (batch: Batch) => number;
  const cold = stored.filter(({ store }) => store.cold);
  if (cold.length === 0) return process(batch);
  // Objects of a source have no bytes to look into twice: their keys are read one by one.
  if (batch.rows === undefined) chains.ahead[name]?.(batch);
  for (const { store } of cold) store.fetch();
  const newest = process(batch);
  for (const { store } of cold) store.forgetAhead();
  return newest;
}

function inputOf(source: PlanSource, run: (name: string, batch: Batch) => number): ProgramInput {
  const input = {
    maxEventTime: Number.NEGATIVE_INFINITY,
    process: (batch: Batch): void => {
      input.maxEventTime = run(source.node, batch);
    },
  };
  return input;
}

interface Parts {
  readonly keyed: readonly KeyedState[];
  readonly counters: ReadonlyMap<string, NodeCounters>;
  readonly buffers: ReadonlyMap<string, EdgeBuffer>;
  readonly lookups: ReadonlyMap<string, LookupQueue>;
  readonly time: ProcessingTime;
}

function chainsOf(plan: Plan, options: ProgramOptions, { keyed, counters, buffers, lookups, time }: Parts): Chains {
  const names = [...counters.keys()];
  const index = new Map(names.map((name, i) => [name, i]));
  const rowScratch = new Scratch();
  const record: OutRecord = {
    value: Buffer.alloc(0),
    start: 0,
    end: 0,
    key: undefined,
    keyStart: 0,
    keyEnd: -1,
    row: undefined,
    ts: 0,
    headers: undefined,
  };
  const scope: Record<string, unknown> = {
    cel: celRuntime,
    params: options.parameters,
    peek: options.peek ?? (() => undefined),
    R: new ChainRuntime(),
    T: time,
    o: new Scratch(),
    rowBytes: (row: unknown) => rowScratch.only(row),
    rowScratch,
    rec: record,
    U: Symbol("not decoded"),
    BlockKeys,
    copied,
    decode: decoder(),
    Failure,
    Layouts,
    MAX_SCAN_BYTES,
    NO_ROW,
    Printed,
    addSum,
    endOfName,
    isMultiple,
    isRank,
    isPlainInt,
    isWithinDoubles,
    kindWithin,
    murmur2,
    overflows,
    own,
    plain,
    plainInt,
    plainTime,
    scanString,
    scanValue,
    shardOf,
    skipSpace,
  };
  for (const [i, name] of names.entries()) scope[`C${i}`] = counters.get(name);
  for (const state of keyed) scope[`W${index.get(state.node)}`] = state;
  for (const [node, buffer] of buffers) scope[`B${index.get(node)}`] = buffer;
  for (const [node, queue] of lookups) scope[`Q${index.get(node)}`] = queue;
  for (const node of plan.nodes)
    if (node.kind === "broadcast") scope[`T${index.get(node.name)}`] = new BroadcastTable(node);
  for (const node of plan.nodes)
    if (node.kind === "process") scope[`F${index.get(node.name)}`] = new RecordProcess(node, options);
  for (const sink of plan.sinks) scope[`S${index.get(sink.node)}`] = sinkOf(options, sink.node);
  const rowSinks = new Set(plan.sinks.map((s) => s.node).filter((node) => sinkOf(options, node).rows === true));
  const stored = new Set(keyed.filter(isStored).map((state) => state.node));
  return generatedFunction<Chains>(chainSource(plan, tablesOf(plan, index, rowSinks), stored), scope);
}

function sinkOf(options: ProgramOptions, node: string): SinkWriter {
  const sink = options.sinks.get(node);
  if (sink === undefined) throw new Error(`no writer for sink "${node}"`);
  return sink;
}

/** What chains look for in their records, and which sinks get them as they came. */
export function chainFacts(plan: Plan): Pick<ChainWriter, "reads" | "passed"> {
  const index = new Map([...nodeCounters(plan).keys()].map((name, i) => [name, i]));
  const chain = new ChainWriter(programGraph(plan), tablesOf(plan, index, new Set()));
  writeChains(plan, chain, programGraph(plan));
  return chain;
}

/** The generated text. */
function chainSource(plan: Plan, tables: ChainTables, stored: ReadonlySet<string>): string {
  refuseOddNumbers(plan);
  const graph = programGraph(plan);
  return writeChains(plan, new ChainWriter(graph, tables), graph, new AheadWriter(graph, tables, stored));
}

const tablesOf = (plan: Plan, nodes: ReadonlyMap<string, number>, rowSinks: ReadonlySet<string>): ChainTables => ({
  nodes,
  maxParallelism: plan.maxParallelism,
  rowSinks,
});

function writeChains(plan: Plan, chain: ChainWriter, graph: ProgramGraph, ahead?: AheadWriter): string {
  const inMemory = (sought: readonly Sought[]): readonly Sought[] =>
    sought.filter(({ node }) => ahead?.stored.has(node.name) === false);
  const firing = plan.nodes.filter((n) => n.kind === "windowAggregate" || n.kind === "keyedAggregate");
  const starts = chainStarts(plan, graph);
  const early = starts.filter((start) => ahead?.leads(start.node));
  const functions = [
    ...firing.map((n) => fireSource(chain, n)),
    ...plan.nodes.filter((n) => n.kind === "topN").map((n) => topRowSource(chain, n)),
    ...plan.nodes.filter((n) => n.kind === "join").map((n) => joinedSource(chain, n)),
    ...plan.nodes.filter((n) => n.kind === "broadcast").map((n) => metSource(chain, n)),
    ...plan.nodes.filter((n) => n.kind === "lookup").map((n) => answeredSource(chain, n)),
    ...plan.nodes.filter((n) => n.kind === "keyedProcess").map((n) => emitSource(chain, n)),
    ...starts.map((start) => sourceFunction(chain, start, inMemory(soughtKeys(graph, start.node)))),
    ...(ahead === undefined ? [] : early.map((start) => aheadFunction(ahead, start))),
  ];
  const entry = (kind: string, name: string): string => `[${JSON.stringify(name)}]: ${kind}${chain.index(name)}`;
  return `${functions.join("\n")}
return {
  sources: { ${starts.map((s) => entry("source", s.node)).join(", ")} },
  fires: { ${firing.map((n) => entry("fire", n.name)).join(", ")} },
  ahead: { ${early.map((s) => entry("ahead", s.node)).join(", ")} },
};`;
}

function chainStarts(plan: Plan, graph: ProgramGraph): ChainStart[] {
  const decoded = (node: string): boolean => decodes(plan, node, graph);
  const { sources, buffers = [] } = plan;
  return [
    ...sources.map((s) => ({ ...s, decoded: decoded(s.node) })),
    ...buffers.map(({ node }) => ({
      node,
      eventTime: null,
      onError: "Fail" as const,
      decoded: decoded(node),
    })),
  ];
}

/** Numbers are written into the code as they are; a plan is read from a file, where they could be anything. */
function refuseOddNumbers(plan: Plan): void {
  const odd = [plan.maxParallelism, ...plan.nodes.map(oddNumber)].find((n) => n !== undefined && !isWhole(n));
  if (odd !== undefined) throw new WeirError("PIPELINE_INVALID", `the plan has ${JSON.stringify(odd)} for a number`);
}

const isWhole = (value: unknown): boolean => Number.isSafeInteger(value);

/** A field that must be a number and is none, or not a whole one. */
function oddNumber(node: PlanNode): unknown {
  if (node.kind === "peek") return node.every;
  if (node.kind !== "windowAggregate" && node.kind !== "keyedAggregate") return undefined;
  const { type: _, ...numbers } = node.kind === "windowAggregate" ? node.window : node.trigger;
  return Object.values(numbers).find((n) => !isWhole(n));
}
