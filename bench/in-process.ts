/**
 * The engine's core by itself on more than W1 to W3: many live keys, joins and sessions in RocksDB, and Nexmark. Generated chains on batches in memory:
 * JSON as a broker would give it, and, for Nexmark, objects as its own generator gives them. Prints records per CPU second
 * and the ratio to J of the same records. One program runs all through a row; its next events are made off the clock.
 *
 *   node bench/in-process.ts [--keys 1000000] [--runs 5] [--only q5]
 */
import { parseArgs } from "node:util";
import type { Batch } from "../src/engine/batch.ts";
import { compile } from "../src/engine/codegen/compile.ts";
import type { Plan } from "../src/engine/plan.ts";
import type { Program } from "../src/engine/program.ts";
import { checkpointPauses } from "./checkpoint-pause.ts";
import { eventBatches, lastValues, withRocks } from "./last-values.ts";
import { lookups, nexmarkBatches, nexmarkRows, planOf, queries } from "./nexmark/queries.ts";
import { median } from "./processes.ts";
import { copyingSink, measure, measureStream, million, parseAll } from "./program-cost.ts";
import { STORED_MEMORIES, storedCases, storedFigures } from "./stored-joins.ts";

const { values: flags } = parseArgs({
  options: {
    keys: { type: "string", default: "1000000" },
    runs: { type: "string", default: "5" },
    only: { type: "string" },
  },
});
const runs = Number(flags.runs);
/** Ten seconds of events: each has its share of the windows. */
const CHUNK = 100_000;
const CHUNKS = 3;
const SECONDS = 0.5;
/** Of a job that says nothing else. */
const ROCKS_BYTES = 128 * 1024 * 1024;
const SHAPE = { rate: 10_000 };

function start(plan: Plan): Program {
  const sinks = new Map(plan.sinks.map((sink) => [sink.node, copyingSink()]));
  return compile(plan, { slot: 0, slots: 1, sinks, lookups, parameters: plan.parameters });
}

function pass(program: Program, batches: readonly Batch[]): void {
  for (const [source, input] of program.inputs)
    for (const batch of batches) {
      input.process(batch);
      while (program.buffers.some((buffer) => buffer.step()));
      program.advanceWatermark(source, input.maxEventTime);
      while (program.buffers.some((buffer) => buffer.step()));
    }
}

/** Records per CPU second of one query, the stream going on from run to run. */
function nexmark(query: string, batches: (count: number, from: number) => readonly Batch[]): number {
  const program = start(planOf(query));
  let made = 0;
  const next = (): readonly Batch[] => batches(CHUNK, (made += CHUNK) - CHUNK);
  const run = (): number => measureStream({ next, pass: (chunk) => pass(program, chunk) }, CHUNKS);
  run();
  return median(Array.from({ length: runs }, run));
}

function calibrated(batches: readonly Batch[]): number {
  return median(Array.from({ length: runs }, () => measure(parseAll(batches), SECONDS, 1)));
}

const wanted = (name: string): boolean => flags.only === undefined || flags.only === name;
const cell = (figure: number, j: number): string => `${million(figure).trim()} | ${(figure / j).toFixed(2)}`;

if (wanted("keys")) {
  const batches = eventBatches(Number(flags.keys));
  const j = calibrated(batches);
  console.log("| work in process | M records per CPU second | × J |\n|---|---|---|");
  const { program, next } = lastValues(batches);
  console.log(`| last value of each of ${flags.keys} live keys | ${cell(next(runs), j)} |`);
  withRocks(ROCKS_BYTES, (rocks) => {
    const cold = lastValues(batches, rocks);
    console.log(`| the same in RocksDB, the first value of each | ${cell(cold.first, j)} |`);
    console.log(`| the same in RocksDB, every key cold | ${cell(cold.next(runs), j)} |\n`);
  });
  const { turns, p99Ms, longestMs, bytes } = await checkpointPauses(program, batches, 3);
  console.log(
    `Turns of the event loop while a checkpoint of these keys (${(bytes / 1024 / 1024).toFixed(0)} MiB) is written: ` +
      `p99 ${p99Ms.toFixed(1)} ms, longest ${longestMs.toFixed(1)} ms of CPU, of ${turns}\n`,
  );
}
if (wanted("stored")) {
  const names = ["in memory", ...STORED_MEMORIES.map((mib) => `RocksDB, ${mib} MiB`)];
  console.log(`| M records per CPU second | ${names.join(" | ")} |\n|---|${"---|".repeat(names.length)}`);
  for (const [name, node] of Object.entries(storedCases)) {
    const figures = storedFigures(node, runs).map((figure) => (figure / 1e6).toFixed(3));
    console.log(`| ${name} | ${figures.join(" | ")} |`);
  }
  console.log();
}
const j = calibrated(nexmarkBatches(CHUNK, SHAPE));
console.log(`J of Nexmark's events: ${million(j).trim()}\n`);
console.log(
  "| Nexmark in process | objects, M per CPU second | JSON, M per CPU second | JSON × J |\n|---|---|---|---|",
);
for (const query of queries.filter(wanted)) {
  const rows = nexmark(query, (count, from) => nexmarkRows(count, SHAPE, from));
  const json = nexmark(query, (count, from) => nexmarkBatches(count, SHAPE, from));
  console.log(`| ${query} | ${million(rows).trim()} | ${cell(json, j)} |`);
}
