import { expect, it } from "vitest";
import type { PipelineNode } from "../../src/api/pipeline.schema.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import type { KeyedContext } from "../../src/engine/functions/author.ts";
import { loadedFunction } from "../../src/engine/functions/loaded-function.ts";
import { functionsOf } from "../../src/engine/functions/plan-functions.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import type { ProgramOptions } from "../../src/engine/program.ts";
import { batchOf } from "../builders/memory-batch.ts";
import { memorySink } from "../builders/memory-sink.ts";
import { random } from "../builders/random.ts";
import { rocksFolder } from "../servers/rocksdb.ts";

const rocks = rocksFolder();

const counting = {
  onRecord: (_: unknown, { key, state, emit }: KeyedContext) => {
    const n = state.value<number>("n");
    n.set((n.get() ?? 0) + 1);
    emit({ key, n: n.get() });
  },
};

/** State that does not fit into memory, and beside it, below the same source, state that fits for longer. */
function pipelineWith(node: Partial<PipelineNode>): PipelineNode[] {
  return [
    { name: "events", source: { datagen: {} }, eventTime: { field: "event.ts" } },
    { name: "big", from: ["events"], keyBy: "event.k", aggregate: { n: "count()" } },
    { name: "small", from: ["events"], keyBy: "event.g", ...node },
    { name: "big-out", from: ["big"], sink: { blackhole: {} } },
    { name: "out", from: ["small"], sink: { blackhole: {} } },
  ];
}

it.each([
  ["functions", { process: { function: "fn" } }],
  ["sessions", { aggregate: { n: "count()" }, window: { session: { gap: "5s" } } }],
] satisfies [string, Partial<PipelineNode>][])(
  "keeps the state of %s in RocksDB beside state that left memory long before",
  (_, node) => {
    const functions = [{ name: "fn", module: { path: "/fn.mjs" } }];
    const plan = planPipeline({ functions, nodes: pipelineWith(node) }, { parameters: {}, maxParallelism: 1 });
    const loaded = new Map(
      [...functionsOf(plan)].map(([name, f]) => [name, loadedFunction(f, { value: counting, url: "" })]),
    );
    const start = (of: Pick<ProgramOptions, "rocks">) => {
      const { writer, written } = memorySink();
      const sinks = new Map([
        ["big-out", memorySink().writer],
        ["out", writer],
      ]);
      return {
        written,
        program: compile(plan, { slot: 0, slots: 1, parameters: {}, sinks, functions: loaded, ...of }),
      };
    };
    const sides = [start({}), start({ rocks: rocks.state({ cacheBytes: 300_000 }) })];
    const r = random(1);
    const wide = "k".repeat(1_000);
    for (let i = 0; i < 60; i++) {
      const records = Array.from({ length: 200 }, () =>
        JSON.stringify({ k: `${wide}${r.below(10_000)}`, g: `group-${r.below(100 + i * 20)}`, ts: i * 1_000 }),
      );
      for (const { program } of sides) {
        program.inputs.get("events")?.process(batchOf(records));
        program.advanceWatermark("events", i * 1_000 - 20_000);
      }
    }
    const [memory, stored] = sides.map(({ program, written }) => {
      program.end("events");
      return written.map(({ value }) => value);
    });
    expect(memory?.length).toBeGreaterThan(1_000);
    expect(stored?.findIndex((value, i) => value !== memory?.[i])).toBe(-1);
    expect(stored?.length).toBe(memory?.length);
  },
);
