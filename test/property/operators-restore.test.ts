import { describe, expect, it } from "vitest";
import type { PipelineNode } from "../../src/api/pipeline.schema.ts";
import type { RestorePoint } from "../../src/api/worker-protocol.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import type { KeyedProcessFunction } from "../../src/engine/functions/author.ts";
import type { ImportModule } from "../../src/engine/functions/loaded-function.ts";
import type { Plan } from "../../src/engine/plan.ts";
import { completeSavepoint } from "../../src/engine/checkpoint/savepoint.ts";
import { openStorage } from "../../src/engine/checkpoint/storage.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import { collected } from "../builders/collected-sink.ts";
import type { ConnectorRegistry } from "../../src/engine/connectors/registry.ts";
import type { LookupFactory } from "../../src/engine/lookups/lookup-backend.ts";
import { memoryExchanges } from "../builders/memory-exchange.ts";
import { random } from "../builders/random.ts";
import { turns } from "../builders/rescaled-job.ts";
import { runSlot, stopWithSavepoint } from "../builders/running-slot.ts";

const RUNS = process.env["WEIR_LONG"] === "1" ? 200 : 6;

/**
 * One node of every kind that keeps state, each with its sink. What depends on how splits interleave is left out. Keys are
 * those of the source's splits, or each node's go through an exchange to their workers.
 */
function allOperators(keys: "declared" | "exchanged"): Plan {
  const from = ["events"];
  const keyed = { from, keyBy: "event.tenant" };
  const aggregate = {
    n: "count()",
    sum: "sum(event.v)",
    first: "first(event.v)",
    last: "last(event.v)",
    some: "collect(event.v, 5)",
    kinds: "countDistinct(event.v)",
    about: "approxCountDistinct(event.v)",
    median: "percentile(event.v, 0.5)",
  };
  const rated = { n: "count()", sum: "sum(event.rate)" };
  const sides = { from: ["events", "low"] };
  const on = { leftKey: "left.tenant", rightKey: "right.tenant", select: { l: "left", r: "right" } };
  const stateful: PipelineNode[] = [
    { name: "tumbling", ...keyed, aggregate, window: { tumbling: { size: "3s" } } },
    { name: "sliding", ...keyed, aggregate, window: { sliding: { size: "5s", every: "2s" } } },
    { name: "cumulate", ...keyed, aggregate, window: { cumulate: { step: "1s", max: "4s" } } },
    { name: "session", ...keyed, aggregate, window: { session: { gap: "150ms" } } },
    { name: "filled", ...keyed, aggregate, window: { count: { size: 7 } } },
    { name: "counts", ...keyed, aggregate, window: { global: { trigger: { count: 9 } } } },
    { name: "updates", ...keyed, aggregate: { n: "count()" } },
    { name: "dedup", ...keyed, dedup: {} },
    { name: "distinct", from, distinct: { by: "event.tenant" } },
    { name: "function", ...keyed, process: { function: "seconds" } },
    { name: "top", ...keyed, topN: { size: 3, by: "event.v" } },
    { name: "met", ...sides, join: { ...on, type: "Outer", interval: { before: "100ms", after: "300ms" } } },
    { name: "whenever", from: ["few", "fewer"], join: on },
    { name: "sums", from: ["rated"], keyBy: "event.tenant", aggregate: rated, window: { tumbling: { size: "2s" } } },
    { name: "described", from: ["tumbling"], join: { lookup, leftKey: "left.tenant" } },
    { name: "paired", ...sides, join: { ...on, type: "Left", window: { size: "250ms" } } },
  ];
  const source: PipelineNode = {
    name: "events",
    source: {
      datagen: {
        splits: 6,
        rate: 0,
        count: 12_000,
        eventRate: 300,
        fields: [
          { path: "tenant", key: { prefix: "t", count: 30 } },
          { path: "ts", timestamp: {} },
          { path: "v", uniform: { min: 0, max: 50 } },
        ],
      },
    },
    ...(keys === "declared" ? { partitionedBy: "event.tenant" } : {}),
    eventTime: { field: "event.ts" },
  };
  const parts: PipelineNode[] = [
    { name: "rated", from, join: { lookup, leftKey: "left.tenant", select: { tenant: "left.tenant", rate: "right" } } },
    { name: "low", from, filter: "event.v < 10" },
    { name: "few", from, filter: "event.v < 3" },
    { name: "fewer", from, filter: "event.v == 4" },
  ];
  const sinks = stateful.flatMap(({ name }): PipelineNode[] => [
    { name: `${name}-named`, from: [name], map: { from: `'${name}'`, row: "event" } },
    { name: `${name}-out`, from: [`${name}-named`], sink: { blackhole: {} } },
  ]);
  const functions = [{ name: "seconds", module: { path: "/seconds.mjs" } }];
  const connections = [
    { name: "between", kafka: { brokers: ["nowhere:1"] } },
    { name: "rates", redis: { host: "nowhere" } },
  ];
  const plan = planPipeline(
    { functions, connections, nodes: [source, ...parts, ...stateful, ...sinks] },
    { parameters: {}, maxParallelism: 8 },
  );
  return { ...plan, sinks: plan.sinks.map((sink) => ({ ...sink, connector: "collect" })) };
}

