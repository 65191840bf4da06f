import { describe, expect, it } from "vitest";
import type { PipelineNode } from "../../src/api/pipeline.schema.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import type { Program } from "../../src/engine/program.ts";
import { batchOf } from "../builders/memory-batch.ts";
import { memorySink } from "../builders/memory-sink.ts";
import { random } from "../builders/random.ts";
import type { Random } from "../builders/random.ts";
import { restarted } from "../builders/restarted-programs.ts";
import { windowModel } from "../builders/window-model.ts";
import type { ModelWindow, Row, WindowModel } from "../builders/window-model.ts";

const RUNS = process.env["WEIR_LONG"] === "1" ? 20_000 : 250;
const SHARDS = 3;

type Kind = ModelWindow["kind"];

function randomWindow(kind: Kind, r: Random): ModelWindow {
  switch (kind) {
    case "tumbling":
      return { kind, size: 1 + r.below(20) };
    case "sliding": {
      const every = 1 + r.below(8);
      return { kind, every, size: every + r.below(16) };
    }
    case "cumulate": {
      const step = 1 + r.below(6);
      return { kind, step, max: step * (1 + r.below(5)) };
    }
    case "session":
      return { kind, gap: 1 + r.below(8) };
  }
}

function specOf(window: ModelWindow): NonNullable<PipelineNode["window"]> {
  switch (window.kind) {
    case "tumbling":
      return { tumbling: { size: `${window.size}ms` } };
    case "sliding":
      return { sliding: { size: `${window.size}ms`, every: `${window.every}ms` } };
    case "cumulate":
      return { cumulate: { step: `${window.step}ms`, max: `${window.max}ms` } };
    case "session":
      return { session: { gap: `${window.gap}ms` } };
  }
}

describe.each<Kind>(["tumbling", "sliding", "cumulate", "session"])("%s windows", (kind) => {
  it("are those of a list that is searched anew each time, whatever is late, wherever a restore or rescale falls", () => {
    const seen = { rows: 0, late: 0, restores: 0 };
    for (let seed = 1; seed <= RUNS; seed++) {
      const r = random(seed);
      const window = randomWindow(kind, r);
      const lateness = r.chance(0.5) ? 0 : r.below(25);
      const counts = runBoth(r, { window, lateness, seed });
      seen.rows += counts.rows;
      seen.late += counts.late;
      seen.restores += counts.restores;
    }
    console.log(`${kind} windows: ${RUNS} runs, ${JSON.stringify(seen)}, 0 differences`);
    expect(Math.min(seen.rows, seen.late, seen.restores)).toBeGreaterThan(RUNS / 10);
  });

  it("of processing time are those of the moments at which records came, wherever a restore or rescale falls", () => {
    const seen = { rows: 0, restores: 0 };
    for (let seed = 1; seed <= RUNS; seed++) {
      const r = random(seed);
      const counts = runByClock(r, { window: randomWindow(kind, r), seed });
      seen.rows += counts.rows;
      seen.restores += counts.restores;
    }
    console.log(`${kind} windows of processing time: ${RUNS} runs, ${JSON.stringify(seen)}, 0 differences`);
    expect(Math.min(seen.rows, seen.restores)).toBeGreaterThan(RUNS / 10);
  });
});

/** For the model, a record's time is what the clock said last. */
function runByClock(r: Random, of: { window: ModelWindow; seed: number }) {
  const model = windowModel(of.window, 0);
  const { start, results } = engine({ ...specOf(of.window), time: "Processing" });
  let programs = [start()];
  let clock = 1000;
  const say = (now: number): void => programs.forEach((program) => program.advanceProcessingTime(now));
  const counts = { rows: 0, restores: 0 };
  for (let turn = 0; turn < 12; turn++) {
    clock += r.below(12);
    say(clock);
    model.advance(clock - 1);
    counts.rows += sameRows(results(), model, { ...of, turn });
    // A clock that is set back does not set time back.
    if (r.chance(0.2)) say(clock - r.below(10));
    send(r, programs, { model, watermark: clock, arrival: clock });
    if (!r.chance(0.25)) continue;
    counts.restores++;
    programs = restarted(programs, Array.from({ length: 1 + r.below(3) }, start));
  }
  for (const program of programs) program.end("events");
  model.advance(Number.POSITIVE_INFINITY);
  counts.rows += sameRows(results(), model, of);
  return counts;
}

