import { describe, expect, it } from "vitest";
import type { PipelineNode } from "../../src/api/pipeline.schema.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import type { Program } from "../../src/engine/program.ts";
import { joined, onTime } from "../builders/join-model.ts";
import type { ModelJoin, ModelRow } from "../builders/join-model.ts";
import { batchOf } from "../builders/memory-batch.ts";
import { memorySink } from "../builders/memory-sink.ts";
import { random } from "../builders/random.ts";
import type { Random } from "../builders/random.ts";
import { restarted } from "../builders/restarted-programs.ts";

const RUNS = process.env["WEIR_LONG"] === "1" ? 10_000 : 150;
const SHARDS = 3;

/** `unit`: ms of a step of time; rows are dropped in spans of at least a second. */
const randomJoin = (kind: ModelJoin["kind"], r: Random, unit: number): ModelJoin => ({
  kind,
  size: (1 + r.below(25)) * unit,
  before: r.below(3) * r.below(20) * unit,
  after: r.below(3) * r.below(20) * unit,
  ttl: r.below(2) * (1 + r.below(30)) * unit,
  type: kind === "unbounded" ? "Inner" : r.pick(["Inner", "Left", "Outer"]),
});

describe.each<ModelJoin["kind"]>(["window", "interval", "unbounded"])("a join: %s", (kind) => {
  it("gives what SQL gives of the records that came in time, wherever a restore or rescale falls", () => {
    const seen = { records: 0, rows: 0, late: 0, restores: 0 };
    for (let seed = 1; seed <= RUNS; seed++) {
      const r = random(seed);
      const unit = r.pick([1, 400]);
      run(r, randomJoin(kind, r, unit), { seen, seed, unit });
    }
    console.log(`${kind} joins: ${RUNS} runs, ${JSON.stringify(seen)}, 0 differences`);
    expect(Math.min(seen.rows, seen.restores)).toBeGreaterThan(RUNS / 10);
    if (kind !== "unbounded") expect(seen.late).toBeGreaterThan(RUNS / 10);
  });
});

type Seen = Record<"records" | "rows" | "late" | "restores", number>;

function run(r: Random, join: ModelJoin, { seen, seed, unit }: { seen: Seen; seed: number; unit: number }): void {
  const { start, rows, late } = engine(join);
  const kept: ModelRow[] = [];
  const lost: ModelRow[] = [];
  const sent = new Map<ModelRow, number>();
  const at = { l: -40 * unit, r: -40 * unit };
  let programs = [start()];
  for (let turn = 0; turn < 14; turn++) {
    const watermark = Math.min(at.l, at.r);
    for (const row of send(r, programs, turn, { watermark, unit })) {
      (onTime(join, row, watermark) ? kept : lost).push(row);
      sent.set(row, watermark);
    }
    for (const side of ["l", "r"] as const) {
      at[side] += r.below(20) * unit;
      for (const program of programs) program.advanceWatermark(side, at[side]);
    }
    if (!r.chance(0.3)) continue;
    seen.restores++;
    programs = restarted(programs, Array.from({ length: 1 + r.below(3) }, start));
    for (const side of ["l", "r"] as const) for (const program of programs) program.advanceWatermark(side, at[side]);
  }
  for (const side of ["l", "r"] as const) for (const program of programs) program.advanceWatermark(side, 1e6);
  const found = rows().toSorted();
  const expected = joined(join, kept, (row) => sent.get(row) as number);
  expect({ seed, join, rows: found }).toEqual({ seed, join, rows: expected.toSorted() });
  expect(late().toSorted((a, b) => a - b)).toEqual(lost.map((row) => row.id).toSorted((a, b) => a - b));
  if (forgets(join)) expect(programs.map((p) => p.keyed[0]?.size())).toEqual(programs.map(() => 0));
  seen.records += kept.length + lost.length;
  seen.rows += found.length;
  seen.late += lost.length;
}

const forgets = ({ kind, ttl }: ModelJoin): boolean => kind !== "unbounded" || ttl > 0;

/** Records of some splits to the workers that own them. */
function send(
  r: Random,
  programs: readonly Program[],
  turn: number,
  now: { watermark: number; unit: number },
): ModelRow[] {
  const { watermark, unit } = now;
  const sent: ModelRow[] = [];
  for (let batch = 0; batch < 2; batch++) {
    const side = r.pick(["l", "r"] as const);
    const split = r.below(SHARDS);
    const rows = Array.from({ length: r.below(10) }, (_, i): ModelRow => {
      const k = r.chance(0.1) ? null : `${split}-${r.below(3)}`;
      return {
        side,
        k,
        ts: Math.max(watermark, -20 * unit) + (r.below(30) - 6) * unit,
        id: turn * 100 + batch * 50 + i,
      };
    });
    programs[split % programs.length]?.inputs.get(side)?.process(
      batchOf(
        rows.map((row) => JSON.stringify(row)),
        split,
      ),
    );
    sent.push(...rows);
  }
  return sent;
}

function engine({ kind, size, before, after, ttl, type }: ModelJoin) {
  const times = {
    window: { window: { size: `${size}ms` } },
    interval: { interval: { before: `${before}ms`, after: `${after}ms` } },
    unbounded: {},
  }[kind];
  const nodes: PipelineNode[] = [
    ...["l", "r"].map((name): PipelineNode => ({
      name,
      source: { datagen: { splits: SHARDS } },
      partitionedBy: "event.k",
      eventTime: { field: "event.ts" },
    })),
    {
      name: "j",
      from: ["l", "r"],
      ...(kind === "unbounded" && ttl > 0 ? { ttl: `${ttl}ms` } : {}),
      join: { ...times, type, leftKey: "left.k", rightKey: "right.k", select: { l: "left.id", r: "right.id" } },
    },
    { name: "out", from: ["j"], sink: { blackhole: {} } },
    ...(kind === "unbounded" ? [] : [{ name: "late", from: ["j.late"], sink: { blackhole: {} } }]),
  ];
  const plan = planPipeline({ nodes }, { parameters: {}, maxParallelism: 8 });
  expect(plan.parallelismLimit).toBe(null);
  const sinks = new Map(["out", "late"].map((name) => [name, memorySink()]));
  const writers = new Map([...sinks].map(([name, { writer }]) => [name, writer]));
  const taken = (name: string) => sinks.get(name)?.written ?? [];
  return {
    start: () => compile(plan, { slot: 0, slots: 1, parameters: {}, sinks: writers }),
    rows: () => taken("out").map(({ value, ts }) => `${value} at ${ts}`),
    late: () => taken("late").map(({ value }) => (JSON.parse(value) as { id: number }).id),
  };
}
