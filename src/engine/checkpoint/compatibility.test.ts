import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { memorySink } from "../../../test/builders/memory-sink.ts";
import { compile } from "../codegen/compile.ts";
import { loadedFunction } from "../functions/loaded-function.ts";
import { functionsOf } from "../functions/plan-functions.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";
import type { Plan } from "../plan.ts";
import type { KeyedNode } from "../program.ts";
import { incompatibility, planIncompatibility, type RunningJob } from "./compatibility.ts";
import { manifestSchema, type Manifest } from "./manifest.ts";
import { captureKeyed, factsOf } from "./snapshot-writer.ts";

interface Job {
  readonly nodes: readonly PipelineNode[];
  readonly name: string;
  readonly lineage: string;
  readonly maxParallelism: number;
  readonly splits: number;
  readonly partitionedBy: string | undefined;
  readonly schema: PipelineNode["schema"];
  readonly stateVersion: number | undefined;
  /** Versions that the nodes of Weir itself migrate. */
  readonly migrates: readonly number[];
  /** What node "own" runs. */
  readonly code: Readonly<Record<string, unknown>>;
}
type Change = (job: Job) => Partial<Job>;

const window = { tumbling: { size: "10s" }, allowedLateness: "1s" };
const pairs = { interval: { before: "1s", after: "1s" }, leftKey: "left.k", rightKey: "right.k" };
const BEFORE: Job = {
  nodes: [
    { name: "big", from: ["events"], filter: "event.v > 5" },
    { name: "counts", from: ["big"], keyBy: "event.k", aggregate: { n: "count()", most: "max(event.v)" }, ttl: "1h" },
    { name: "windows", from: ["big"], keyBy: "event.k", window, aggregate: { n: "count()" } },
    { name: "best", from: ["big"], keyBy: "event.k", topN: { size: 3, by: "event.v" } },
    { name: "own", from: ["big"], keyBy: "event.k", process: { function: "own" } },
    { name: "pairs", from: ["events", "big"], join: pairs },
  ],
  name: "orders",
  lineage: "a-1",
  maxParallelism: 8,
  splits: 4,
  partitionedBy: undefined,
  schema: undefined,
  stateVersion: undefined,
  migrates: [],
  code: { onRecord: () => undefined },
};

const set =
  (name: string, over: object): Change =>
  ({ nodes }) => ({ nodes: nodes.map((n) => (n.name === name ? ({ ...n, ...over } as PipelineNode) : n)) });
const without =
  (...names: string[]): Change =>
  ({ nodes }) => ({ nodes: nodes.filter((n) => !names.includes(n.name)) });
const added =
  (node: PipelineNode): Change =>
  ({ nodes }) => ({ nodes: [...nodes, node] });
const more = { from: ["big"], keyBy: "event.k", aggregate: { n: "count()" } };
const declared: Change = () => ({ partitionedBy: "event.k" });

const keyedBy =
  (k: "string" | "int" | "double" | "json"): Change =>
  () => ({ schema: { k, v: "int", w: "int", ts: "timestamp_ms" } });

interface Case {
  readonly what: string;
  readonly before?: Change;
  readonly now: Change;
  readonly allowed?: true;
  /** The exact reason; absent: the state is restored. */
  readonly refused?: string;
}

const otherState = (node: string, saved: string, now: string): string =>
  `node ${node} keeps other state now (saved ${saved}, now ${now}); rename the node to start it empty, or change it back`;
const otherKey = (node: string, saved: string, now: string): string =>
  `node ${node} had a ${saved} for its key and has a ${now} now, by the schemas: what is kept under the old keys would not be found; convert it back in a map (string(…), double(…)), rename the node to start it empty, or, if only the schema was wrong, declare the field json first`;
const otherForm = (why: string): string => `node "own", function "own" (/own.mjs): ${why}`;
const gone = (nodes: string): string =>
  `the job no longer has node ${nodes}; bring it back under its name, or set startFrom.allowNonRestoredState to drop its state`;