/** Counts and lists what came in each second, and tells it when the second is over. */
const seconds: KeyedProcessFunction<{ ts: number; v: number }, unknown, string> = {
  onRecord: ({ ts, v }, { state, timers }) => {
    const second = String(Math.floor(ts / 1000) * 1000);
    state.map<number>("n").set(second, (state.map<number>("n").get(second) ?? 0) + 1);
    state.list<{ v: number }>(second).add({ v });
    timers.set(second, Number(second) + 999);
  },
  onTimer: ({ name }, { state, emit, key }) => {
    emit({ key, second: Number(name), n: state.map("n").get(name), values: state.list(name).get() });
    state.map("n").delete(name);
    state.list(name).clear();
  },
};
const importModule: ImportModule = () => Promise.resolve({ exports: { default: seconds }, url: "" });

const lookup = { connection: "rates", path: "{key}", capacity: 40 };
/** Answers after a while: of 0 to 10 turns, by the key. */
const rates: LookupFactory = {
  open: () => ({
    batch: 3,
    parallel: 3,
    find: async (keys) => {
      const numbers = keys.map((key) => Number(String(key).slice(1)));
      await turns((numbers[0] ?? 0) % 11);
      return numbers.map((n) => ({ rows: [Buffer.from(`${n}`)] }));
    },
    close: () => Promise.resolve(),
  }),
};
const around = (others: ConnectorRegistry): ConnectorRegistry =>
  memoryExchanges({ ...others, lookup: () => Promise.resolve(rates) });

/** Runs the job over savepoints, each followed by another number of workers; gives its rows. */
async function run(plan: Plan, uri: string, moves: readonly { slots: number; wait: number }[]): Promise<string[]> {
  const out = collected();
  const connectors = around(out.connectors);
  let restore: RestorePoint = { kind: "none" };
  for (const [i, { slots, wait }] of moves.entries()) {
    const start = (slot: number) =>
      runSlot({
        plan,
        connectors,
        uri,
        slot,
        slots,
        epoch: i + 1,
        restore,
        ...(slots > 1 ? { start: { exchange: { generation: i + 1 } } } : {}),
        build: compile,
        importModule,
      });
    const running = await Promise.all(Array.from({ length: slots }, (_, slot) => start(slot)));
    if (i === moves.length - 1) {
      await Promise.all(running.map((r) => r.done));
      break;
    }
    await turns(wait);
    restore = await stopWithSavepoint(running, `${uri}/savepoint-${i}`);
  }
  return out.lines.toSorted();
}