function runBoth(r: Random, of: { window: ModelWindow; lateness: number; seed: number }) {
  const model = windowModel(of.window, of.lateness);
  const { start, results, late } = engine({ ...specOf(of.window), allowedLateness: `${of.lateness}ms` });
  let programs = [start()];
  let watermark = -50;
  const counts = { rows: 0, late: 0, restores: 0 };
  for (let turn = 0; turn < 12; turn++) {
    send(r, programs, { model, watermark });
    watermark += r.below(20);
    for (const program of programs) program.advanceWatermark("events", watermark);
    model.advance(watermark);
    counts.rows += sameRows(results(), model, { ...of, turn });
    if (!r.chance(0.25)) continue;
    counts.restores++;
    programs = restarted(programs, Array.from({ length: 1 + r.below(3) }, start));
    for (const program of programs) program.advanceWatermark("events", watermark);
  }
  for (const program of programs) program.end("events");
  model.advance(Number.POSITIVE_INFINITY);
  counts.rows += sameRows(results(), model, of);
  expect({ ...of, late: late() }).toEqual({ ...of, late: model.late });
  return { ...counts, late: model.late };
}

/** A batch of one split to the program that owns it. Keys are of one split only, as in a source partitioned by them. */
function send(
  r: Random,
  programs: readonly Program[],
  { model, watermark, arrival }: { model: WindowModel; watermark: number; arrival?: number },
) {
  const split = r.below(SHARDS);
  const records = Array.from({ length: r.below(8) }, () => ({
    k: `${split}-${r.below(3)}`,
    ts: watermark - 20 + r.below(60),
    v: r.below(100),
  }));
  const lines = records.map((x) => JSON.stringify(x));
  programs[split % programs.length]?.inputs.get("events")?.process(batchOf(lines, split));
  records.forEach((x) => model.send({ ...x, ts: arrival ?? x.ts, split }));
}

function sameRows(rows: readonly Row[], model: WindowModel, of: object): number {
  const sorted = (all: readonly Row[]): string[] => all.map((row) => JSON.stringify(row)).toSorted();
  expect({ ...of, rows: sorted(rows) }).toEqual({ ...of, rows: sorted(model.rows) });
  model.rows = [];
  return rows.length;
}

function engine(window: NonNullable<PipelineNode["window"]>) {
  const byClock = window.time === "Processing";
  const nodes: PipelineNode[] = [
    { name: "events", source: { datagen: {} }, partitionedBy: "event.k", eventTime: { field: "event.ts" } },
    {
      name: "w",
      from: ["events"],
      keyBy: "event.k",
      window,
      aggregate: {
        n: "count()",
        sum: "sum(event.v)",
        max: "max(event.v)",
        first: "first(event.v)",
        last: "last(event.v)",
      },
    },
    { name: "out", from: ["w"], sink: { blackhole: {} } },
    ...(byClock ? [] : [{ name: "late", from: ["w.late"], sink: { blackhole: {} } }]),
  ];
  const [out, late] = [memorySink(), memorySink()];
  const sinks = new Map([
    ["out", out.writer],
    ["late", late.writer],
  ]);
  const plan = planPipeline({ nodes }, { parameters: {}, maxParallelism: 8 });
  return {
    start: () => compile(plan, { slot: 0, slots: 1, parameters: {}, sinks }),
    results: () => out.written.splice(0).map(({ value }) => JSON.parse(value) as Row),
    late: () => late.written.length,
  };
}