const CASES: readonly Case[] = [
  { what: "nothing", now: () => ({}) },
  { what: "a stateless node: its expression", now: set("big", { filter: "event.v > 6" }) },
  { what: "a stateless node added", now: added({ name: "all", from: ["events"], filter: "true" }) },
  { what: "a stateful node added: it starts empty", now: added({ name: "more", ...more }) },
  { what: "a sink added", now: added({ name: "also", from: ["counts"], sink: { stdout: {} } }) },
  { what: "the order of aggregates", now: set("counts", { aggregate: { most: "max(event.v)", n: "count()" } }) },
  { what: "`ttl`", now: set("counts", { ttl: "2h" }) },
  { what: "`allowedLateness`", now: set("windows", { window: { ...window, allowedLateness: "5s" } }) },
  { what: "splits or partitions of a source without `partitionedBy`", now: () => ({ splits: 6 }) },
  { what: "the lineage, of the same job", now: () => ({ lineage: "b-1" }) },
  { what: "a stateful node removed", now: without("counts"), refused: gone("counts") },
  { what: "the same, with `startFrom.allowNonRestoredState`", now: without("counts"), allowed: true },
  {
    what: "a stateful node renamed",
    now: ({ nodes }) => ({
      nodes: nodes.map((n) => (n.name === "windows" ? ({ ...n, name: "panes" } as PipelineNode) : n)),
    }),
    refused: gone("windows"),
  },
  {
    what: "`keyBy`",
    now: set("counts", { keyBy: "event.j" }),
    refused: otherState("counts", "key=event.k", "key=event.j"),
  },
  {
    what: "the type that a schema gives the key",
    before: keyedBy("string"),
    now: keyedBy("int"),
    refused: otherKey("counts", "text", "number"),
  },
  { what: "the same, from int to double: both are numbers", before: keyedBy("int"), now: keyedBy("double") },
  { what: "the same, to json: the schema does not say any more", before: keyedBy("string"), now: keyedBy("json") },
  { what: "the same, where there was no schema", now: keyedBy("int") },
  {
    what: "the function of an aggregate",
    now: set("counts", { aggregate: { n: "count()", most: "min(event.v)" } }),
    refused: otherState("counts", "most=max(event.v)", "most=min(event.v)"),
  },
  {
    what: "the argument of an aggregate",
    now: set("counts", { aggregate: { n: "count()", most: "max(event.w)" } }),
    refused: otherState("counts", "most=max(event.v)", "most=max(event.w)"),
  },
  {
    what: "an aggregate added",
    now: set("counts", { aggregate: { n: "count()", most: "max(event.v)", sum: "sum(event.v)" } }),
    refused: otherState("counts", "nothing of it", "sum=sum(event.v)"),
  },
  {
    what: "an aggregate removed",
    now: set("counts", { aggregate: { n: "count()" } }),
    refused: otherState("counts", "most=max(event.v)", "nothing of it"),
  },
  {
    what: "the size of a window",
    now: set("windows", { window: { tumbling: { size: "20s" } } }),
    refused: otherState("windows", "window=tumbling/10000/0", "window=tumbling/20000/0"),
  },
  {
    what: "the type of a window",
    now: set("windows", { window: { session: { gap: "10s" } } }),
    refused: otherState("windows", "window=tumbling/10000/0", "window=session/10000"),
  },
  {
    what: "a window taken away",
    now: set("windows", { window: undefined }),
    refused: otherState("windows", "window=tumbling/10000/0", "trigger=record"),
  },
  {
    what: "what a node keeps: `aggregate` became `dedup`",
    now: set("counts", { aggregate: undefined, ttl: undefined, dedup: {} }),
    refused: otherState("counts", "trigger=record; most=max(event.v); n=count()", "dedup=key"),
  },
  {
    what: "the size or order of `topN`",
    now: set("best", { topN: { size: 5, by: "event.v" } }),
    refused: otherState("best", "top=3/Descending", "top=5/Descending"),
  },
  {
    what: "which records a join pairs",
    now: set("pairs", { join: { ...pairs, interval: { before: "2s", after: "1s" } } }),
    refused: otherState("pairs", "join=interval/1000/1000", "join=interval/2000/1000"),
  },
  {
    what: "the code of a function",
    now: () => ({ code: { onRecord: () => undefined, onTimer: () => undefined } }),
  },
  {
    what: "a function, to a newer `stateVersion` with `migrate`",
    now: () => ({ code: { onRecord: () => undefined, stateVersion: 2, migrate: () => undefined } }),
  },
  {
    what: "the same, without `migrate`",
    now: () => ({ code: { onRecord: () => undefined, stateVersion: 2 } }),
    refused: otherForm("the saved state has version 1, the function stateVersion 2; export migrate beside onRecord"),
  },
  {
    what: "a function, to an older `stateVersion`",
    before: () => ({ code: { onRecord: () => undefined, stateVersion: 2 } }),
    now: () => ({ code: BEFORE.code }),
    refused: otherForm(
      "the saved state has version 2, the function stateVersion 1; bring back the function that wrote it",
    ),
  },
  {
    what: "`partitionedBy` taken away: keys go by their hash",
    before: declared,
    now: () => ({ partitionedBy: undefined }),
  },
  {
    what: "the same, and splits or partitions of the source",
    before: declared,
    now: () => ({ partitionedBy: undefined, splits: 6 }),
  },
  {
    what: "the same, and `keyBy`",
    before: declared,
    now: (job) => ({ partitionedBy: undefined, ...set("counts", { keyBy: "event.j" })(job) }),
    refused: otherState("counts", "key=event.k; shards=declared", "key=event.j; shards=local"),
  },
  {
    what: "`partitionedBy` added at the source of a node that has it for its key",
    now: declared,
    refused:
      "node counts has its keys by their hash, and with partitionedBy it would look for each in its split, which the state does not tell; take partitionedBy away again, or rename the node to start it empty",
  },
  {
    what: "`partitionedBy` added, where no node has it for its key",
    now: () => ({ partitionedBy: "event.j" }),
  },
  {
    what: "splits or partitions of a source with `partitionedBy`",
    before: declared,
    now: () => ({ partitionedBy: "event.k", splits: 6 }),
    refused:
      "source events had 4 splits and now has 6, so keys have moved between them; take partitionedBy away, and keys are found by their hash",
  },
  {
    what: "`maxParallelism`",
    now: () => ({ maxParallelism: 16 }),
    refused:
      "it was taken with maxParallelism 8, the job now has 16; set it back, the number of shards is fixed by the first checkpoint",
  },
  {
    what: "the job: a savepoint of another one",
    now: () => ({ name: "payments", lineage: "b-1" }),
    refused: "it belongs to job default/orders (lineage a-1), not to default/payments",
  },
  {
    what: "Weir, to an older one whose form of the state is older",
    before: () => ({ stateVersion: 2 }),
    now: () => ({ stateVersion: undefined }),
    refused: "node counts has state of version 2, this worker reads up to 1; run a newer Weir",
  },
  {
    what: "Weir, to a newer one that does not know the old form of the state",
    now: () => ({ stateVersion: 2 }),
    refused: "node counts has state of version 1, this worker reads from 2 on; run the Weir that wrote it",
  },
  {
    what: "Weir, to a newer one that migrates the old form of the state",
    now: () => ({ stateVersion: 3, migrates: [1, 2] }),
  },
];

