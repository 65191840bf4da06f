import type { Pipeline, PipelineNode } from "../../src/api/pipeline.schema.ts";
import { isTimedJoin } from "../../src/api/join-check.ts";
import { isOfEventTime } from "../../src/api/window-check.ts";
import type { Random } from "./random.ts";

/** Random programs over the documents of `hostile-json.ts`: what a node reads may be missing, or of any type. */
const CONDITIONS = [
  "event.type in ['metrics', 'a', '']",
  "event.a != 'a'",
  "'tenant-17' == event.tenant",
  "event.payload.host == 'h'",
  "event.payload.host in ['h', 'ab']",
  "!(event.type == 'ab')",
  "event.type == '' || event.a == 'ab'",
  "event.a == 'ab' ? event.type != 'metrics' : event.type in ['x y z']",
  "event == 'a'",
  "event.type == 'metrics'",
  "event.type == 'metrics' && event.payload.lag > 10000",
  "event.payload.lag > 10000 || event.a == 1",
  "has(event.payload.host) && event.payload.host != 'a'",
  "!has(event.ts)",
  "event.a in ['a', 17, null]",
  "event.ts >= 0 && event.ts < 9000",
  "event.tenant.startsWith('ten')",
  "event.ab == event.b",
  "size(event.payload) > 1",
  "params.limit == '3' && event.c",
  "true",
] as const;
const VALUES = [
  "event.a == 'ab'",
  "[event.a == '', event.type in ['a', 'metrics'], event.b]",
  "event.payload.host != 'h'",
  "event.type",
  "event.payload",
  "event.payload.lag",
  "event.a",
  "event.ts",
  "event.tenant",
  "event.ts + 1",
  "event.a + event.b",
  "event",
  "[event.a, event.tenant]",
  "has(event.a) ? event.a : 'none'",
  "params.limit",
  "{'x': event.a}",
  "-event.ts",
  "event.payload.host.size()",
] as const;
const LISTS = [
  "[event, event.a]",
  "event.a",
  "[{'tenant': event.tenant, 'ts': event.ts}, {'tenant': 'x', 'ts': 1}]",
  "[1, 2, 3]",
  "[]",
] as const;
const KEYS = ["event.tenant", "event.tenant", "event.type", "event.a", "[event.tenant, event.a]", "'all'"] as const;
export const FUNCTIONS = ["fn-0", "fn-1", "fn-2"] as const;
const RANKS = ["event.ts", "event.payload.lag", "event.a", "event.type"] as const;
const AGGREGATES = [
  ["n", "count()"],
  ["sum", "sum(event.ts)"],
  ["avg", "avg(event.ts)"],
  ["min", "min(event.payload.lag)"],
  ["max", "max(event.ts)"],
  ["least", "min(string(event.a))"],
  ["most", "max(event.tenant + '')"],
  ["first", "first(event.type)"],
  ["last", "last(event.a)"],
  ["some", "collect(event.type, 3)"],
  ["kinds", "countDistinct(event.a)"],
  ["about", "approxCountDistinct(event.ts)"],
  ["p90", "percentile(event.ts, 0.9)"],
] as const satisfies readonly (readonly [string, string])[];
/** Those that may stand before a rateLimit. */
const LOSSY = ["Drop", "Latest"] as const;
/** Of what is behind a window. */
const TIME_KEYS = [
  "[event.windowEnd]",
  "[event.windowStart, event.windowEnd]",
  "[event.windowEnd, event.tenant]",
  "[event.windowEnd, event.windowStart, event.n]",
  "[event.n, event.windowEnd]",
] as const;
const MAP_FIELDS = ["type", "tenant", "ts", "a", "b", "payload.lag", "payload.host", "c"] as const;

