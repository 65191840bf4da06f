import { expect, it } from "vitest";
import { compile } from "../../src/engine/codegen/compile.ts";
import { interpret } from "../../src/engine/interpreter/interpret.ts";
import { readRows } from "../../src/engine/joins/row-codec.ts";
import type { Plan } from "../../src/engine/plan.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import type { KeyedNode, Program, ProgramOptions } from "../../src/engine/program.ts";
import { isWeirError } from "../../src/errors.ts";
import type { Batch, Row } from "../../src/engine/batch.ts";
import { answersOf } from "../builders/given-answers.ts";
import type { GivenAnswers } from "../builders/given-answers.ts";
import { inMemory } from "../builders/found-by-shape.ts";
import { hostileDocument } from "../builders/hostile-json.ts";
import { batchOf, rowBatch, useAgain } from "../builders/memory-batch.ts";
import { memorySink } from "../builders/memory-sink.ts";
import type { Written } from "../builders/memory-sink.ts";
import { randomFunctions } from "../builders/random-function.ts";
import { randomPipeline } from "../builders/random-pipeline.ts";
import { random } from "../builders/random.ts";
import type { Random } from "../builders/random.ts";

const PIPELINES = process.env["WEIR_LONG"] === "1" ? 20_000 : 600;

it("runs generated code as the interpreter runs the plan, for any pipeline, record and checkpoint", () => {
  const seen = { records: 0, written: 0, snapshots: 0, failures: 0 };
  for (let seed = 1; seed <= PIPELINES; seed++) {
    const r = random(seed);
    const pipeline = randomPipeline(r);
    const plan = planPipeline(pipeline, { parameters: { limit: "3" }, maxParallelism: 64 });
    try {
      runBoth(plan, r, seen);
    } catch (cause) {
      throw new Error(`seed ${seed}: ${JSON.stringify(pipeline.nodes)}`, { cause });
    }
  }
  console.log(`chains: ${PIPELINES} pipelines, ${JSON.stringify(seen)}, 0 differences`);
  expect(seen.written).toBeGreaterThan(PIPELINES);
  expect(seen.snapshots).toBeGreaterThan(PIPELINES / 2);
});

interface Side {
  program: Program;
  answers: ReadonlyMap<string, GivenAnswers>;
  readonly start: () => Pick<Side, "program" | "answers">;
  readonly sinks: ReadonlyMap<string, readonly Written[]>;
  /** What `peek` nodes showed. */
  readonly shown: string[];
}

function side(plan: Plan, make: (plan: Plan, options: ProgramOptions) => Program, rows = false): Side {
  const sinks = new Map(plan.sinks.map((s) => [s.node, memorySink({ rows })]));
  const writers = new Map([...sinks].map(([name, sink]) => [name, sink.writer]));
  const shown: string[] = [];
  const peek = (node: string, text: string): void => void shown.push(`${node} ${canonical(text)}`);
  const start = (): Pick<Side, "program" | "answers"> => {
    const answers = answersOf(plan);
    const program = make(plan, {
      slot: 0,
      slots: 1,
      sinks: writers,
      parameters: plan.parameters,
      peek,
      functions: randomFunctions(plan),
      lookups: answers,
    });
    return { program, answers };
  };
  return { ...start(), start, shown, sinks: new Map([...sinks].map(([name, sink]) => [name, sink.written])) };
}

type Seen = Record<"records" | "written" | "snapshots" | "failures", number>;