describe.each(["declared", "exchanged"] as const)("operators with keys that are %s", (keys) => {
  it("give the rows of an undisturbed run over savepoints at random places and any number of workers", async () => {
    const plan = allOperators(keys);
    expect((plan.exchanges ?? []).length).toBe(keys === "declared" ? 0 : 18);
    const uri = `memory://operators-${keys}`;
    const expected = await run(plan, uri, [{ slots: 1, wait: 0 }]);
    let interrupted = 0;
    for (let seed = 1; seed <= RUNS; seed++) {
      const r = random(seed);
      const moves = Array.from({ length: 2 + r.below(3) }, () => ({ slots: 1 + r.below(4), wait: r.below(6) }));
      interrupted += moves.length - 1;
      const rows = await run(plan, `${uri}-${seed}`, moves);
      expect({ seed, n: rows.length }).toEqual({ seed, n: expected.length });
      expect(rows.find((row, i) => row !== expected[i])).toBeUndefined();
    }
    console.log(
      `operators, ${keys}: ${RUNS} runs of ${expected.length} rows over ${interrupted} savepoints, 0 differences`,
    );
  });
});

it("take no part again of a savepoint beside the work when others may have gone on", async () => {
  const plan = allOperators("exchanged");
  const uri = "memory://operators-again";
  const { connectors } = collected();
  const common = { plan, connectors: around(connectors), uri, slots: 2, build: compile, importModule };
  const one = (slot: number, attempt = 0) =>
    runSlot({ ...common, slot, attempt, start: { exchange: { generation: 1 } } });
  const running = await Promise.all([one(0), one(1)]);
  for (const slot of running) slot.pause();
  const ask = (id: string) => ({ id, uri: `${uri}/${id}`, pause: false, drain: false });
  await Promise.all(running.map((r) => r.savepoint(ask("first"))));
  await running[1]?.stop("Cancel", false);
  const again = await one(1, 1);
  await expect(again.savepoint(ask("first"))).rejects.toThrow(/savepoint first cannot be taken again/);
  const parts = await Promise.all([running[0]?.savepoint(ask("second")), again.savepoint(ask("second"))]);
  expect(parts.map((p) => p?.slot)).toEqual([0, 1]);
  await Promise.all([running[0]?.stop("Cancel", false), again.stop("Cancel", false)]);
});

it("go on beside a savepoint that does not pause them: it has all that came before, and nothing after, of every worker", async () => {
  const plan = allOperators("exchanged");
  const uri = "memory://operators-beside";
  const launch = async (slots: number, epoch: number, restore: RestorePoint) => {
    const out = collected();
    const connectors = around(out.connectors);
    const start = { exchange: { generation: epoch } };
    const one = (slot: number) =>
      runSlot({ plan, connectors, uri, slot, slots, epoch, restore, start, build: compile, importModule });
    return { out, running: await Promise.all(Array.from({ length: slots }, (_, slot) => one(slot))) };
  };
  const first = await launch(3, 1, { kind: "none" });
  await turns(3);
  const at = `${uri}/savepoint`;
  const savepoint = { id: "beside", uri: at, pause: false, drain: false };
  const parts = await Promise.all(first.running.map((r) => r.savepoint(savepoint)));
  expect(first.running.map((r) => r.paused)).toEqual([false, false, false]);
  await completeSavepoint(
    openStorage(at, (path) => path),
    parts,
  );
  await Promise.all(first.running.map((r) => r.done));
  const second = await launch(2, 2, { kind: "savepoint", uri: at, allowNonRestoredState: false });
  await Promise.all(second.running.map((r) => r.done));

  const left = new Map<string, number>();
  for (const row of first.out.lines) left.set(row, (left.get(row) ?? 0) + 1);
  const others = second.out.lines.filter((row) => {
    const n = left.get(row) ?? 0;
    left.set(row, n - 1);
    return n === 0;
  });
  console.log(
    `a savepoint beside the work: ${first.out.lines.length} rows, of them ${second.out.lines.length} again after it`,
  );
  expect(others).toEqual([]);
  expect(first.out.lines.length).toBeGreaterThan(second.out.lines.length);
});
