import { expect, it } from "vitest";
import type { Pipeline } from "../../src/api/pipeline.schema.ts";
import { restoreDivided, type SplitPart } from "../../src/engine/checkpoint/divide.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import type { Plan } from "../../src/engine/plan.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import type { KeyedNode, Program } from "../../src/engine/program.ts";
import { murmur2, shardOf } from "../../src/engine/windows/murmur2.ts";
import { batchOf } from "../builders/memory-batch.ts";
import { memorySink } from "../builders/memory-sink.ts";
import { randomFunctions } from "../builders/random-function.ts";
import { randomPipeline } from "../builders/random-pipeline.ts";
import { random } from "../builders/random.ts";
import type { Random } from "../builders/random.ts";

const SEEDS = process.env["WEIR_LONG"] === "1" ? 60_000 : 4_000;
const SPLITS = 4;
const SHARDS = 8;
const kindOf = (node: Plan["nodes"][number]): string => {
  if (node.kind === "windowAggregate") return `${node.window.type} window`;
  if (node.kind === "keyedAggregate") return `aggregate by ${node.trigger.type}`;
  return node.kind === "join" ? `${node.times.type} join` : node.kind;
};

/** Pipelines of which all keys are the one that splits are by: then the order of splits means nothing to any result. */
function plansOf(pipeline: Pipeline): { declared: Plan; hashed: Plan } | undefined {
  const { nodes } = pipeline;
  const lossy = nodes.some((n) => n.buffer !== undefined || n.rateLimit !== undefined || n.join?.lookup !== undefined);
  if (lossy || nodes.some((n) => n.broadcast !== undefined || n.onError === "Fail")) return undefined;
  const planOf = (over: object): Plan =>
    planPipeline(
      {
        ...pipeline,
        nodes: nodes.map((n) => (n.source === undefined ? n : { ...n, partitionedBy: undefined, ...over })),
      },
      { parameters: { limit: "3" }, maxParallelism: SHARDS },
    );
  const declared = planOf({ partitionedBy: "event.tenant" });
  const keyings = declared.nodes.flatMap((n) => ("keying" in n ? [n.keying] : []));
  if (keyings.length === 0 || keyings.some((keying) => keying !== "declared")) return undefined;
  return { declared, hashed: planOf({}) };
}

interface Workers {
  readonly programs: readonly Program[];
  /** Which of them has the key. */
  readonly of: (event: Event) => number;
  readonly rows: () => string[];
}

interface Event {
  readonly tenant: string;
  readonly split: number;
  readonly text: string;
}

function workersOf(plan: Plan, count: number, of: Workers["of"]): Workers {
  const sinks = new Map(plan.sinks.map((s) => [s.node, memorySink()]));
  const writers = new Map([...sinks].map(([name, { writer }]) => [name, writer]));
  const options = { slots: count, sinks: writers, parameters: plan.parameters, functions: randomFunctions(plan) };
  const programs = Array.from({ length: count }, (_, slot) => compile(plan, { ...options, slot }));
  return {
    programs,
    of,
    rows: () => [...sinks.values()].flatMap(({ written }) => written.splice(0).map((row) => JSON.stringify(row))),
  };
}

const shardOfTenant = (tenant: string): number => {
  const key = Buffer.from(JSON.stringify(tenant));
  return shardOf(murmur2(key, 0, key.length), SHARDS);
};

function eventOf(r: Random): Event {
  const number = r.below(12);
  const tenant = `tenant-${number}`;
  const payload = { lag: r.below(20_000), host: "h" };
  const text = JSON.stringify({ type: r.pick(["metrics", "a"]), ts: r.below(30_000), tenant, a: r.below(3), payload });
  return { tenant, split: number % SPLITS, text };
}

function send({ programs, of }: Workers, node: string, events: readonly Event[]): void {
  for (const event of events) programs[of(event)]?.inputs.get(node)?.process(batchOf([event.text], event.split));
}