function runBoth(plan: Plan, r: Random, seen: Seen): void {
  const sides = { generated: side(plan, compile, r.chance(0.5)), oracle: side(plan, interpret) };
  const { generated, oracle } = sides;
  const watermarks = new Map(plan.sources.map((s) => [s.node, 0]));
  let clock = 1000;
  for (let turn = 0; turn < 6; turn++) {
    const { node } = r.pick(plan.sources as [Plan["sources"][number]]);
    clock += r.below(5000) - 500;
    if (both(generated, oracle, (program) => program.advanceProcessingTime(clock))) return;
    if (readBatch(sides, { r, node, seen })) {
      seen.failures++;
      return;
    }
    if (r.chance(0.3)) {
      if (passOn(generated, oracle, Infinity)) return;
      seen.snapshots++;
      if (checkpoint(generated, oracle, { r, node })) return;
      if (both(generated, oracle, (program) => program.advanceProcessingTime(clock))) return;
    }
    const watermark = (watermarks.get(node) ?? 0) + r.below(9000) - 1000;
    watermarks.set(node, watermark);
    if (both(generated, oracle, (program) => program.advanceWatermark(node, watermark))) return;
    if (arrive(generated, oracle, r)) return;
    same(generated, oracle);
  }
  end(plan, sides);
  for (const written of generated.sinks.values()) seen.written += written.length;
}

interface Sides {
  readonly generated: Side;
  readonly oracle: Side;
}

/** True when a record failed. */
function readBatch({ generated, oracle }: Sides, { r, node, seen }: { r: Random; node: string; seen: Seen }): boolean {
  const batch = randomBatch(r);
  seen.records += batch.n;
  const failed = both(generated, oracle, (program) => program.inputs.get(node)?.process(batch));
  useAgain(batch);
  same(generated, oracle);
  if (failed || passOn(generated, oracle, r.below(6))) return true;
  expect(generated.program.inputs.get(node)?.maxEventTime).toBe(oracle.program.inputs.get(node)?.maxEventTime);
  return false;
}

function end(plan: Plan, { generated, oracle }: Sides): void {
  if (both(generated, oracle, (program) => plan.sources.forEach((s) => program.end(s.node)))) return;
  if (passOn(generated, oracle, Infinity)) return;
  while ([...generated.answers.keys()].some((node) => arriveAt(generated, oracle, node, 0)))
    if (passOn(generated, oracle, Infinity)) return;
  for (const { program } of [generated, oracle]) expect(program.buffers.every((b) => b.ended)).toBe(true);
  // Where a key is depends on its hash.
  const [mine, other] = [generated, oracle].map(({ program }) => program.keyed.map((k) => [k.node, k.shards()]));
  expect(mine).toEqual(other);
  same(generated, oracle);
}

/** Some of the answers that lookups wait for come, in any order. True when a record failed. */
function arrive(generated: Side, oracle: Side, r: Random): boolean {
  for (const node of generated.answers.keys())
    for (let n = r.below(30); n > 0; n--) arriveAt(generated, oracle, node, r.below(20));
  return passOn(generated, oracle, r.below(6));
}

function arriveAt(generated: Side, oracle: Side, node: string, number: number): boolean {
  const [mine, other] = [generated, oracle].map(({ answers }) => answers.get(node)?.arrive(number));
  expect(mine).toBe(other);
  return mine === true;
}

/** Lets what waits in buffers go on by so many steps; true when a record failed. */
function passOn(generated: Side, oracle: Side, steps: number): boolean {
  return both(generated, oracle, ({ buffers }) => {
    for (let i = 0; i < steps && buffers.some((b) => b.step()); i++);
  });
}

function randomBatch(r: Random): Batch {
  const records = Array.from({ length: r.below(30) }, () => {
    if (r.chance(0.02)) return null;
    if (r.chance(0.5)) return hostileDocument(r);
    return JSON.stringify({
      type: "metrics",
      ts: r.below(30_000),
      tenant: `tenant-${r.below(5)}`,
      payload: { lag: r.below(20_000), host: "h" },
    });
  });
  const rows = records.map(objectOf).filter((row) => row !== undefined);
  if (r.chance(0.3)) return rowBatch(rows, r.below(4), () => r.below(30_000));
  const batch = batchOf(records, r.below(4), () => r.below(30_000));
  // Kafka's lie where they are scanned, those of others do not.
  return batch.n % 2 === 0 ? batch : { ...batch, ...inMemory(batch) };
}

function objectOf(text: string | Buffer | null): Row | undefined {
  try {
    const value: unknown = JSON.parse(String(text));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Row) : undefined;
  } catch {
    return undefined;
  }
}

