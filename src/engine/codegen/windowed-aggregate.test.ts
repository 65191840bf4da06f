import { describe, expect, it } from "vitest";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { batchOf } from "../../../test/builders/memory-batch.ts";
import { memorySink } from "../../../test/builders/memory-sink.ts";
import type { Written } from "../../../test/builders/memory-sink.ts";
import { interpret } from "../interpreter/interpret.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";
import type { KeyedNode, Program } from "../program.ts";
import { compile } from "./compile.ts";

interface Run {
  program: Program;
  send(records: object[], split?: number): void;
  watermark(at: number): void;
  results(): unknown[];
  late(): unknown[];
}

const aggregate = { n: "count()", sum: "sum(event.v)", first: "first(event.v)" };

describe.each([
  ["generated", compile],
  ["interpreted", interpret],
] as const)("a tumbling window, %s", (_, make) => {
  function start(window: Partial<PipelineNode> = {}): Run {
    const nodes: PipelineNode[] = [
      { name: "events", source: { datagen: {} }, partitionedBy: "event.k", eventTime: { field: "event.ts" } },
      { name: "w", from: ["events"], keyBy: "event.k", window: { tumbling: { size: "10ms" } }, aggregate, ...window },
      { name: "out", from: ["w"], sink: { blackhole: {} } },
      { name: "late", from: ["w.late"], sink: { blackhole: {} } },
    ];
    const sinks = new Map(["out", "late"].map((name) => [name, memorySink()]));
    const program = make(planPipeline({ nodes }, { parameters: {}, maxParallelism: 8 }), {
      slot: 0,
      slots: 1,
      parameters: {},
      sinks: new Map([...sinks].map(([name, { writer }]) => [name, writer])),
    });
    const values = (written: readonly Written[] = []): unknown[] => written.map((w) => JSON.parse(w.value) as unknown);
    return {
      program,
      send: (records, split = 0) =>
        program.inputs.get("events")?.process(
          batchOf(
            records.map((r) => JSON.stringify(r)),
            split,
          ),
        ),
      watermark: (at) => program.advanceWatermark("events", at),
      results: () => values(sinks.get("out")?.written.splice(0)),
      late: () => values(sinks.get("late")?.written.splice(0)),
    };
  }

  it("fires when the watermark reaches the last millisecond of the window, and not before", () => {
    const run = start();
    run.send([
      { k: "a", ts: 1, v: 2 },
      { k: "a", ts: 9, v: 3 },
      { k: "a", ts: 10, v: 100 },
    ]);
    run.watermark(8);
    expect(run.results()).toEqual([]);
    run.watermark(9);
    expect(run.results()).toEqual([{ k: "a", windowStart: 0, windowEnd: 10, n: 2, sum: 5, first: 2 }]);
  });

  it("takes keys as equal that are the same value in other spellings", () => {
    const run = start();
    const spellings = [
      '"a"',
      '"\\u0061"',
      "1",
      "1.0",
      "10e-1",
      "0",
      "-0",
      '"é"',
      '"\\u00e9"',
      '["a"]',
      '[ "\\u0061" ]',
    ];
    run.program.inputs.get("events")?.process(batchOf(spellings.map((k) => `{"k":0,"k":${k},"ts":1,"v":1}`)));
    run.watermark(9);
    const counts = run.results().map((r) => [(r as { k: unknown }).k, (r as { n: number }).n]);
    expect(counts).toEqual([
      ["a", 2],
      [1, 3],
      [0, 2],
      ["é", 2],
      [["a"], 2],
    ]);
  });

  it("fires in order of window, then shard, then first arrival of the key", () => {
    const run = start();
    run.send(
      [
        { k: "z", ts: 15, v: 1 },
        { k: "b", ts: 1, v: 1 },
        { k: "a", ts: 2, v: 1 },
      ],
      3,
    );
    run.send([{ k: "c", ts: 3, v: 1 }], 1);
    run.watermark(100);
    expect(run.results().map((r) => (r as { k: string }).k)).toEqual(["c", "b", "a", "z"]);
  });

  it("sends a record that is too late to `late` and counts it", () => {
    const run = start();
    run.watermark(9);
    run.send([
      { k: "a", ts: 9, v: 1 },
      { k: "a", ts: 10, v: 1 },
    ]);
    expect(run.late()).toEqual([{ k: "a", ts: 9, v: 1 }]);
    expect(run.program.counters().get("w")).toMatchObject({ in: 2, late: 1, out: 0 });
  });

  it("fires again at once for a record within the allowed lateness, then forgets the window", () => {
    const run = start({ window: { tumbling: { size: "10ms" }, allowedLateness: "5ms" } });
    run.send([
      { k: "a", ts: 1, v: 2 },
      { k: "b", ts: 1, v: 7 },
    ]);
    run.watermark(13);
    run.results();
    run.send([{ k: "a", ts: 5, v: 3 }]);
    expect(run.results()).toEqual([{ k: "a", windowStart: 0, windowEnd: 10, n: 2, sum: 5, first: 2 }]);
    expect(run.program.keyed[0]?.size()).toBe(2);
    run.watermark(14);
    expect(run.program.keyed[0]?.size()).toBe(0);
    run.send([{ k: "a", ts: 5, v: 3 }]);
    expect(run.results()).toEqual([]);
    expect(run.late()).toHaveLength(1);
  });

  it("aligns windows to an offset, also before the epoch", () => {
    const run = start({ window: { tumbling: { size: "10ms", offset: "3ms" } } });
    run.send([
      { k: "a", ts: -8, v: 1 },
      { k: "a", ts: 2, v: 1 },
      { k: "a", ts: 3, v: 1 },
    ]);
    run.watermark(1000);
    expect(run.results()).toMatchObject([
      { windowStart: -17, windowEnd: -7 },
      { windowStart: -7, windowEnd: 3 },
      { windowStart: 3, windowEnd: 13 },
    ]);
  });

  it("keeps a text and a number of the same spelling apart", () => {
    const run = start();
    run.send([
      { k: "5", ts: 1, v: 1 },
      { k: 5, ts: 1, v: 1 },
      { k: "5", ts: 1, v: 1 },
    ]);
    run.watermark(9);
    expect(run.results()).toMatchObject([
      { k: "5", n: 2 },
      { k: 5, n: 1 },
    ]);
  });

  it("takes null as no value: sums, extremes and averages skip it", () => {
    const run = start({ aggregate: { s: "sum(event.v)", a: "avg(event.v)", m: "min(event.v)", n: "count()" } });
    run.send([
      { k: "a", ts: 1, v: null },
      { k: "a", ts: 1, v: 4 },
      { k: "b", ts: 1, v: null },
    ]);
    run.watermark(9);
    expect(run.results()).toMatchObject([
      { k: "a", s: 4, a: 4, m: 4, n: 2 },
      { k: "b", s: null, a: null, m: null, n: 1 },
    ]);
  });

  it("is not changed by a record of which one aggregate fails", () => {
    const run = start({ onError: "Skip" });
    run.send([
      { k: "a", ts: 1, v: 1 },
      { k: "a", ts: 1, v: "text" },
      { k: "a", ts: 1 },
      { k: {}, ts: 1, v: 1 },
    ]);
    run.watermark(9);
    expect(run.results()).toEqual([{ k: "a", windowStart: 0, windowEnd: 10, n: 1, sum: 1, first: 1 }]);
    expect(run.program.counters().get("w")).toMatchObject({ in: 4, errors: 3 });
  });

  it("keeps values of the barrier in a snapshot while records go on", () => {
    const run = start();
    const keys = Array.from({ length: 1000 }, (_, i) => `key-${i}`);
    run.send(keys.map((k) => ({ k, ts: 1, v: 1 })));
    const snapshot = (run.program.keyed[0] as KeyedNode).beginSnapshot();
    run.send(keys.map((k) => ({ k, ts: 1, v: 10 })));
    run.send([{ k: "new", ts: 1, v: 10 }]);
    const second = (run.program.keyed[0] as KeyedNode).beginSnapshot();
    run.send(keys.map((k) => ({ k, ts: 2, v: 100 })));
    run.watermark(9);
    expect(sumsAfterRestore(snapshot.chunks(0))).toEqual(new Map([[1, 1000]]));
    expect(sumsAfterRestore(second.chunks(0))).toEqual(
      new Map([
        [11, 1000],
        [10, 1],
      ]),
    );
    snapshot.release();
    second.release();
  });

  function sumsAfterRestore(chunks: Iterable<Buffer>): Map<number, number> {
    const run = start();
    run.program.keyed[0]?.restore(0, [...chunks], 1);
    run.watermark(9);
    const sums = new Map<number, number>();
    for (const row of run.results() as { sum: number }[]) sums.set(row.sum, (sums.get(row.sum) ?? 0) + 1);
    return sums;
  }

  it("knows after a restore what was late before, shard by shard", () => {
    const before = start();
    before.send([{ k: "a", ts: 1, v: 1 }], 2);
    before.watermark(25);
    const keyed = before.program.keyed[0] as KeyedNode;
    const chunks = [...keyed.beginSnapshot().chunks(2)];
    const run = start();
    run.program.keyed[0]?.restore(2, chunks, keyed.stateVersion);
    run.send([{ k: "a", ts: 1, v: 1 }], 2);
    run.send([{ k: "b", ts: 1, v: 1 }], 0);
    expect(run.late()).toHaveLength(1);
    run.watermark(9);
    expect(run.results()).toMatchObject([{ k: "b" }]);
  });
});