/** Whatever no other node reads goes into a sink. */
function withSinks(nodes: readonly PipelineNode[]): PipelineNode[] {
  const read = new Set(nodes.flatMap((n) => n.from ?? []));
  const open = nodes.filter((n) => !read.has(n.name) && n.sink === undefined);
  return [...nodes, ...open.map(({ name }) => ({ name: `${name}-out`, from: [name], sink: { blackhole: {} } }))];
}

function built(job: Job): { running: RunningJob; plan: Plan; keyed: readonly KeyedNode[] } {
  const { partitionedBy, schema } = job;
  const own = schema === undefined ? {} : { schema };
  const source = { name: "events", source: { datagen: {} }, eventTime: { field: "event.ts" }, ...own };
  const events = partitionedBy === undefined ? source : { ...source, partitionedBy };
  const { maxParallelism, name, lineage, splits, stateVersion, migrates } = job;
  const functions = [{ name: "own", module: { path: "/own.mjs" } }];
  const plan = planPipeline(
    { functions, nodes: [events, ...withSinks(job.nodes)] },
    { parameters: {}, maxParallelism },
  );
  const sinks = new Map(plan.sinks.map(({ node }) => [node, memorySink().writer]));
  const loaded = [...functionsOf(plan)].map(
    ([of, f]) => [of, loadedFunction(f, { value: job.code, url: "" })] as const,
  );
  const { keyed } = compile(plan, { slot: 0, slots: 1, parameters: {}, sinks, functions: new Map(loaded) });
  const migrations = new Map(migrates.map((from) => [from, (chunks: readonly Buffer[]) => chunks]));
  if (stateVersion !== undefined)
    for (const node of keyed)
      Object.defineProperties(node, { stateVersion: { value: stateVersion }, migrations: { value: migrations } });
  const who = { namespace: "default", jobUid: "u", epoch: 1, attempt: 0, slot: 0, slots: 1 };
  const sources = plan.sources.map((s) => ({
    node: s.node,
    splitCount: splits,
    keyedBySplit: s.partitionedBy !== null,
  }));
  const identity = { ...who, job: name, lineage };
  return { keyed, plan, running: { identity, maxParallelism, keyTypes: plan.keyTypes, keyed, sources } };
}