/** Runs both; true when both failed, which they must do alike. */
function both(generated: Side, oracle: Side, run: (program: Program) => void): boolean {
  const codes = [generated, oracle].map(({ program }) => {
    try {
      run(program);
      return "ok";
    } catch (e) {
      if (!isWeirError(e)) throw e;
      return e.code;
    }
  });
  expect(codes[0]).toBe(codes[1]);
  return codes[0] !== "ok";
}

/** A barrier, records that come while it is written, then a restart, sometimes from the other side's state. True when those records failed. */
function checkpoint(generated: Side, oracle: Side, { r, node }: { r: Random; node: string }): boolean {
  const late = batchOf([]);
  const open = [generated, oracle].map(({ program }) =>
    program.keyed.map((k) => ({ node: k, snapshot: k.beginSnapshot(), shards: k.shards() })),
  );
  const more = r.chance(0.5) ? randomBatch(r) : late;
  const failed = both(generated, oracle, (program) => program.inputs.get(node)?.process(more));
  useAgain(more);
  const saved = open.map((nodes) =>
    nodes.map(({ node: keyed, snapshot, shards }) => {
      const chunks = new Map(shards.map((s) => [s, [...snapshot.chunks(s)]]));
      snapshot.release();
      return { node: keyed.node, chunks, version: keyed.stateVersion, isJoin: /;join=/.test(keyed.stateSignature) };
    }),
  );
  expect(saved[0]?.map(meaning)).toEqual(saved[1]?.map(meaning));
  if (failed || r.chance(0.5)) return failed;
  const swap = r.chance(0.5) ? 1 : 0;
  [generated, oracle].forEach((at, i) => {
    Object.assign(at, at.start());
    for (const { node: name, chunks, version } of saved[(i + swap) % 2] ?? []) {
      const keyed = at.program.keyed.find((k) => k.node === name) as KeyedNode;
      for (const [shard, buffers] of chunks) keyed.restore(shard, buffers, version);
    }
  });
  return false;
}

/** The bytes of saved state; of a join's records, which keep their spelling, what they say. */
function meaning(saved: { chunks: ReadonlyMap<number, readonly Buffer[]>; isJoin: boolean }): unknown {
  if (!saved.isJoin) return saved;
  return [...saved.chunks].map(([shard, chunks]) => {
    const rows: { order: string; row: unknown }[] = [];
    const floors = chunks.map((chunk) =>
      readRows(chunk, ({ side, ts, matched, key, row }) => {
        const text = chunk.toString("utf8", key.start, key.stop);
        const value = canonical(chunk.toString("utf8", row.start, row.end));
        rows.push({ order: `${side} ${String(ts).padStart(20)}`, row: { side, ts, matched, text, value } });
      }),
    );
    return { shard, floors, rows: rows.toSorted((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : 0)) };
  });
}

function same(generated: Side, oracle: Side): void {
  for (const [name, written] of generated.sinks) {
    const expected = oracle.sinks.get(name) ?? [];
    if (equal(written, expected)) continue;
    expect(written.map(normal)).toEqual(expected.map(normal));
  }
  expect(generated.shown).toEqual(oracle.shown);
  expect(facts(generated.program)).toBe(facts(oracle.program));
}

function facts(program: Program): string {
  const keyed = program.keyed.map((k) => [k.node, k.size(), String(k.watermark), k.shards(), k.stateSignature]);
  const buffers = program.buffers.map((b) => [b.plan.node, b.pending, b.dropped, b.full]);
  return JSON.stringify([[...program.counters()], keyed, buffers]);
}

function equal(a: readonly Written[], b: readonly Written[]): boolean {
  return (
    a.length === b.length &&
    a.every(
      (w, i) => w.value === b[i]?.value && w.key === b[i]?.key && w.ts === b[i]?.ts && w.headers === b[i]?.headers,
    )
  );
}

/** Copied values keep their spelling (`1.0`, escapes, spaces), so results are compared as JSON. */
function normal({ value, key, ts, headers }: Written): unknown {
  return { value: canonical(value), key, ts, headers };
}

function canonical(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return text;
  }
}
