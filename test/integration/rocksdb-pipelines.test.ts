import { expect, it } from "vitest";
import type { Batch } from "../../src/engine/batch.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import { interpret } from "../../src/engine/interpreter/interpret.ts";
import { storedNodes } from "../../src/engine/keyed-state/state-of.ts";
import type { Plan, PlanNode } from "../../src/engine/plan.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import type { Program, ProgramOptions } from "../../src/engine/program.ts";
import { isWeirError } from "../../src/errors.ts";
import { hostileDocument } from "../builders/hostile-json.ts";
import { batchOf, useAgain } from "../builders/memory-batch.ts";
import { memorySink } from "../builders/memory-sink.ts";
import { randomFunctions } from "../builders/random-function.ts";
import { randomPipeline } from "../builders/random-pipeline.ts";
import { random } from "../builders/random.ts";
import type { Random } from "../builders/random.ts";
import { rocksFolder } from "../servers/rocksdb.ts";

const PIPELINES = process.env["WEIR_LONG"] === "1" ? 3_000 : 50;
const TURNS = 8;
const rocks = rocksFolder();

/** One way to run a plan: its program, what its sinks got, and how to start it anew. */
interface Side {
  program: Program;
  readonly start: () => Program;
  readonly sinks: ReadonlyMap<string, readonly { value: string }[]>;
}

function side(plan: Plan, build: (plan: Plan, options: ProgramOptions) => Program): Side {
  const sinks = new Map(plan.sinks.map((s) => [s.node, memorySink()]));
  const writers = new Map([...sinks].map(([name, sink]) => [name, sink.writer]));
  const { parameters } = plan;
  const functions = randomFunctions(plan);
  const start = (): Program => build(plan, { slot: 0, slots: 1, sinks: writers, parameters, functions });
  return { program: start(), start, sinks: new Map([...sinks].map(([name, sink]) => [name, sink.written])) };
}

/** All three, the one with RocksDB first. */
function sidesOf(plan: Plan, cacheBytes: number): readonly Side[] {
  return [
    side(plan, (p, options) => compile(p, { ...options, rocks: rocks.state({ cacheBytes }) })),
    side(plan, compile),
    side(plan, interpret),
  ];
}

it("keeps state in RocksDB as in memory and as the interpreter does, over savepoints from one to the other", () => {
  const seen = { pipelines: 0, nodes: 0, rows: 0, savepoints: 0 };
  const kinds = new Map<string, number>();
  for (let seed = 1; seen.pipelines < PIPELINES; seed++) {
    const r = random(seed);
    const pipeline = randomPipeline(r);
    const plan = planPipeline(pipeline, { parameters: { limit: "3" }, maxParallelism: 4 });
    if (storedNodes(plan).length === 0) continue;
    // What a lookup waits for is nowhere but in memory.
    if (plan.nodes.some((node) => node.kind === "lookup")) continue;
    seen.pipelines++;
    seen.nodes += storedNodes(plan).length;
    for (const kind of storedNodes(plan).map(kindOf)) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    // Most of them drop what is in memory all the time.
    const sides = sidesOf(plan, r.chance(0.8) ? r.below(3_000) : 1e9);
    try {
      run(plan, sides, { r, seen });
    } catch (cause) {
      throw new Error(`seed ${seed}: ${JSON.stringify(pipeline.nodes)}`, { cause });
    }
    rocks.close();
  }
  console.log(`state in RocksDB: ${JSON.stringify({ ...seen, ...Object.fromEntries(kinds) })}, 0 differences`);
  expect(seen.rows).toBeGreaterThan(PIPELINES * 10);
  expect(seen.savepoints).toBeGreaterThan(PIPELINES);
});

function kindOf(node: PlanNode): string {
  if (node.kind === "windowAggregate") return `${node.window.type} window`;
  if (node.kind === "keyedAggregate") return `aggregate by ${node.trigger.type}`;
  return node.kind === "join" ? `${node.times.type} join` : node.kind;
}

function run(
  plan: Plan,
  sides: readonly Side[],
  { r, seen }: { r: Random; seen: { rows: number; savepoints: number } },
) {
  const watermarks = new Map(plan.sources.map((s) => [s.node, 0]));
  for (let turn = 0; turn < TURNS; turn++) {
    const { node } = r.pick(plan.sources as [Plan["sources"][number]]);
    if (fails(sides, (program) => program.advanceProcessingTime(turn * 700))) return;
    if (readBatch(sides, { r, node, seen })) return;
    const watermark = (watermarks.get(node) ?? 0) + r.below(9000) - 1000;
    watermarks.set(node, watermark);
    if (fails(sides, (program) => program.advanceWatermark(node, watermark)) || passOn(sides, r.below(6))) return;
    same(sides);
  }
  if (fails(sides, (program) => plan.sources.forEach((s) => program.end(s.node))) || passOn(sides, Infinity)) return;
  same(sides);
  for (const written of sides[0]?.sinks.values() ?? []) seen.rows += written.length;
}

