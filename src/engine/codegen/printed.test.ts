import { expect, it } from "vitest";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { batchOf } from "../../../test/builders/memory-batch.ts";
import { memorySink } from "../../../test/builders/memory-sink.ts";
import type { Written } from "../../../test/builders/memory-sink.ts";
import { interpret } from "../interpreter/interpret.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";
import { compile } from "./compile.ts";
import { murmur2 } from "../windows/murmur2.ts";
import { Printed } from "./printed.ts";

type Window = NonNullable<PipelineNode["window"]>;

/** Windows whose times go into results, keys of records, keys of windows behind them, lists and a join. */
function pipeline(window: Window): PipelineNode[] {
  const sized = { window: { tumbling: { size: "7ms" } } };
  return [
    { name: "events", source: { datagen: {} }, eventTime: { field: "event.ts" } },
    { name: "w", from: ["events"], keyBy: "event.k", window, aggregate: { n: "count()", sum: "sum(event.v)" } },
    {
      name: "most",
      from: ["w"],
      keyBy: "[event.windowEnd]",
      ...sized,
      aggregate: { n: "max(event.n)", at: "max(event.windowEnd)" },
    },
    {
      name: "pairs",
      from: ["w"],
      keyBy: "[event.windowStart, event.windowEnd, event.k]",
      ...sized,
      aggregate: { n: "count()" },
    },
    { name: "sums", from: ["w"], keyBy: "[event.windowEnd, event.sum]", ...sized, aggregate: { n: "count()" } },
    { name: "nested", from: ["w"], map: { at: "event.windowEnd", "of.start": "event.windowStart", "of.k": "event.k" } },
    {
      name: "hot",
      from: ["w", "most"],
      join: {
        window: { size: "7ms" },
        leftKey: "[left.windowEnd, left.n]",
        rightKey: "[right.at, right.n]",
        select: { k: "left.k", end: "left.windowEnd", start: "right.windowStart" },
      },
    },
    ...["w", "most", "pairs", "sums", "nested", "hot"].map((name): PipelineNode => ({
      name: `${name}-out`,
      from: [name],
      sink: { blackhole: {} },
    })),
  ];
}

interface Ran {
  readonly rows: ReadonlyMap<string, readonly Written[]>;
  /** By node: where its keys are depends on their hash. */
  readonly shards: ReadonlyMap<string, readonly number[]>;
}

function run(make: typeof compile, nodes: PipelineNode[]): Ran {
  const plan = planPipeline({ nodes }, { parameters: {}, maxParallelism: 128 });
  const sinks = new Map(plan.sinks.map(({ node }) => [node, memorySink()]));
  const writers = new Map([...sinks].map(([name, { writer }]) => [name, writer]));
  const program = make(plan, { slot: 0, slots: 1, parameters: {}, sinks: writers });
  for (let at = -40; at < 60; at += 5) {
    const records = Array.from({ length: 12 }, (_, i) => ({
      k: `k${(at * 7 + i * i) % 5}`,
      ts: at + (i % 9),
      v: i / 4,
    }));
    program.inputs.get("events")?.process(batchOf(records.map((r) => JSON.stringify(r))));
    program.advanceWatermark("events", at);
  }
  program.end("events");
  return {
    rows: new Map([...sinks].map(([name, { written }]) => [name, written])),
    shards: new Map(program.keyed.map((state) => [state.node, state.shards()])),
  };
}

it.each([
  { tumbling: { size: "10ms" } },
  { tumbling: { size: "10ms", offset: "3ms" } },
  { sliding: { size: "15ms", every: "5ms" } },
  { cumulate: { step: "4ms", max: "12ms" } },
  { session: { gap: "4ms" } },
] satisfies Window[])("rows and keys have the times of their own window, before 1970, too: %j", (window) => {
  const generated = run(compile, pipeline(window));
  const interpreted = run(interpret, pipeline(window));
  for (const [name, written] of interpreted.rows) expect([name, generated.rows.get(name)]).toEqual([name, written]);
  expect(generated.shards).toEqual(interpreted.shards);
  expect(generated.rows.get("hot-out")?.length).toBeGreaterThan(4);
});

it("prints a text that is longer than any before", () => {
  const printed = new Printed();
  printed.print(1, "short");
  printed.printKey(2, "ü".repeat(1000));
  expect(printed.bytes.toString("utf8", 0, printed.length)).toBe("ü".repeat(1000));
  expect(printed.hash).toBe(murmur2(Buffer.from("ü".repeat(1000)), 0, 2000));
});
