import { describe, expect, it } from "vitest";
import { load, startProcess } from "../../../test/builders/checkpointed-program.ts";
import { batchOf } from "../../../test/builders/memory-batch.ts";
import { memorySink } from "../../../test/builders/memory-sink.ts";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { compile } from "../codegen/compile.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";
import type { Program } from "../program.ts";
import type { Manifest } from "./manifest.ts";

const SHARDS = 2;
const MANY = 6_000;
/** Of a chunk without entries: each shard's watermark is told by one. */
const HEADER = 12;

interface Event {
  readonly k: number;
  readonly ts: number;
}

/** One node over `events`, or over `events` and `others` where it is a join. */
function started(node: Partial<PipelineNode>) {
  const sources = node.join === undefined ? ["events"] : ["events", "others"];
  const plan = planPipeline(
    {
      nodes: [
        ...sources.map((name) => ({ name, source: { datagen: {} }, eventTime: { field: "event.ts" } })),
        { name: "state", from: sources, ...node },
        { name: "out", from: ["state"], sink: { blackhole: {} } },
      ],
    },
    { parameters: {}, maxParallelism: SHARDS },
  );
  const { writer, written } = memorySink();
  const program = compile(plan, { slot: 0, slots: 1, parameters: {}, sinks: new Map([["out", writer]]) });
  return {
    program,
    put: (events: readonly Event[], source = "events"): void =>
      program.inputs.get(source)?.process(batchOf(events.map((event) => JSON.stringify({ ...event, v: "value" })))),
    time: (ts: number): void => sources.forEach((source) => program.advanceWatermark(source, ts)),
    results: () => written.splice(0).map(({ value }) => value.toString()),
  };
}

const events = (n: number, ts: (i: number) => number, from = 0): Event[] =>
  Array.from({ length: n }, (_, i) => ({ k: from + i, ts: ts(i) }));

let processes = 0;
async function checkpointed(program: Program) {
  const uri = `memory://increments-test-${processes++}`;
  const process = await startProcess(uri, program);
  let newest = 0;
  return {
    bytes: async (): Promise<number> => {
      const { id, bytes } = await process.checkpoint();
      newest = id;
      return bytes;
    },
    /** The newest checkpoint. */
    restoreInto: async (other: Program): Promise<Manifest> => load(uri, newest, other),
  };
}

const on = { leftKey: "left.k", rightKey: "right.k" };
const count = { keyBy: "event.k", aggregate: { n: "count()" } };
const CASES: readonly (readonly [string, Partial<PipelineNode>, (i: number) => number])[] = [
  ["keys of a table", count, () => 0],
  ["sessions", { ...count, window: { session: { gap: "1m" } } }, () => 0],
  ["rows that wait for a version of their key", { join: { ...on, temporal: {} } }, () => 1],
  ["rows of a join in few long logs", { join: { ...on, interval: { before: "1s", after: "0s" } } }, () => 1],
  ["rows of a join in many short logs", { join: { ...on, interval: { before: "20s", after: "0s" } } }, (i) => i * 4],
];

describe.each(CASES)("checkpoints of %s", (_, node, ts) => {
  it("have what changed since the one before, and next to nothing where nothing did", async () => {
    const { program, put } = started(node);
    const { bytes } = await checkpointed(program);
    put(events(MANY, ts));
    const first = await bytes();
    put(events(20, () => 2));
    const second = await bytes();
    expect(second).toBeGreaterThan(20 * HEADER);
    expect(second).toBeLessThan(first / 100);
    expect(await bytes()).toBe(SHARDS * HEADER);
  });

  it("have all of it again where it was little in between, as what was written before has gone", async () => {
    const { program, put, time } = started(node);
    const { bytes, restoreInto } = await checkpointed(program);
    put(events(3_000, (i) => (i % 5 < 2 ? ts(i) : 100_000)));
    await bytes();
    time(90_000);
    for (let i = 0; i < 3; i++) await bytes();
    put(events(800, () => 200_000, 3_000));
    await bytes();
    const restored = started(node);
    await restoreInto(restored.program);
    expect(restored.program.keyed[0]?.size()).toBe(program.keyed[0]?.size());
  });
});