/** True when a record failed. */
function readBatch(
  sides: readonly Side[],
  { r, node, seen }: { r: Random; node: string; seen: { savepoints: number } },
): boolean {
  const batch = randomBatch(r);
  const failed = fails(sides, (program) => program.inputs.get(node)?.process(batch));
  useAgain(batch);
  if (failed) return true;
  if (r.chance(0.7)) return false;
  seen.savepoints++;
  return passOn(sides, Infinity) || savepoint(sides, { r, node });
}

function randomBatch(r: Random): Batch {
  const records = Array.from({ length: r.below(60) }, () => {
    if (r.chance(0.1)) return hostileDocument(r);
    const payload = { lag: r.below(20_000), host: "h" };
    const [type, tenant] = [r.pick(["metrics", "logs"]), `tenant-${r.below(r.chance(0.3) ? 5 : 40)}`];
    return JSON.stringify({ type, ts: r.below(30_000), tenant, a: r.below(4), payload });
  });
  return batchOf(records, r.below(4), () => r.below(30_000));
}

/** Runs all; true when all failed, which they must do alike. */
function fails(sides: readonly Side[], act: (program: Program) => void): boolean {
  const codes = sides.map(({ program }) => {
    try {
      act(program);
      return "ok";
    } catch (e) {
      if (!isWeirError(e)) throw e;
      return e.code;
    }
  });
  expect(new Set(codes).size, codes.join(", ")).toBe(1);
  return codes[0] !== "ok";
}

const passOn = (sides: readonly Side[], steps: number): boolean =>
  fails(sides, ({ buffers }) => {
    for (let i = 0; i < steps && buffers.some((b) => b.step()); i++);
  });

/** Everybody's state is saved while records come; each may go on with that of another. True when those records failed. */
function savepoint(sides: readonly Side[], { r, node }: { r: Random; node: string }): boolean {
  const open = sides.map(({ program }) =>
    program.keyed.map((k) => ({ keyed: k, snapshot: k.beginSnapshot(), shards: k.shards() })),
  );
  const meanwhile = r.chance(0.5) ? randomBatch(r) : batchOf([]);
  const failed = fails(sides, (program) => program.inputs.get(node)?.process(meanwhile));
  useAgain(meanwhile);
  const saved = open.map((nodes) =>
    nodes.map(({ keyed, snapshot, shards }) => {
      const chunks = new Map(shards.map((s) => [s, [...snapshot.chunks(s)]]));
      snapshot.release();
      return { node: keyed.node, chunks, version: keyed.stateVersion };
    }),
  );
  for (const other of saved.slice(1)) expect(saved[0]?.map(entriesOf)).toEqual(other.map(entriesOf));
  if (failed || r.chance(0.5)) return failed;
  const swap = r.below(3);
  sides.forEach((at, i) => {
    at.program = at.start();
    for (const { node: name, chunks, version } of saved[(i + swap) % 3] ?? []) {
      const keyed = at.program.keyed.find((k) => k.node === name);
      for (const [shard, buffers] of chunks) keyed?.restore(shard, buffers, version);
    }
  });
  return false;
}

/** How many bytes of which shards; their order is by key in one, by arrival in the other. */
function entriesOf({ node, chunks }: { node: string; chunks: ReadonlyMap<number, readonly Buffer[]> }): unknown {
  const counted = [...chunks].map(([shard, buffers]) => {
    const entries = buffers.reduce((sum, chunk) => sum + chunk.readUInt32LE(8), 0);
    const bytes = buffers.reduce((sum, chunk) => sum + chunk.length - 12, 0);
    return { shard, entries, bytes, watermarks: [...new Set(buffers.map((chunk) => chunk.readDoubleLE(0)))] };
  });
  return { node, counted };
}

function same(sides: readonly Side[]): void {
  const [stored, ...others] = sides;
  for (const other of others)
    for (const [name, written] of stored?.sinks ?? [])
      expect(written.map(normal), name).toEqual((other.sinks.get(name) ?? []).map(normal));
  const counters = sides.map(({ program }) => JSON.stringify([...program.counters()]));
  expect(new Set(counters).size, counters.join("\n")).toBe(1);
}

/** Copied values keep their spelling (`1.0`, escapes, spaces). */
function normal({ value }: { value: string }): string {
  try {
    return JSON.stringify(JSON.parse(value));
  } catch {
    return value;
  }
}