/** The manifest of a checkpoint that the job would write now. */
function manifestOf(job: Job): Manifest {
  const { running, plan, keyed } = built(job);
  return manifestSchema.parse({
    ...running.identity,
    version: 1,
    id: 1,
    takenAt: 0,
    ...factsOf(plan),
    sources: running.sources.map(({ node, splitCount }) => ({ node, splitCount, watermark: null, splits: [] })),
    keyed: captureKeyed(keyed).map(({ head }) => ({ ...head, shards: [] })),
    sinks: [],
  });
}

it.each(CASES)("a job that changed $what", ({ before, now, allowed = false, refused }) => {
  const saved = { ...BEFORE, ...before?.(BEFORE) };
  const { running } = built({ ...saved, ...now(saved) });
  expect(incompatibility(manifestOf(saved), running, { allowNonRestoredState: allowed })).toBe(refused);
});

const ofPlans = CASES.filter(({ what }) => /`partitionedBy`|the same, and/.test(what) && !what.startsWith("splits"));
it.each(ofPlans)("the operator says of a job that changed $what what the worker says", ({ before, now, refused }) => {
  const saved = { ...BEFORE, ...before?.(BEFORE) };
  const [running, wanted] = [saved, { ...saved, ...now(saved) }].map((job) => built(job).plan);
  if (running === undefined || wanted === undefined) throw new Error("there are two");
  expect(ofPlans.length).toBe(5);
  expect(planIncompatibility(running, wanted, { allowNonRestoredState: false })).toBe(refused);
});

it("says so of a plan, too, before the job is stopped for it", () => {
  const [running, wanted] = [keyedBy("string"), keyedBy("int")].map((by) => built({ ...BEFORE, ...by(BEFORE) }).plan);
  if (running === undefined || wanted === undefined) throw new Error("there are two");
  const allowed = { allowNonRestoredState: false };
  expect(planIncompatibility(running, wanted, allowed)).toBe(otherKey("counts", "text", "number"));
  expect(planIncompatibility(running, running, allowed)).toBeUndefined();
});

it("finds every case, and no other, in the reference", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/reference/state-compatibility.md"), "utf8");
  const rows = page.split("\n").filter((line) => /^\| (?!what changed|-)/.test(line));
  expect(rows).toEqual(
    CASES.map(({ what, refused }) => `| ${what} | ${refused === undefined ? "restored" : `refused: ${refused}`} |`),
  );
});
