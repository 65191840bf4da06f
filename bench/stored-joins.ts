import type { PipelineNode } from "../src/api/pipeline.schema.ts";
import type { Batch } from "../src/engine/batch.ts";
import { compile } from "../src/engine/codegen/compile.ts";
import { planPipeline } from "../src/engine/planner/plan-pipeline.ts";
import type { Program } from "../src/engine/program.ts";
import type { RocksState } from "../src/engine/rocksdb/database.ts";
import { withRocks } from "./last-values.ts";
import { median } from "./processes.ts";
import { batchOf, copyingSink, measureStream } from "./program-cost.ts";

const PER_BATCH = 1000;
const CHUNK = 40;
/** Four of five records have one of few keys. */
const HOT_KEYS = 5_000;
const COLD_KEYS = 200_000;
/** Records of a millisecond: 24,000 rows and more wait in ten seconds. */
const PER_MS = 2;
/** MiB. With the default all of that is in the cache; with a quarter of it about a half is. */
export const STORED_MEMORIES = [128, 32];

const on = { leftKey: "left.k", rightKey: "right.k", select: { k: "left.k", l: "left.n", r: "right.n" } };
export const storedCases: Readonly<Record<string, Partial<PipelineNode>>> = {
  "interval join, 5 s before and after": { join: { ...on, interval: { before: "5s", after: "5s" } } },
  "window join, 5 s": { join: { ...on, window: { size: "5s" } } },
  "join without times, ttl 10 s": { ttl: "10s", join: on },
  "temporal join": { join: { ...on, temporal: {} } },
  "sessions, gap 5 s": {
    keyBy: "event.k",
    window: { session: { gap: "5s" } },
    aggregate: { n: "count()", last: "last(event.n)" },
  },
};

/** Records per CPU second: in memory, and in RocksDB with each of those memories. */
export function storedFigures(node: Partial<PipelineNode>, runs: number): number[] {
  const stored = STORED_MEMORIES.map((mib) => withRocks(mib * 1024 * 1024, (rocks) => storedFigure(node, runs, rocks)));
  return [storedFigure(node, runs), ...stored];
}

export function storedFigure(node: Partial<PipelineNode>, runs: number, rocks?: RocksState): number {
  const program = start(node, rocks);
  let made = 0;
  const next = (): Batch[] => Array.from({ length: CHUNK }, () => events(made++));
  const pass = (batches: readonly Batch[]): void => batches.forEach((batch) => process(program, batch));
  const run = (): number => measureStream({ next, pass }, 1);
  run();
  return median(Array.from({ length: runs }, run));
}

/** Sources take turns. */
function process(program: Program, batch: Batch): void {
  const inputs = [...program.inputs];
  const [, input] = inputs[batch.split % inputs.length] as (typeof inputs)[number];
  input.process(batch);
  for (const [source] of inputs) program.advanceWatermark(source, input.maxEventTime - 100);
}

function events(b: number): Batch {
  const lines = Array.from({ length: PER_BATCH }, (_, i) => {
    const n = b * PER_BATCH + i;
    const [key, some] = [Math.imul(n, 0x9e3779b1) >>> 8, Math.imul(n, 0x85ebca6b) >>> 8];
    const k = some % 5 === 0 ? `cold-${key % COLD_KEYS}` : `hot-${key % HOT_KEYS}`;
    return Buffer.from(JSON.stringify({ k, ts: Math.floor(n / PER_MS), n, note: "steady as she goes ".repeat(5) }));
  });
  return batchOf(lines, b % 2);
}

function start(node: Partial<PipelineNode>, rocks: RocksState | undefined): Program {
  const names = node.join === undefined ? ["events"] : ["events", "others"];
  const read = { source: { datagen: {} }, eventTime: { field: "event.ts" } };
  const plan = planPipeline(
    {
      nodes: [
        ...names.map((name) => ({ name, ...read })),
        { name: "state", from: names, ...node },
        { name: "out", from: ["state"], sink: { blackhole: {} } },
      ],
    },
    { parameters: {}, maxParallelism: 128 },
  );
  const options = { slot: 0, slots: 1, sinks: new Map([["out", copyingSink()]]), parameters: plan.parameters };
  return compile(plan, rocks === undefined ? options : { ...options, rocks });
}
