/**
 * The engine's core by itself: generated chains on batches in memory, a sink that only copies. Prints records per CPU
 * second and the ratio to J, the calibration of docs: JSON.parse of the same records from the same buffer, two fields
 * read. `node bench/engine.ts [seconds]`; profile with `node --cpu-prof bench/engine.ts`.
 */
import type { Pipeline } from "../src/api/pipeline.schema.ts";
import type { Batch } from "../src/engine/batch.ts";
import { compile } from "../src/engine/codegen/compile.ts";
import { interpret } from "../src/engine/interpreter/interpret.ts";
import { planPipeline } from "../src/engine/planner/plan-pipeline.ts";
import type { Program } from "../src/engine/program.ts";
import { batchOf, copyingSink, eventLine, measure, million, parseAll } from "./program-cost.ts";

const SECONDS = Number(process.argv[2] ?? 2);
const RECORDS = 100_000;
const TENANTS = 1000;

const pipelines: Readonly<Record<string, Pipeline["nodes"]>> = {
  "W1 filter 30 % and route": [
    { name: "hot", from: ["events"], filter: "event.type == 'metrics' && event.payload.lag > 10000" },
    { name: "out", from: ["hot"], sink: { blackhole: {} } },
  ],
  "W2 project 7 fields": [
    {
      name: "slim",
      from: ["events"],
      map: {
        type: "event.type",
        ts: "event.ts",
        tenant: "event.tenant",
        lag: "event.payload.lag",
        host: "event.payload.host",
        seq: "event.seq",
        region: "event.payload.region",
      },
    },
    { name: "out", from: ["slim"], sink: { blackhole: {} } },
  ],
  "W3 10 s window per tenant": [
    {
      name: "per-tenant",
      from: ["events"],
      keyBy: "event.tenant",
      window: { tumbling: { size: "10s" } },
      aggregate: {
        n: "count()",
        max: "max(event.payload.lag)",
        sum: "sum(event.payload.lag)",
        avg: "avg(event.payload.lag)",
      },
    },
    { name: "out", from: ["per-tenant"], sink: { blackhole: {} } },
  ],
};

function planOf(nodes: Pipeline["nodes"]) {
  const source: Pipeline["nodes"][number] = {
    name: "events",
    source: { datagen: {} },
    partitionedBy: "event.tenant",
    eventTime: { field: "event.ts" },
  };
  return planPipeline({ nodes: [source, ...nodes] }, { parameters: {}, maxParallelism: 32 });
}

function events(): Batch[] {
  return Array.from({ length: RECORDS / 1000 }, (_, b) =>
    batchOf(
      Array.from({ length: 1000 }, (__, i) => eventLine(b * 1000 + i, TENANTS)),
      b % 4,
    ),
  );
}

function passOver(batches: readonly Batch[], program: Program): () => number {
  const input = program.inputs.get("events");
  if (input === undefined) throw new Error("the plan has no source called events");
  return () => {
    for (const batch of batches) {
      input.process(batch);
      program.advanceWatermark("events", input.maxEventTime - 1000);
    }
    return RECORDS;
  };
}

const batches = events();
const bytes = batches.reduce((sum, b) => sum + b.buf.length, 0) / RECORDS;
const J = measure(parseAll(batches), SECONDS);
console.log(
  `${RECORDS} records of ${bytes.toFixed(0)} bytes, ${TENANTS} keys; J = ${million(J).trim()} M records per CPU second`,
);
console.log(`${"work".padEnd(28)}${"M/CPU s".padStart(8)}${"× J".padStart(8)}   interpreted × J`);
for (const [name, nodes] of Object.entries(pipelines)) {
  const plan = planOf(nodes);
  const run = (make: typeof compile): number => {
    const options = { slot: 0, slots: 1, sinks: new Map([["out", copyingSink()]]), parameters: {} };
    return measure(passOver(batches, make(plan, options)), SECONDS);
  };
  const fast = run(compile);
  const slow = run(interpret);
  console.log(`${name.padEnd(28)}${million(fast)}${(fast / J).toFixed(2).padStart(8)}   ${(slow / J).toFixed(2)}`);
}