export function randomPipeline(r: Random): Pipeline {
  const nodes: PipelineNode[] = [];
  const open: string[] = [];
  const taken = (): string => open.splice(r.below(open.length), 1)[0] as string;
  const sources = 1 + r.below(2);
  for (let i = 0; i < sources; i++) {
    const node = sourceNode(r, `s${i}`);
    nodes.push(node);
    open.push(node.name);
  }
  const table = r.chance(0.3) ? sideNodes(r) : [];
  const steps = r.below(7);
  for (let i = 0; i < steps; i++) {
    const from = r.chance(0.2) && open.length > 1 ? [taken(), taken()] : [taken()];
    const made = stepsOf(r, `n${i}`, { from, side: table.at(-1)?.name });
    nodes.push(...made);
    open.push(...outputs(made.at(-1) as PipelineNode));
    if (r.chance(0.2)) open.push(from[0] as string);
  }
  if (nodes.some((n) => n.broadcast !== undefined)) nodes.unshift(...table);
  const late = nodes
    .filter((n) => (isOfEventTime(n.window) || isTimedJoin(n.join)) && r.chance(0.7))
    .map((n) => `${n.name}.late`);
  open.push(...late);
  const dead = nodes.filter((n) => n.onError === "Dead").map((n) => `${n.name}.dead`);
  if (dead.length > 0) nodes.push({ name: "dead", from: dead, sink: { blackhole: {} } });
  const rest = [...new Set(open)];
  const key = r.chance(0.5) ? { key: r.pick(VALUES) } : {};
  const headers = r.chance(0.3) ? { headers: { a: r.pick(VALUES), "x-b": r.pick(VALUES) } } : {};
  nodes.push({
    name: "out",
    from: rest,
    sink: { connection: "main", kafka: { topic: "out", ...key, ...headers } },
    onError: "Skip",
  });
  const functions = FUNCTIONS.map((name) => ({ name, module: { path: `/${name}.mjs` } }));
  const connections = [
    { name: "main", kafka: { brokers: ["localhost:9092"] } },
    { name: "cache", redis: { host: "localhost" } },
  ];
  return { connections, functions, nodes: buffered(r, nodes) };
}

/** Buffers before some of the nodes that may have one. */
function buffered(r: Random, nodes: readonly PipelineNode[]): PipelineNode[] {
  const limited = nodes.some((n) => n.rateLimit !== undefined);
  const strategies = limited ? LOSSY : ([...LOSSY, "Buffer", "Buffer", "Error"] as const);
  return nodes.map((node) =>
    ["t0", "t1"].includes(node.name) || node.source !== undefined || r.chance(0.85)
      ? node
      : { ...node, buffer: { size: 1 + r.below(40), strategy: r.pick(strategies) } },
  );
}

/** A lookup takes one input, and so does a broadcast beside its table. */
function anyStep(r: Random, name: string, { from, side }: { from: string[]; side: string | undefined }): PipelineNode {
  if (from.length === 1 && side !== undefined && r.chance(0.4)) return broadcastNode(r, name, { from, side });
  return from.length === 1 && r.chance(0.12) ? lookupNode(r, name, from) : step(r, name, from);
}

/** What a table is made of. */
function sideNodes(r: Random): PipelineNode[] {
  const source: PipelineNode = { name: "t0", source: { datagen: { splits: 4 } }, onError: "Skip" };
  if (r.chance(0.5)) return [source];
  const map = { ...mapOf(r), tenant: "event.tenant" };
  return [source, { name: "t1", from: ["t0"], onError: "Skip", map }];
}

function broadcastNode(r: Random, name: string, { from, side }: { from: string[]; side: string }): PipelineNode {
  const fields = MAP_FIELDS.filter(() => r.chance(0.4)).map((field) => [field, r.pick(SELECTED)]);
  const select = fields.length === 0 ? {} : { select: Object.fromEntries(fields) as Record<string, string> };
  const type = r.chance(0.3) ? {} : { type: r.pick(["Inner", "Left"] as const) };
  const keys = { leftKey: `left.${r.pick(JOIN_KEYS)}`, rightKey: `right.${r.pick(JOIN_KEYS)}` };
  return { name, from, onError: r.pick(["Skip", "Dead"]), broadcast: { from: side, ...keys, ...type, ...select } };
}

function sourceNode(r: Random, name: string): PipelineNode {
  return {
    name,
    source: { datagen: { splits: 4 } },
    ...(r.chance(0.4) ? { partitionedBy: "event.tenant" } : {}),
    eventTime: r.chance(0.6) ? { field: r.pick(["event.ts", "event.payload.lag"]) } : {},
    onError: r.pick(["Skip", "Dead"]),
  };
}

function outputs(node: PipelineNode): string[] {
  const named = node.process?.outputs ?? [];
  if (named.length > 0) return [node.name, ...named.map((name) => `${node.name}.${name}`)];
  if (node.branch === undefined) return [node.name];
  return [...node.branch.cases.map((c) => `${node.name}.${c.name}`), `${node.name}.rest`];
}

