import { expect, it } from "vitest";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { batchOf } from "../../../test/builders/memory-batch.ts";
import { memorySink } from "../../../test/builders/memory-sink.ts";
import { compile } from "../codegen/compile.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";
import type { Program } from "../program.ts";

const KEYS = 50_000;
const MEBIBYTE = 1024 * 1024;
const read = { source: { datagen: {} }, eventTime: { field: "event.ts" } };
const join = { leftKey: "left.k", rightKey: "right.k", select: { k: "left.k" }, window: { size: "10s" } };

function start(sources: readonly string[], node: Partial<PipelineNode>): Program {
  const nodes: PipelineNode[] = [
    ...sources.map((name) => ({ name, ...read })),
    { name: "state", from: [...sources], ...node },
    { name: "out", from: ["state"], sink: { blackhole: {} } },
  ];
  const plan = planPipeline({ nodes }, { parameters: {}, maxParallelism: 1 });
  return compile(plan, { slot: 0, slots: 1, parameters: {}, sinks: new Map([["out", memorySink().writer]]) });
}

function send(program: Program, keys: number, ts: number): void {
  for (let k = 0; k < keys; k += 500) {
    const events = Array.from({ length: Math.min(500, keys - k) }, (_, i) => JSON.stringify({ k: `key-${k + i}`, ts }));
    program.inputs.get("events")?.process(batchOf(events));
  }
}

it.each([
  ["windows", ["events"], { keyBy: "event.k", window: { tumbling: { size: "10s" } }, aggregate: { n: "count()" } }],
  ["joins", ["events", "others"], { join }],
] satisfies [string, string[], Partial<PipelineNode>][])(
  "%s that stay open with one key each after a big one take no more than they need",
  (_, sources, node) => {
    const program = start(sources, node);
    send(program, KEYS, 0);
    for (const source of sources) program.advanceWatermark(source, 10_000);
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 2; i < 202; i++) send(program, 1, i * 10_000);
    const taken = (process.memoryUsage().arrayBuffers - before) / MEBIBYTE;
    expect(taken).toBeLessThan(40);
  },
);