/** The state of all workers, as a savepoint of theirs would have it. */
function savedOf({ programs }: Workers, node: string): SplitPart[] {
  return programs.map((program, slot) => {
    const keyed = program.keyed.find((k) => k.node === node) as KeyedNode;
    const snapshot = keyed.beginSnapshot();
    const shards = keyed.shards().map((shard) => {
      const saved = [...snapshot.chunks(shard)];
      const watermark = Math.max(...saved.map((chunk) => chunk.readDoubleLE(0)));
      const chunks = async function* () {
        yield* await Promise.resolve(saved);
      };
      return { shard, watermark, chunks };
    });
    snapshot.release();
    return { saved: { shards, watermark: keyed.watermark }, version: keyed.stateVersion, uri: `slot ${slot}` };
  });
}

async function changed(before: Workers, plan: Plan, r: Random): Promise<Workers> {
  const slots = 1 + r.below(3);
  const after = workersOf(plan, slots, ({ tenant }) => shardOfTenant(tenant) % slots);
  const held = r.chance(0.5) ? 64 : 1e9;
  for (const [slot, program] of after.programs.entries())
    for (const node of program.keyed)
      await restoreDivided(node, savedOf(before, node.node), { slot, slots, maxParallelism: SHARDS }, held);
  return after;
}

interface Turns {
  readonly plan: Plan;
  readonly r: Random;
  readonly clock: { at: number };
  readonly watermarks: Map<string, number>;
}

function turn(workers: readonly Workers[], { plan, r, clock, watermarks }: Turns): void {
  const { node } = r.pick(plan.sources as [Plan["sources"][number]]);
  const events = Array.from({ length: r.below(60) }, () => eventOf(r));
  clock.at += r.below(3000);
  const watermark = (watermarks.get(node) ?? 0) + r.below(5000) - 500;
  watermarks.set(node, watermark);
  for (const of of workers) {
    for (const program of of.programs) program.advanceProcessingTime(clock.at);
    send(of, node, events);
    for (const program of of.programs) program.advanceWatermark(node, watermark);
  }
}

async function run({ declared, hashed }: { declared: Plan; hashed: Plan }, r: Random): Promise<number> {
  const slots = 1 + r.below(2);
  const before = workersOf(declared, slots, ({ split }) => split % slots);
  const turns: Turns = { plan: declared, r, clock: { at: 1000 }, watermarks: new Map() };
  for (let n = r.below(5); n >= 0; n--) turn([before], turns);
  before.rows();
  const after = await changed(before, hashed, r);
  for (const [node, watermark] of turns.watermarks)
    for (const program of after.programs) program.advanceWatermark(node, watermark);
  for (let n = r.below(5); n >= 0; n--) turn([before, after], turns);
  for (const { programs } of [before, after])
    for (const program of programs) for (const { node } of declared.sources) program.end(node);
  const rows = before.rows().toSorted();
  expect(after.rows().toSorted()).toEqual(rows);
  return rows.length;
}

it("goes on with keys by their hash as it would have with keys by split, for any pipeline", async () => {
  const seen = { pipelines: 0, rows: 0 };
  const kinds = new Map<string, number>();
  for (let seed = 1; seed <= SEEDS; seed++) {
    const r = random(seed);
    const pipeline = randomPipeline(r);
    const plans = plansOf(pipeline);
    if (plans === undefined) continue;
    try {
      seen.rows += await run(plans, r);
      seen.pipelines++;
      const keyed = plans.declared.nodes.filter((node) => "keying" in node);
      for (const kind of keyed.map(kindOf)) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    } catch (cause) {
      throw new Error(`seed ${seed}: ${JSON.stringify(pipeline.nodes)}`, { cause });
    }
  }
  console.log(
    `keys by split, then by hash: ${JSON.stringify({ ...seen, ...Object.fromEntries(kinds) })}, 0 differences`,
  );
  expect(seen.rows).toBeGreaterThan(1_000);
  expect(kinds.size).toBeGreaterThan(12);
});
