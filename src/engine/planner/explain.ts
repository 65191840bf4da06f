import type {
  Plan,
  PlanAggregate,
  PlanBuffer,
  PlanInput,
  PlanJoinTimes,
  PlanNode,
  PlanSink,
  PlanSource,
  PlanTrigger,
  PlanWindow,
} from "../plan.ts";
import { chainFacts } from "../codegen/compile.ts";
import { calledAs } from "../windows/argument.ts";
import { panesPerWindow } from "../windows/panes.ts";
import { decodes, programGraph } from "../program-graph.ts";
import type { Reader } from "../program-graph.ts";
import { withExchanges } from "./with-exchanges.ts";

/**
 * The three graphs of a plan as text for `weir explain`: the nodes as the user drew them, the chains that run as one
 * function each, and the physical plan's facts.
 */
export function explain(plan: Plan, backend: "Memory" | "RocksDB" = "Memory"): string {
  return [
    "Stream graph",
    ...[
      ...plan.sources.map(sourceLine),
      ...plan.nodes.map(nodeLine),
      ...(plan.buffers ?? []).map(bufferLine),
      ...plan.sinks.map(sinkLine),
    ].map(indent),
    "",
    "Chains (one generated function each)",
    ...chainLines(plan).map(indent),
    "",
    ...exchangeLines(plan),
    "Physical plan",
    ...physicalLines(plan, backend).map(indent),
    "",
  ].join("\n");
}

const indent = (line: string): string => `  ${line}`;
const inputText = ({ node, output }: PlanInput): string => (output === "out" ? node : `${node}.${output}`);
const from = (inputs: readonly PlanInput[]): string => inputs.map(inputText).join(", ");

const sourceLine = (s: PlanSource): string =>
  `${s.node}: source ${s.connector}${metadataText(s)}${s.broadcast === true ? ", all of it by every worker, anew at each start" : ""}`;
const sinkLine = (s: PlanSink): string =>
  `${s.node}: sink ${s.connector}${metadataText(s)}${headersText(s)} ← ${from(s.inputs)}`;
const headersText = ({ headers = [] }: PlanSink): string =>
  headers.map(({ name, expression }) => `, header ${name} = ${expression}`).join("");
function metadataText({ connector, config }: PlanSource | PlanSink): string {
  const { metadata } = config as { readonly metadata?: string };
  return connector === "kafka" && metadata !== undefined ? `, key, headers and timestamp in event.${metadata}` : "";
}
const bufferLine = ({ node, size, strategy, key, inputs }: PlanBuffer): string =>
  `${node}: ${strategy} of ${size} records${key === null ? "" : ` by ${key}`} ← ${from(inputs)}`;
const nodeLine = (n: PlanNode): string => `${n.name}: ${operationText(n)} ← ${from(n.inputs)}`;

function operationText(node: PlanNode): string {
  switch (node.kind) {
    case "filter":
      return `filter ${node.condition}`;
    case "map":
      return `map {${node.fields.map((f) => `${f.path.join(".")}: ${f.expression}`).join(", ")}}`;
    case "branch":
      return `branch ${node.cases.map((c) => `${c.name} when ${c.when}`).join("; ")}${node.otherwise === null ? "" : `; else ${node.otherwise}`}`;
    case "union":
      return "union";
    case "select":
    case "drop":
      return `${node.kind} ${node.paths.map((path) => `event.${path.join(".")}`).join(", ")}`;
    case "flatMap":
      return `flatMap ${node.expression}`;
    case "peek":
      return `peek at every ${node.every}. record${node.message === null ? "" : `: ${node.message}`}`;
    case "rateLimit":
      return `rateLimit ${node.perSecond} records per second, ${node.burst} at once`;
    case "windowAggregate":
      return `${windowText(node.window)}${node.time === undefined ? "" : " of processing time"} by ${node.key}: ${aggregatesText(node.aggregates)}`;
    case "dedup":
      return `the first record by ${node.key}${ttlText(node.ttlMs)}`;
    case "topN":
      return `the ${node.size} records with the ${node.order === "Descending" ? "highest" : "lowest"} ${node.by} by ${node.key}${ttlText(node.ttlMs)}`;
    case "join":
      return joinText(node);
    case "broadcast":
      return `${node.joinType} meeting of ${node.keys[0]} with the newest record of each ${node.keys[1]}, in every worker: {${fieldsText(node.select)}}`;
    case "lookup":
      return lookupText(node);
    case "process":
      return `function ${node.function.name}`;
    case "keyedProcess":
      return `function ${node.function.name} by ${node.key}${ttlText(node.ttlMs)}`;
    case "keyedAggregate":
      return `aggregate by ${node.key}, ${triggerText(node.trigger)}${ttlText(node.ttlMs)}: ${aggregatesText(node.aggregates)}`;
  }
}