function step(r: Random, name: string, from: string[]): PipelineNode {
  const onError = r.pick(["Skip", "Skip", "Dead", "Dead", "Fail"] as const);
  switch (r.below(14)) {
    case 0:
      return { name, from, onError, filter: r.pick(CONDITIONS) };
    case 1:
      return { name, from, onError, map: mapOf(r) };
    case 2: {
      const cases = [
        { name: "one", when: r.pick(CONDITIONS) },
        { name: "two", when: r.pick(CONDITIONS) },
      ];
      return { name, from, onError, branch: { cases, otherwise: "rest" } };
    }
    case 3:
      return { name, from, union: {} };
    case 4:
      return r.chance(0.5) ? { name, from, select: fieldsOf(r) } : { name, from, drop: fieldsOf(r) };
    case 5:
      return { name, from, onError, flatMap: r.pick(LISTS) };
    case 6:
      return r.chance(0.7)
        ? { name, from, peek: { every: 1 + r.below(4), ...(r.chance(0.5) ? { message: r.pick(VALUES) } : {}) } }
        : { name, from, rateLimit: { perSecond: 1 + r.below(100) } };
    case 7:
      return distinctNode(r, { name, from, onError: r.pick(["Skip", "Dead"]) });
    case 8:
    case 9:
      return processNode(r, { name, from, onError });
    default:
      return windowNode(r, { name, from, onError: r.pick(["Skip", "Dead"]) });
  }
}

/**
 * A select or drop has a filter behind it, often: what that reads of the record is found without building it. A window has something
 * behind it whose keys have its times.
 */
function stepsOf(r: Random, name: string, at: { from: string[]; side: string | undefined }): PipelineNode[] {
  const node = r.chance(0.12) ? joinNode(r, name, at.from) : anyStep(r, name, at);
  if (isOfEventTime(node.window) && r.chance(0.8)) return [node, timesNode(r, `${name}w`, name)];
  const changes = node.select !== undefined || node.drop !== undefined;
  if (!changes || r.chance(0.5)) return [node];
  return [node, { name: `${name}f`, from: [name], onError: r.pick(["Skip", "Dead"]), filter: r.pick(CONDITIONS) }];
}

function timesNode(r: Random, name: string, from: string): PipelineNode {
  const base = { name, from: [from], onError: r.pick(["Skip", "Dead"] as const), keyBy: r.pick(TIME_KEYS) };
  return r.chance(0.3) ? { ...base, dedup: {} } : windowNode(r, base);
}

/** Fields of which none is within another. */
function fieldsOf(r: Random): string[] {
  const payload = r.chance(0.4) ? ["payload"] : ["payload.lag", "payload.host"];
  const fields = [...MAP_FIELDS.filter((f) => !f.startsWith("payload")), ...payload].filter(() => r.chance(0.5));
  return (fields.length === 0 ? ["tenant"] : fields).map((field) => `event.${field}`);
}

function mapOf(r: Random): Record<string, string> {
  const fields = MAP_FIELDS.filter(() => r.chance(0.5));
  return Object.fromEntries(
    (fields.length === 0 ? ["a"] : fields).map((f) => [f, r.chance(0.4) ? `event.${f}` : r.pick(VALUES)]),
  );
}

function processNode(r: Random, base: Pick<PipelineNode, "name" | "from" | "onError">): PipelineNode {
  const process = { function: r.pick(FUNCTIONS), ...(r.chance(0.5) ? { outputs: ["side", "late"] } : {}) };
  if (r.chance(0.3)) return { ...base, process };
  const onError = base.onError === "Fail" && r.chance(0.8) ? "Skip" : base.onError;
  return {
    ...base,
    onError,
    keyBy: r.pick(KEYS),
    process: { ...process, ...(r.chance(0.5) ? { ttl: r.pick(["3s", "20s"]) } : {}) },
  };
}

function distinctNode(r: Random, base: Pick<PipelineNode, "name" | "from" | "onError">): PipelineNode {
  const ttl = r.chance(0.5) ? { ttl: r.pick(["3s", "20s"]) } : {};
  switch (r.below(3)) {
    case 0:
      return { ...base, keyBy: r.pick(KEYS), dedup: ttl };
    case 1:
      return { ...base, distinct: { ...ttl, ...(r.chance(0.7) ? { by: r.pick(VALUES) } : {}) } };
    default: {
      const order = r.chance(0.5) ? { order: r.pick(["Ascending", "Descending"] as const) } : {};
      return { ...base, ...ttl, keyBy: r.pick(KEYS), topN: { size: 1 + r.below(3), by: r.pick(RANKS), ...order } };
    }
  }
}

