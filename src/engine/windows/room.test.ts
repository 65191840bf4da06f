import { expect, it, onTestFinished, vi } from "vitest";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { batchOf } from "../../../test/builders/memory-batch.ts";
import { memorySink } from "../../../test/builders/memory-sink.ts";
import { compile } from "../codegen/compile.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";
import { CHUNK_HEADER } from "./chunk-writer.ts";
import { spareMemory } from "./spare-memory.ts";
import type { KeyedNode, KeyedSnapshot, Program, StatePiece } from "../program.ts";

const KEYS = 50_000;
const MEBIBYTE = 1024 * 1024;
const read = { source: { datagen: {} }, eventTime: { field: "event.ts" } };
const on = { leftKey: "left.k", rightKey: "right.k", select: { k: "left.k" } };
const join = { ...on, window: { size: "10s" } };

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

const tumbling: Partial<PipelineNode> = { keyBy: "event.k", window: { tumbling: { size: "10s" } } };
const kinds = [
  ["tumbling windows", ["events"], tumbling],
  ["sliding windows", ["events"], { keyBy: "event.k", window: { sliding: { size: "20s", every: "10s" } } }],
  ["window joins", ["events", "others"], { join }],
  ["interval joins", ["events", "others"], { join: { ...on, interval: { before: "1s", after: "1s" } } }],
  ["joins that forget", ["events", "others"], { join: on, ttl: "2s" }],
] satisfies [string, string[], Partial<PipelineNode>][];

function startKind(sources: readonly string[], node: Partial<PipelineNode>): Program {
  const aggregate = { n: "count()", last: "last(event.ts)" };
  return start(sources, node.join === undefined ? { ...node, aggregate } : node);
}

it.each(kinds)(
  "what a checkpoint saves of %s is what was there, also when they are dropped before it is written",
  (_, sources, node) => {
    const written = (at: KeyedSnapshot): Buffer =>
      Buffer.concat([...at.chunks(0)].map((chunk) => chunk.subarray(CHUNK_HEADER)));
    const filled = (): { program: Program; state: KeyedNode } => {
      const program = startKind(sources, node);
      send(program, 3000, 0);
      return { program, state: program.keyed[0] as KeyedNode };
    };
    const expected = written(filled().state.beginSnapshot());
    expect(expected.length).toBeGreaterThan(3000);

    const { program, state } = filled();
    const snapshot = state.beginSnapshot();
    for (let i = 1; i < 8; i++) {
      for (const source of sources) program.advanceWatermark(source, i * 10_000 - 1);
      send(program, 2000 + i * 500, i * 10_000);
    }
    expect(written(snapshot).equals(expected)).toBe(true);
  },
);

it.each(kinds)("%s that come one after the other live in the memory of those before", (_, sources, node) => {
  const program = startKind(sources, node);
  const take = vi.spyOn(spareMemory, "take");
  onTestFinished(() => {
    take.mockRestore();
  });
  const pass = (i: number): void => {
    send(program, 2000, i * 10_000);
    for (const source of sources) program.advanceWatermark(source, i * 10_000 + 9_999);
  };
  for (let i = 0; i < 10; i++) pass(i);
  const first = take.mock.results.length;
  for (let i = 10; i < 40; i++) pass(i);
  const later = take.mock.results.slice(first).filter((_, i) => (take.mock.calls[first + i]?.[0] ?? 0) >= 128);
  expect(later.length).toBeGreaterThan(60);
  expect(later.filter(({ value }) => value === undefined).length).toBeLessThan(later.length / 20);
});

it("a checkpoint of what changed has all of it, also of a pane that grows while it is written", () => {
  const changes = (between: (program: Program) => void): Buffer => {
    const program = startKind(["events"], tumbling);
    send(program, 30_000, 0);
    const state = program.keyed[0] as KeyedNode;
    const pieces = (): StatePiece[] => {
      const snapshot = state.beginSnapshot();
      onTestFinished(() => {
        snapshot.release();
      });
      return [...(snapshot.pieces?.(0) ?? [])].filter(({ of }) => of !== undefined);
    };
    const [before] = pieces() as [StatePiece];
    send(program, 30_000, 1);
    const [after] = pieces() as [StatePiece];
    const chunks: Buffer[] = [];
    for (const chunk of after.since(before.at) ?? []) {
      chunks.push(Buffer.from(chunk.subarray(CHUNK_HEADER)));
      if (chunks.length === 1) between(program);
    }
    return Buffer.concat(chunks);
  };
  const undisturbed = changes(() => undefined);
  expect(undisturbed.length).toBeGreaterThan(500_000);
  const grown = changes((program) => {
    send(program, 40_000, 2);
    // What it gave back is others' from now on.
    for (const bytes of [512, 8192, 65_536, 131_072, 262_144])
      for (let piece = spareMemory.take(bytes); piece !== undefined; piece = spareMemory.take(bytes))
        new Uint8Array(piece).fill(0);
  });
  expect(grown.equals(undisturbed)).toBe(true);
});
