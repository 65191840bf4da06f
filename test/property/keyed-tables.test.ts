import { expect, it } from "vitest";
import type { PipelineNode } from "../../src/api/pipeline.schema.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import type { Plan } from "../../src/engine/plan.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import type { Program } from "../../src/engine/program.ts";
import { batchOf } from "../builders/memory-batch.ts";
import { memorySink } from "../builders/memory-sink.ts";
import { random } from "../builders/random.ts";
import type { Random } from "../builders/random.ts";
import { restarted } from "../builders/restarted-programs.ts";
import { tableModels } from "../builders/table-model.ts";
import type { Sent, TableModel } from "../builders/table-model.ts";

const RUNS = process.env["WEIR_LONG"] === "1" ? 10_000 : 120;
const SHARDS = 3;

type Models = Readonly<Record<string, TableModel>>;

it("are what a list of all records says, whatever is forgotten, wherever a restore, a rescale or another time to live falls", () => {
  const seen = { rows: 0, restores: 0, lives: 0 };
  for (let seed = 1; seed <= RUNS; seed++) {
    const r = random(seed);
    const counts = run(r, seed);
    seen.rows += counts.rows;
    seen.restores += counts.restores;
    seen.lives += counts.lives;
  }
  console.log(`keyed tables: ${RUNS} runs, ${JSON.stringify(seen)}, 0 differences`);
  expect(seen.rows).toBeGreaterThan(RUNS * 20);
  expect(seen.restores).toBeGreaterThan(RUNS);
  expect(seen.lives).toBeGreaterThan(RUNS / 2);
});

/** In ms of event time; 0 is for ever. */
const timeToLive = (r: Random): number => (r.chance(0.3) ? 0 : 1 + r.below(60));

function run(r: Random, seed: number): { rows: number; restores: number; lives: number } {
  let ttl = timeToLive(r);
  const models: Models = tableModels(ttl);
  const { start, take } = engine(Object.keys(models));
  let programs = [start(ttl)];
  let watermark = 0;
  const counts = { rows: 0, restores: 0, lives: 0 };
  for (let turn = 0; turn < 10; turn++) {
    const expected = send(r, programs, { models, watermark, turn });
    watermark += r.below(25);
    for (const program of programs) program.advanceWatermark("events", watermark);
    for (const [name, model] of Object.entries(models)) expected.get(name)?.push(...model.advance(watermark));
    for (const [name, rows] of expected) {
      const found = take(name);
      counts.rows += found.length;
      expect({ seed, turn, name, rows: byShard(found) }).toEqual({ seed, turn, name, rows: byShard(rows) });
    }
    if (!r.chance(0.3)) continue;
    counts.restores++;
    if (r.chance(0.5)) {
      counts.lives++;
      ttl = timeToLive(r);
      for (const model of Object.values(models)) model.live(ttl);
    }
    programs = restarted(
      programs,
      Array.from({ length: 1 + r.below(3) }, () => start(ttl)),
    );
    for (const program of programs) program.advanceWatermark("events", watermark);
  }
  return counts;
}

/** Any program may have a shard; the order within it is the same. */
const byShard = (rows: readonly object[]): object[] => {
  const shardOf = (row: object): string => (/"k":"(\d)/.exec(text(row)) as RegExpExecArray)[1] as string;
  return rows.toSorted((a, b) => shardOf(a).localeCompare(shardOf(b)));
};

const text = (row: object): string => JSON.stringify(row);

function send(
  r: Random,
  programs: readonly Program[],
  of: { models: Models; watermark: number; turn: number },
): Map<string, object[]> {
  const split = r.below(SHARDS);
  const records = Array.from({ length: r.below(12) }, (_, i): Sent => {
    const k = `${split}-${r.below(3)}`;
    return { k, ts: of.watermark - 5 + r.below(30), v: r.below(9), id: of.turn * 100 + i };
  });
  programs[split % programs.length]?.inputs.get("events")?.process(batchOf(records.map(text), split));
  return new Map(Object.entries(of.models).map(([name, model]) => [name, records.flatMap((x) => model.send(x))]));
}

function planOf(ttlMs: number, names: readonly string[]): Plan {
  const ttl = ttlMs === 0 ? {} : { ttl: `${ttlMs}ms` };
  const from = ["events"];
  const aggregate = { n: "count()", sum: "sum(event.v)", some: "collect(event.v, 3)", kinds: "countDistinct(event.v)" };
  const keyed = { from, keyBy: "event.k", ...ttl };
  const nodes: PipelineNode[] = [
    { name: "events", source: { datagen: {} }, partitionedBy: "event.k", eventTime: { field: "event.ts" } },
    { name: "updates", ...keyed, aggregate },
    { name: "filled", ...keyed, aggregate, window: { count: { size: 3 } } },
    { name: "counts", ...keyed, aggregate, window: { global: { trigger: { count: 2 } } } },
    { name: "times", ...keyed, aggregate, window: { global: { trigger: { every: "10ms" } } } },
    { name: "dedup", from, keyBy: "event.k", dedup: ttl },
    { name: "distinct", from, distinct: { by: "{'v': event.v, 'k': event.k}", ...ttl } },
    { name: "highest", ...keyed, topN: { size: 3, by: "event.v" } },
    { name: "lowest", ...keyed, topN: { size: 2, by: "event.v", order: "Ascending" } },
    ...names.map((name) => ({ name: `${name}-out`, from: [name], sink: { blackhole: {} } })),
  ];
  const plan = planPipeline({ nodes }, { parameters: {}, maxParallelism: 8 });
  // Shards by hash would meet in one worker; here keys are in one split each, so any number may share them.
  return {
    ...plan,
    nodes: plan.nodes.map((n) => ("keying" in n ? { ...n, keying: "declared" as const } : n)),
  };
}

function engine(names: readonly string[]) {
  const sinks = new Map(names.map((name) => [`${name}-out`, memorySink()]));
  const writers = new Map([...sinks].map(([name, { writer }]) => [name, writer]));
  return {
    start: (ttlMs: number) => compile(planOf(ttlMs, names), { slot: 0, slots: 1, parameters: {}, sinks: writers }),
    take: (name: string) =>
      (sinks.get(`${name}-out`)?.written.splice(0) ?? []).map(({ value }) => JSON.parse(value) as object),
  };
}
