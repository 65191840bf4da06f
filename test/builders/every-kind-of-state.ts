/** A bounded job with a node of each kind of keyed state that can be in RocksDB, but for what depends on how splits interleave. */
import type { PipelineNode } from "../../src/api/pipeline.schema.ts";
import type { KeyedProcessFunction } from "../../src/engine/functions/author.ts";
import type { ImportModule } from "../../src/engine/functions/loaded-function.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";

const KEYS = 500;
/** Far more than a worker reads before it is stopped. */
const RECORDS = 25_000;
const fields = [
  { path: "k", key: { prefix: "k", count: KEYS } },
  { path: "ts", timestamp: {} },
  { path: "v", uniform: { min: 0, max: 50 } },
];
const keyed: PipelineNode[] = [
  { name: "counts", from: ["events"], keyBy: "event.k", aggregate: { n: "count()", last: "last(event.v)" } },
  {
    name: "filled",
    from: ["events"],
    keyBy: "event.k",
    aggregate: { most: "max(event.v)" },
    window: { count: { size: 7 } },
  },
  {
    name: "windows",
    from: ["events"],
    keyBy: "event.k",
    aggregate: { sum: "sum(event.v)" },
    window: { tumbling: { size: "3s" } },
  },
  {
    name: "sliding",
    from: ["events"],
    keyBy: "event.k",
    aggregate: { n: "count()" },
    window: { sliding: { size: "6s", every: "3s" } },
  },
  {
    name: "sessions",
    from: ["events"],
    keyBy: "event.k",
    aggregate: { n: "count()", first: "first(event.v)" },
    window: { session: { gap: "500ms" } },
  },
  { name: "first", from: ["events"], keyBy: "event.k", dedup: {} },
  { name: "kinds", from: ["events"], distinct: { by: "event.k" } },
  { name: "highest", from: ["events"], keyBy: "event.k", topN: { size: 2, by: "event.v" } },
  {
    name: "pairs",
    from: ["events", "events"],
    join: { interval: { before: "200ms", after: "0s" }, leftKey: "left.k", rightKey: "right.k" },
  },
  {
    name: "versions",
    from: ["events", "first"],
    join: { temporal: {}, leftKey: "left.k", rightKey: "right.k" },
  },
  { name: "known", from: ["first", "events"], join: { leftKey: "left.k", rightKey: "right.k" } },
  { name: "own", from: ["events"], keyBy: "event.k", process: { function: "own" } },
];
/** The sum of each three seconds, by a timer of its own. */
const own: KeyedProcessFunction<{ readonly v: number }> = {
  onRecord: ({ v }, { state, timers, timestamp }) => {
    const end = (Math.floor(timestamp / 3_000) + 1) * 3_000;
    const sums = state.map<number>("sums");
    sums.set(String(end), (sums.get(String(end)) ?? 0) + v);
    timers.set(String(end), end);
  },
  onTimer: ({ name }, { key, state, emit }) => {
    const sums = state.map<number>("sums");
    emit({ key, name, sum: sums.get(name) });
    sums.delete(name);
  },
};
const source: PipelineNode = {
  name: "events",
  source: { datagen: { splits: 4, rate: 0, count: RECORDS, eventRate: 2_000, fields } },
  eventTime: { field: "event.ts" },
};
const nodesOf = (states: readonly PipelineNode[]): PipelineNode[] => [
  ...states,
  ...states.flatMap(({ name }): PipelineNode[] => [
    { name: `${name}-named`, from: [name], map: { from: `'${name}'`, row: "event" } },
    { name: `${name}-out`, from: [`${name}-named`], sink: { blackhole: {} } },
  ]),
];
const functions = [{ name: "own", module: { path: "/own.mjs" } }];
const importModule: ImportModule = () => Promise.resolve({ exports: { default: own }, url: "file:///own.mjs" });

interface Keyed {
  /** By the splits of the source, or by their hash. */
  readonly keys: "declared" | "hashed";
  readonly stateTtl?: string;
  /** Kinds of state that are not in it. */
  readonly without?: readonly string[];
}

/** What runs it; all rows go to the sink "collect", each with the name of the node that gave it. */
export function everyKind({ keys, stateTtl, without = [] }: Keyed) {
  const events = keys === "declared" ? { ...source, partitionedBy: "event.k" } : source;
  const states = keyed.filter(({ name }) => !without.includes(name));
  const of = { parameters: {}, maxParallelism: 8, ...(stateTtl === undefined ? {} : { stateTtl }) };
  const planned = planPipeline({ functions, nodes: [events, ...nodesOf(states)] }, of);
  const sinks = planned.sinks.map((sink) => ({ ...sink, connector: "collect" }));
  return { plan: { ...planned, sinks }, importModule };
}

export const everyKindOfState = everyKind({ keys: "declared" });
