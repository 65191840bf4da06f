import { expect, it } from "vitest";
import type { PipelineNode } from "../../src/api/pipeline.schema.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import type { Program } from "../../src/engine/program.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import { batchOf } from "../builders/memory-batch.ts";
import { memorySink } from "../builders/memory-sink.ts";
import { random } from "../builders/random.ts";
import type { Random } from "../builders/random.ts";

const RUNS = process.env["WEIR_LONG"] === "1" ? 20_000 : 1500;
const SHARDS = 3;

interface Sent {
  readonly k: string;
  readonly ts: number;
  readonly v: number;
  readonly split: number;
}

interface Row {
  readonly k: string;
  readonly windowEnd: number;
  readonly n: number;
  readonly sum: number;
  readonly max: number;
}

/** All records of a run in a list; a window's result is computed from it each time it is asked for. */
class Model {
  readonly rows: Row[] = [];
  late = 0;
  private readonly accepted: Sent[] = [];
  private readonly size: number;
  private readonly lateness: number;
  private watermark = -Infinity;

  constructor(size: number, lateness: number) {
    this.size = size;
    this.lateness = lateness;
  }

  private lastOf(ts: number): number {
    let last = -1 - this.size * 200;
    while (last < ts) last += this.size;
    return last;
  }

  private row(k: string, last: number): Row {
    const values = this.accepted.filter((r) => r.k === k && this.lastOf(r.ts) === last).map((r) => r.v);
    const sum = values.reduce((a, b) => a + b, 0);
    return { k, windowEnd: last + 1, n: values.length, sum, max: Math.max(...values) };
  }

  send(record: Sent): void {
    const last = this.lastOf(record.ts);
    if (this.watermark >= last + this.lateness) {
      this.late++;
      return;
    }
    this.accepted.push(record);
    if (this.watermark >= last) this.rows.push(this.row(record.k, last));
  }

  advance(to: number): void {
    const due = [...new Set(this.accepted.map((r) => this.lastOf(r.ts)))].filter((l) => l > this.watermark && l <= to);
    for (const last of due.toSorted((a, b) => a - b))
      for (let split = 0; split < SHARDS; split++) {
        const keys = this.accepted.filter((r) => r.split === split && this.lastOf(r.ts) === last).map((r) => r.k);
        for (const k of new Set(keys)) this.rows.push(this.row(k, last));
      }
    this.watermark = Math.max(this.watermark, to);
  }
}

it("gives the windows of a list that is searched anew each time, whatever comes late and wherever a restore falls", () => {
  const seen = { rows: 0, late: 0, restores: 0 };
  for (let seed = 1; seed <= RUNS; seed++) {
    const r = random(seed);
    const size = 1 + r.below(20);
    const lateness = r.chance(0.5) ? 0 : r.below(25);
    const model = new Model(size, lateness);
    const { rows, late, restores } = runEngine(r, { size, lateness }, model);
    expect({ seed, rows, late }).toEqual({ seed, rows: model.rows, late: model.late });
    seen.rows += rows.length;
    seen.late += late;
    seen.restores += restores;
  }
  console.log(`windows: ${RUNS} runs, ${JSON.stringify(seen)}, 0 differences`);
  expect(Math.min(seen.rows, seen.late, seen.restores)).toBeGreaterThan(RUNS / 10);
});

function runEngine(r: Random, { size, lateness }: { size: number; lateness: number }, model: Model) {
  const { plan, sinks } = windowed(size, lateness);
  const writers = new Map([...sinks].map(([name, { writer }]) => [name, writer]));
  const start = () => compile(plan, { slot: 0, slots: 1, parameters: {}, sinks: writers });
  let program = start();
  let watermark = -50;
  let restores = 0;
  for (let turn = 0; turn < 12; turn++) {
    const split = r.below(SHARDS);
    const records = Array.from({ length: r.below(8) }, () => ({
      // Keys of one split only, as in a source that is partitioned by them.
      k: `${split}-${r.below(3)}`,
      ts: watermark - 20 + r.below(60),
      v: r.below(100),
    }));
    program.inputs.get("events")?.process(
      batchOf(
        records.map((x) => JSON.stringify(x)),
        split,
      ),
    );
    records.forEach((x) => model.send({ ...x, split }));
    watermark += r.below(20);
    program.advanceWatermark("events", watermark);
    model.advance(watermark);
    if (!r.chance(0.2)) continue;
    restores++;
    program = restarted(program, start());
    program.advanceWatermark("events", watermark);
  }
  const rows = (sinks.get("out")?.written ?? []).map(
    ({ value }) => JSON.parse(value) as Row & { windowStart?: number },
  );
  for (const row of rows) delete row.windowStart;
  return { rows: rows as Row[], late: sinks.get("late")?.written.length ?? 0, restores };
}

/** What the runtime does at a restart: the state first, then the source's watermark, then records. */
function restarted(before: Program, after: Program): Program {
  const [from] = before.keyed;
  const [to] = after.keyed;
  const snapshot = from?.beginSnapshot();
  for (const shard of from?.shards() ?? []) to?.restore(shard, [...(snapshot?.chunks(shard) ?? [])], 1);
  return after;
}

function windowed(size: number, lateness: number) {
  const nodes: PipelineNode[] = [
    { name: "events", source: { datagen: {} }, partitionedBy: "event.k", eventTime: { field: "event.ts" } },
    {
      name: "w",
      from: ["events"],
      keyBy: "event.k",
      window: { tumbling: { size: `${size}ms` }, allowedLateness: `${lateness}ms` },
      aggregate: { n: "count()", sum: "sum(event.v)", max: "max(event.v)" },
    },
    { name: "out", from: ["w"], sink: { blackhole: {} } },
    { name: "late", from: ["w.late"], sink: { blackhole: {} } },
  ];
  const sinks = new Map(["out", "late"].map((name) => [name, memorySink()]));
  return { plan: planPipeline({ nodes }, { parameters: {}, maxParallelism: 8 }), sinks };
}