function windowNode(r: Random, base: Pick<PipelineNode, "name" | "from" | "onError" | "keyBy">): PipelineNode {
  const aggregates = AGGREGATES.filter(() => r.chance(0.4));
  const keyed = {
    keyBy: r.pick(KEYS),
    ...base,
    aggregate: Object.fromEntries(aggregates.length === 0 ? [["n", "count()"]] : aggregates),
  };
  if (r.chance(0.6)) return { ...keyed, window: timeWindow(r) };
  const ttl = r.chance(0.5) ? { ttl: r.pick(["3s", "20s"]) } : {};
  const window = r.pick([
    undefined,
    undefined,
    { count: { size: 1 + r.below(4) } },
    { global: { trigger: { count: 1 + r.below(4) } } },
    { global: { trigger: { every: r.pick(["2s", "5s"]) } } },
  ]);
  return { ...keyed, ...ttl, ...(window === undefined ? {} : { window }) };
}

const JOIN_KEYS = ["tenant", "tenant", "type", "a"] as const;
const SELECTED = [
  "left.tenant",
  "right.tenant",
  "left.payload",
  "right.payload.lag",
  "left",
  "right",
  "right == null ? 'alone' : 'met'",
  "has(left.ts) && has(right.ts)",
  "[left.ts, right]",
  "left.ts + right.ts",
  "params.limit",
] as const;

/** Joins its input with itself where there is only one. */
function joinNode(r: Random, name: string, from: readonly string[]): PipelineNode {
  const [left = "", right = left] = from;
  const keyOf = (side: string): string => (r.chance(0.1) ? `[${side}.tenant]` : `${side}.${r.pick(JOIN_KEYS)}`);
  const times = r.pick<Pick<NonNullable<PipelineNode["join"]>, "window" | "interval" | "temporal">>([
    { window: { size: r.pick(["1s", "10s", "7ms"]) } },
    {},
    { temporal: {} },
    { interval: { before: r.pick(["0s", "2s", "7s"]), after: r.pick(["0s", "900ms", "9s"]) } },
  ]);
  const fields = MAP_FIELDS.filter(() => r.chance(0.4)).map((field) => [field, r.pick(SELECTED)]);
  const select = fields.length === 0 ? {} : { select: Object.fromEntries(fields) as Record<string, string> };
  const isTimed = isTimedJoin(times);
  const ttl = !isTimed && r.chance(0.6) ? { ttl: r.pick(["3s", "20s"]) } : {};
  const types = times.temporal === undefined ? (["Inner", "Left", "Outer"] as const) : (["Inner", "Left"] as const);
  const type = !isTimed || r.chance(0.3) ? {} : { type: r.pick<"Inner" | "Left" | "Outer">(types) };
  const join = { ...times, ...type, leftKey: keyOf("left"), rightKey: keyOf("right"), ...select };
  return { name, from: [left, right], onError: r.pick(["Skip", "Dead"]), ...ttl, join };
}

function lookupNode(r: Random, name: string, from: string[]): PipelineNode {
  const fields = MAP_FIELDS.filter(() => r.chance(0.4)).map((field) => [field, r.pick(SELECTED)]);
  const select = fields.length === 0 ? {} : { select: Object.fromEntries(fields) as Record<string, string> };
  const type = r.chance(0.3) ? {} : { type: r.pick(["Inner", "Left"] as const) };
  const leftKey = r.pick(["left.tenant", "left.a", "[left.tenant, left.a]", "left.payload.lag", "'all'"]);
  const lookup = { connection: "cache", path: "row:{key}", capacity: 1 + r.below(20) };
  return {
    name,
    from,
    onError: r.pick(["Skip", "Dead", "Dead", "Fail"]),
    join: { lookup, leftKey, ...type, ...select },
  };
}

function timeWindow(r: Random): NonNullable<PipelineNode["window"]> {
  const cut = r.pick([
    { tumbling: { size: r.pick(["1s", "10s", "7ms"]), ...(r.chance(0.3) ? { offset: "3ms" } : {}) } },
    { tumbling: { size: "10s" } },
    { sliding: { size: r.pick(["10s", "9s"]), every: r.pick(["3s", "2500ms", "9s"]) } },
    { cumulate: { step: r.pick(["1s", "3s"]), max: "9s" } },
    { session: { gap: r.pick(["100ms", "2s", "5s"]) } },
  ]);
  if (r.chance(0.2)) return { ...cut, time: "Processing" };
  return { ...cut, ...(r.chance(0.5) ? { allowedLateness: r.pick(["1s", "15s"]) } : {}) };
}