it("have no more rows that were given than rows that wait", async () => {
  const node = { join: { ...on, temporal: {} } };
  const { program, put, time } = started(node);
  const { bytes, restoreInto } = await checkpointed(program);
  put(events(MANY * 5, () => 1));
  put(events(MANY, () => 10_000, MANY * 5));
  const first = await bytes();
  time(5_000);
  const rest = await bytes();
  expect(rest).toBeGreaterThan(first / 10);
  expect(rest).toBeLessThan(first / 5);
  put(events(20, () => 10_000));
  expect(await bytes()).toBeLessThan(rest / 100);
  const { keyed } = await restoreInto(started(node).program);
  const held = keyed.flatMap(({ shards }) => shards.flatMap(({ segments }) => segments));
  expect(held.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(first / 5);
});

describe("sessions from increments", () => {
  const node = {
    ...count,
    aggregate: { n: "count()", first: "first(event.ts)" },
    window: { session: { gap: "100ms" }, allowedLateness: "1s" },
  };

  /** Checkpoints after each step; then what comes is the same from here and from the last of them. */
  async function same(steps: readonly ((at: ReturnType<typeof started>) => void)[]): Promise<readonly string[]> {
    const run = started(node);
    const { bytes, restoreInto } = await checkpointed(run.program);
    for (const step of steps) {
      step(run);
      await bytes();
    }
    run.results();
    const restored = started(node);
    await restoreInto(restored.program);
    const results = [run, restored].map((at) => {
      at.time(5_000);
      return at.results();
    });
    expect(results[1]).toEqual(results[0]);
    return results[0] as readonly string[];
  }
  const sessions = (results: readonly string[]) =>
    results.map((text) => JSON.parse(text) as { key: number; n: number; windowStart: number; windowEnd: number });

  it("that were merged into one are one", async () => {
    const all = await same([
      ({ put }) => put(events(MANY, () => 1_000)),
      ({ put }) => put(events(10, () => 1_150)),
      ({ put }) => put(events(10, () => 1_080)),
    ]);
    expect(all).toHaveLength(MANY);
    expect(sessions(all).filter(({ n }) => n === 3)).toHaveLength(10);
    expect(
      sessions(all).every(({ n, windowStart, windowEnd }) => windowEnd - windowStart === (n === 3 ? 250 : 100)),
    ).toBe(true);
  });

  it("that began and ended between two checkpoints, or before the last, are gone", async () => {
    const left = await same([
      ({ put }) => put([...events(MANY, () => 2_500), ...events(10, () => 100, MANY)]),
      ({ put, time }) => {
        put(events(10, () => 200, 2 * MANY));
        time(1_400);
      },
      ({ put }) => put(events(5, () => 1_600, 3 * MANY)),
    ]);
    expect(sessions(left).map(({ windowEnd }) => windowEnd)).toEqual([
      ...Array.from({ length: 5 }, () => 1_700),
      ...Array.from({ length: MANY }, () => 2_600),
    ]);
  });

  it("come in the order of their creation, also those that were changed and those that came after", async () => {
    const all = await same([
      ({ put }) => put(events(MANY, () => 1_000)),
      ({ put }) => put([...events(3, () => 1_000, 40), ...events(5, () => 1_000, MANY)]),
      ({ put }) => put(events(3, () => 1_000, 4)),
    ]);
    expect(all).toHaveLength(MANY + 5);
  });

  it("are written as they were at the barrier, whatever comes, is merged or ends while they are", async () => {
    const run = started(node);
    run.put(events(MANY, (i) => 1_000 + (i % 3) * 150));
    run.put(events(MANY, (i) => 1_300 + (i % 3) * 150));
    const process = await startProcess("memory://increments-test-torn", run.program);
    await process.checkpoint();
    run.put(events(10, () => 1_700));
    const expected = started(node);
    await load("memory://increments-test-torn", (await process.checkpoint()).id, expected.program);
    const { id } = await process.checkpoint(false, () => {
      run.put(events(MANY, () => 1_200));
      run.time(1_650);
      run.put(events(MANY, () => 3_000, MANY));
      run.time(4_000);
    });
    const restored = started(node);
    await load("memory://increments-test-torn", id, restored.program);
    const [before, after] = [expected, restored].map((at) => {
      at.time(5_000);
      return at.results();
    });
    expect(after).toEqual(before);
  });
});

it.each<[string, Partial<PipelineNode>]>([
  ["rows of windows", { join: { ...on, type: "Left", window: { size: "1s" } } }],
  ["rows of an interval", { join: { ...on, type: "Left", interval: { before: "1s", after: "0s" } } }],
  ["rows that wait for a version", { join: { ...on, type: "Left", temporal: {} } }],
])("%s that were given, or came in numbers since, are given once after a restore", async (_, node) => {
  const run = started(node);
  const { bytes, restoreInto } = await checkpointed(run.program);
  run.put(events(MANY, (i) => (i % 10) * 1_000 + 500));
  await bytes();
  run.time(2_000);
  expect(run.results()).toHaveLength(MANY / 5);
  await bytes();
  const earlier = started(node);
  await restoreInto(earlier.program);
  earlier.time(20_000);
  expect(earlier.results()).toHaveLength((MANY * 4) / 5);
  run.put(events(2_000, () => 3_500, MANY));
  await bytes();
  const restored = started(node);
  await restoreInto(restored.program);
  const [expected, found] = [run, restored].map((at) => {
    at.time(20_000);
    return at.results();
  });
  expect(expected).toHaveLength((MANY * 4) / 5 + 2_000);
  expect(found).toEqual(expected);
});