const aggregatesText = (aggregates: readonly PlanAggregate[]): string =>
  aggregates
    .map(
      ({ name, fn, arg, param }) => `${name} = ${calledAs(fn)}(${arg ?? ""}${param === undefined ? "" : `, ${param}`})`,
    )
    .join(", ");

const ttlText = (ttlMs: number): string => (ttlMs === 0 ? "" : `, forgotten after ${ttlMs} ms`);

function joinText({ keys, times, joinType, select }: Extract<PlanNode, { kind: "join" }>): string {
  const fields = fieldsText(select);
  return `${joinType} join on ${keys[0]} == ${keys[1]}, ${timesText(times)}: {${fields}}`;
}

function timesText(times: PlanJoinTimes): string {
  switch (times.type) {
    case "window":
      return `windows of ${times.sizeMs} ms`;
    case "interval":
      return `right.ts from left.ts − ${times.beforeMs} ms to left.ts + ${times.afterMs} ms`;
    case "unbounded":
      return `at any time${ttlText(times.ttlMs)}`;
    case "temporal":
      return "with the right one in force at left.ts";
  }
}

function lookupText({ key, joinType, select, lookup }: Extract<PlanNode, { kind: "lookup" }>): string {
  const { table, path } = lookup.config as { table?: string; path?: string };
  const { cache, capacity } = lookup;
  const kept = cache === null ? "not cached" : `${cache.rows} rows cached${cacheTimeText(cache.ttlMs)}`;
  const fields = fieldsText(select);
  return `${joinType} lookup of ${key} in ${lookup.connector} ${table ?? path}, ${kept}, ${capacity} keys at a time: {${fields}}`;
}

const fieldsText = (select: Extract<PlanNode, { kind: "join" }>["select"]): string =>
  select?.map((f) => `${f.path.join(".")}: ${f.expression}`).join(", ") ?? "left, right";

const cacheTimeText = (ttlMs: number): string => (ttlMs === 0 ? "" : ` for ${ttlMs} ms`);

function windowText(window: PlanWindow): string {
  switch (window.type) {
    case "tumbling":
      return `tumbling window of ${window.sizeMs} ms`;
    case "sliding":
      return `sliding window of ${window.sizeMs} ms every ${window.everyMs} ms, in ${panesPerWindow(window)} panes`;
    case "cumulate":
      return `cumulating window in steps of ${window.stepMs} ms up to ${window.maxMs} ms`;
    case "session":
      return `session window with a gap of ${window.gapMs} ms`;
  }
}

function triggerText(trigger: PlanTrigger): string {
  switch (trigger.type) {
    case "record":
      return "a result after every record";
    case "fill":
      return `a result of each ${trigger.size} records`;
    case "count":
      return `a result after every ${trigger.every} records`;
    case "time":
      return `a result every ${trigger.everyMs} ms`;
  }
}

const isKeyed = (node: PlanNode): node is Extract<PlanNode, { keying: unknown }> => "keying" in node;
/** Nodes with a chain of their own: others fire when something comes. */
const ownsChain = (node: PlanNode): boolean =>
  ["windowAggregate", "keyedAggregate", "topN", "join", "lookup", "keyedProcess"].includes(node.kind);

function nameOf(reader: Reader): string {
  switch (reader.kind) {
    case "node":
      return reader.node.name;
    case "buffer":
      return reader.buffer.node;
    case "sink":
      return reader.sink.node;
  }
}

