/**
 * The engine's core by itself on more than W1 to W3: many live keys, and Nexmark. Generated chains on batches of JSON in
 * memory, a sink that only copies. Prints records per CPU second and the ratio to J of the same records.
 *
 *   node bench/in-process.ts [--events 500000] [--keys 1000000] [--seconds 3] [--only q5]
 */
import { parseArgs } from "node:util";
import type { Batch } from "../src/engine/batch.ts";
import { compile } from "../src/engine/codegen/compile.ts";
import type { Plan } from "../src/engine/plan.ts";
import { planPipeline } from "../src/engine/planner/plan-pipeline.ts";
import type { Program } from "../src/engine/program.ts";
import { lookups, nexmarkBatches, planOf, queries } from "./nexmark/queries.ts";
import { median } from "./processes.ts";
import { batchOf, copyingSink, eventLine, measure, million, parseAll, recordsIn } from "./program-cost.ts";

const { values: flags } = parseArgs({
  options: {
    events: { type: "string", default: "500000" },
    keys: { type: "string", default: "1000000" },
    seconds: { type: "string", default: "3" },
    only: { type: "string" },
  },
});
const seconds = Number(flags.seconds);
const RUNS = 3;

function start(plan: Plan): Program {
  const sinks = new Map(plan.sinks.map((sink) => [sink.node, copyingSink()]));
  return compile(plan, { slot: 0, slots: 1, sinks, lookups, parameters: plan.parameters });
}

/** One stream through a program from its first record to its end. */
function whole(plan: Plan, batches: readonly Batch[]): () => number {
  return () => {
    const program = start(plan);
    pass(program, batches);
    for (const { node } of plan.sources) program.end(node);
    return recordsIn(batches);
  };
}

function pass(program: Program, batches: readonly Batch[]): void {
  for (const [source, input] of program.inputs)
    for (const batch of batches) {
      input.process(batch);
      while (program.buffers.some((buffer) => buffer.step()));
      program.advanceWatermark(source, input.maxEventTime);
    }
}

/** Updates of keys that are all there already. */
function lastValues(keys: number): { batches: Batch[]; pass: () => number } {
  const batches = Array.from({ length: keys / 1000 }, (_, b) =>
    batchOf(
      Array.from({ length: 1000 }, (__, i) => eventLine(b * 1000 + i, keys)),
      0,
    ),
  );
  const plan = planPipeline(
    {
      nodes: [
        { name: "events", source: { datagen: {} } },
        {
          name: "last",
          from: ["events"],
          keyBy: "event.tenant",
          aggregate: { lag: "last(event.payload.lag)" },
          window: { global: { trigger: { count: 10_000_000 } } },
        },
        { name: "out", from: ["last"], sink: { blackhole: {} } },
      ],
    },
    { parameters: {}, maxParallelism: 128 },
  );
  const program = start(plan);
  return {
    batches,
    pass: () => {
      pass(program, batches);
      return recordsIn(batches);
    },
  };
}

function row(name: string, batches: readonly Batch[], run: () => number): void {
  const warmUp = 2;
  const calibration = measure(parseAll(batches), seconds, warmUp);
  const figure = median(Array.from({ length: RUNS }, () => measure(run, seconds, warmUp)));
  console.log(`| ${name} | ${million(figure).trim()} | ${(figure / calibration).toFixed(2)} |`);
}

console.log("| work in process | M records per CPU second | × J |\n|---|---|---|");
const wanted = (name: string): boolean => flags.only === undefined || flags.only === name;
if (wanted("keys")) {
  const { batches, pass: run } = lastValues(Number(flags.keys));
  row(`last value of each of ${flags.keys} live keys`, batches, run);
}
const events = nexmarkBatches(Number(flags.events), { rate: 10_000 });
for (const query of queries) if (wanted(query)) row(`Nexmark ${query}`, events, whole(planOf(query), events));
