import { describe, expect, it } from "vitest";
import { batchOf } from "../../../test/builders/memory-batch.ts";
import { memorySink } from "../../../test/builders/memory-sink.ts";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { interpret } from "../interpreter/interpret.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";
import { compile } from "./compile.ts";

const LARGEST = Number.MAX_SAFE_INTEGER;

describe.each([
  ["generated", compile],
  ["interpreted", interpret],
] as const)("a sum, %s", (_, make) => {
  function run(spec: Partial<PipelineNode>, values: readonly unknown[], step = 0) {
    const nodes: PipelineNode[] = [
      { name: "events", source: { datagen: {} }, eventTime: { field: "event.ts" } },
      { name: "s", from: ["events"], keyBy: "'all'", aggregate: { sum: "sum(event.v)", n: "count()" }, ...spec },
      { name: "out", from: ["s"], sink: { blackhole: {} } },
      ...(spec.onError === "Dead" ? [{ name: "dead", from: ["s.dead"], sink: { blackhole: {} } }] : []),
    ];
    const sinks = new Map(["out", "dead"].map((name) => [name, memorySink()]));
    const writers = new Map([...sinks].map(([name, { writer }]) => [name, writer]));
    const plan = planPipeline({ nodes }, { parameters: {}, maxParallelism: 4 });
    const program = make(plan, { slot: 0, slots: 1, parameters: {}, sinks: writers });
    program.inputs.get("events")?.process(batchOf(values.map((v, i) => JSON.stringify({ v, ts: i * step }))));
    program.end("events");
    const sums = (sinks.get("out")?.written ?? []).map((w) => (JSON.parse(w.value) as { sum: unknown }).sum);
    return { sums, dead: sinks.get("dead")?.written.length, errors: program.counters().get("s")?.errors };
  }
  const tumbling = { window: { tumbling: { size: "10s" } } };

  it("of ints is exact up to 2^53 - 1, and a record that takes it further is an error that changes nothing", () => {
    const found = run({ ...tumbling, onError: "Dead" }, [LARGEST - 1, 2, 1, -5, 6]);
    expect(found).toEqual({ sums: [LARGEST - 5], dead: 2, errors: 2 });
    expect(() => run(tumbling, [LARGEST, 1])).toThrow(/node "s", record events\[0\]@1: sum\(\) of sum is beyond/);
  });

  it("holds without a window, too", () => {
    expect(run({ onError: "Skip" }, [LARGEST, 1, -1]).sums).toEqual([LARGEST, LARGEST - 1]);
  });

  it("with a double in it is a double", () => {
    expect(run(tumbling, [LARGEST, 0.5, 1e300]).sums).toEqual([1e300]);
    expect(run({ ...tumbling, onError: "Dead" }, [1.5e308, 1.5e308])).toMatchObject({ sums: [1.5e308], dead: 1 });
  });

  it("that overflows where parts are merged is an error of the result", () => {
    const sliding = { window: { sliding: { size: "2s", every: "1s" } } };
    expect(run({ ...sliding, onError: "Skip" }, [LARGEST, 1], 1000)).toMatchObject({ sums: [LARGEST, 1], errors: 1 });
    expect(() => run(sliding, [LARGEST, 1], 1000)).toThrow(/of the window ending at 2000: sum\(\) of sum is beyond/);
    const session = { window: { session: { gap: "2s" } } };
    expect(run({ ...session, onError: "Skip" }, [LARGEST, 1], 1000)).toMatchObject({ sums: [], errors: 1 });
  });
});