/** What the projector looks for: the other fields are skipped as bytes. */
function readsText(paths: readonly (readonly string[])[]): string {
  if (paths.length === 0) return "no field is read";
  const named = paths.map((path) => (path.length === 0 ? "all" : path.join(".")));
  return `reads ${named.join(", ")}`;
}

/** A chain runs from a source or a window to sinks and the next windows, without leaving the function. */
function chainLines(plan: Plan): string[] {
  const graph = programGraph(plan);
  const { reads, passed } = chainFacts(plan);
  const readText = (node: string): string => readsText(reads.get(node) ?? []);
  const outputs = (node: string): string[] => [
    ...new Set(
      [...plan.nodes, ...(plan.buffers ?? []), ...plan.sinks].flatMap((n) =>
        n.inputs.filter((i) => i.node === node).map((i) => i.output),
      ),
    ),
  ];
  const lines: string[] = [];
  const walk = (node: string, depth: number): void => {
    for (const output of outputs(node))
      for (const reader of graph.readers(node, output)) {
        const name = nameOf(reader);
        const ends = reader.kind !== "node" || ownsChain(reader.node);
        const end = passed.has(name) ? " (end, bytes as they came)" : " (end)";
        lines.push(`${"  ".repeat(depth)}${output === "out" ? "" : `.${output} `}→ ${name}${ends ? end : ""}`);
        if (!ends) walk(name, depth + 1);
      }
  };
  for (const source of plan.sources) {
    const isRead = decodes(plan, source.node, graph);
    lines.push(`${source.node} (${isRead ? readText(source.node) : "records are passed on unread"})`);
    walk(source.node, 1);
  }
  for (const { node } of plan.buffers ?? []) {
    lines.push(`${node} (${readText(node)})`);
    walk(node, 1);
  }
  for (const node of plan.nodes)
    if (ownsChain(node)) {
      const results = node.kind === "windowAggregate" ? "fired windows" : "results";
      lines.push(`${node.name} (${results}${node.kind === "join" ? `; ${readText(node.name)}` : ""})`);
      walk(node.name, 1);
    }
  return lines;
}

/** What is otherwise with several workers: chains end at an exchange, and begin anew behind it. */
function exchangeLines(plan: Plan): string[] {
  const { exchanges = [] } = plan;
  if (exchanges.length === 0) return [];
  const running = withExchanges(plan, SOME_LAUNCH);
  return [
    "With several workers: exchanges",
    ...exchanges.map((e) => indent(`${e.node}: by ${e.key} ← ${from(e.inputs)}`)),
    "",
    "With several workers: chains",
    ...chainLines(running).map(indent),
    "",
  ];
}

const SOME_LAUNCH = {
  namespace: "<namespace>",
  job: "<job>",
  slots: 2,
  exchange: { generation: 1 },
  checkpoint: { retain: 1 },
} as const;

function keyLine(plan: Plan, { name, keying }: Extract<PlanNode, { keying: unknown }>): string {
  const shard = keying === "declared" ? "a split of the source" : "murmur2(key) % maxParallelism";
  const text = `${name}: key is ${keying}; a shard is ${shard}`;
  const own = (plan.exchanges ?? []).filter((e) => e.reader === name);
  const [first] = own;
  if (first === undefined) return text;
  const topics = own.map((e) => `weir.<namespace>.<job>.${e.node.replace("~exchange", "")}.g<generation>-<owner>`);
  const brokers = (first.config as { brokers?: readonly string[] }).brokers ?? [];
  return `${text}; above one worker records come through ${topics.join(" and ")} of ${plan.maxParallelism} partitions at ${brokers.join(", ")}, ${first.delivery ?? "AtLeastOnce"}`;
}

function physicalLines(plan: Plan, backend: string): string[] {
  const keyed = plan.nodes.filter(isKeyed);
  return [
    `version ${plan.version}, hash ${plan.hash.slice(0, 12)}, maxParallelism ${plan.maxParallelism}`,
    ...keyed.map((n) => keyLine(plan, n)),
    ...(keyed.length > 0 && backend === "RocksDB" ? ["keyed state is in RocksDB"] : []),
    plan.parallelismLimit === null
      ? "any number of workers, as far as there are splits"
      : `at most ${plan.parallelismLimit.max} worker: ${plan.parallelismLimit.reason}`,
  ];
}
