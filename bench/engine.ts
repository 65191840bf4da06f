/**
 * The engine's core by itself: generated chains on batches in memory, a sink that only copies. Prints records per CPU
 * second and the ratio to J, the calibration of docs: JSON.parse of the same records from the same buffer, two fields
 * read. `node bench/engine.ts [seconds]`; profile with `node --cpu-prof bench/engine.ts`.
 */
import type { Pipeline } from "../src/api/pipeline.schema.ts";
import type { Batch } from "../src/engine/batch.ts";
import { compile } from "../src/engine/codegen/compile.ts";
import type { OutRecord, SinkWriter } from "../src/engine/connectors/connector.ts";
import { interpret } from "../src/engine/interpreter/interpret.ts";
import { planPipeline } from "../src/engine/planner/plan-pipeline.ts";
import type { Program } from "../src/engine/program.ts";

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
  const batches: Batch[] = [];
  for (let from = 0; from < RECORDS; from += 1000) {
    const lines = Array.from({ length: 1000 }, (_, i) => Buffer.from(JSON.stringify(event(from + i))));
    const off = new Int32Array(1000);
    lines.reduce((at, line, i) => ((off[i] = at), at + line.length), 0);
    const len = Int32Array.from(lines, (line) => line.length);
    const ts = new Float64Array(1000);
    const split = (from / 1000) % 4;
    batches.push({
      split,
      n: 1000,
      buf: Buffer.concat(lines),
      off,
      len,
      ts,
      key: undefined,
      describe: (i) => String(from + i),
    });
  }
  return batches;
}

function event(i: number): object {
  return {
    type: i % 5 < 3 ? "metrics" : "heartbeat",
    ts: 1_767_225_600_000 + i,
    tenant: `tenant-${(i * 7919) % TENANTS}`,
    seq: i,
    payload: {
      lag: (i * 104_729) % 20_000,
      host: `host-${i % 10}`,
      region: "eu-central-1",
      note: "steady as she goes",
    },
  };
}

function copyingSink(): SinkWriter {
  const block = Buffer.allocUnsafe(1 << 20);
  let at = 0;
  let records = 0;
  let bytes = 0;
  return {
    append: ({ value, start, end }: OutRecord) => {
      if (at + end - start > block.length) at = 0;
      value.copy(block, at, start, end);
      at += end - start;
      records++;
      bytes += end - start;
    },
    saturated: () => false,
    onDrain: () => {},
    flush: () => Promise.resolve(),
    counters: () => ({ records, bytes }),
    close: () => Promise.resolve(),
  };
}

/** Records per CPU second (user + system, GC and JIT included) of at least SECONDS of CPU time, after a warm-up. */
function measure(pass: () => number): number {
  for (let warm = 0; warm < 5; warm++) pass();
  const before = process.cpuUsage();
  let records = 0;
  let cpu = 0;
  while (cpu < SECONDS) {
    records += pass();
    const used = process.cpuUsage(before);
    cpu = (used.user + used.system) / 1e6;
  }
  return records / cpu;
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

function parseAll(batches: readonly Batch[]): () => number {
  return () => {
    let hits = 0;
    for (const { buf, off, len, n } of batches)
      for (let i = 0; i < n; i++) {
        const start = off[i] as number;
        const value = JSON.parse(buf.toString("utf8", start, start + (len[i] as number))) as {
          type: string;
          payload: { lag: number };
        };
        if (value.type === "metrics" && value.payload.lag > 10_000) hits++;
      }
    return hits < 0 ? 0 : RECORDS;
  };
}

const batches = events();
const bytes = batches.reduce((sum, b) => sum + b.buf.length, 0) / RECORDS;
const J = measure(parseAll(batches));
const million = (n: number): string => (n / 1e6).toFixed(2).padStart(8);
console.log(
  `${RECORDS} records of ${bytes.toFixed(0)} bytes, ${TENANTS} keys; J = ${million(J).trim()} M records per CPU second`,
);
console.log(`${"work".padEnd(28)}${"M/CPU s".padStart(8)}${"× J".padStart(8)}   interpreted × J`);
for (const [name, nodes] of Object.entries(pipelines)) {
  const plan = planOf(nodes);
  const run = (make: typeof compile): number => {
    const options = { slot: 0, slots: 1, sinks: new Map([["out", copyingSink()]]), parameters: {} };
    return measure(passOver(batches, make(plan, options)));
  };
  const fast = run(compile);
  const slow = run(interpret);
  console.log(`${name.padEnd(28)}${million(fast)}${(fast / J).toFixed(2).padStart(8)}   ${(slow / J).toFixed(2)}`);
}
