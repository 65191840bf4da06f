import { describe, expect, it } from "vitest";
import type { PipelineNode } from "../api/pipeline.schema.ts";
import { planPipeline } from "./planner/plan-pipeline.ts";
import { Watermarks } from "./watermarks.ts";

const source = (name: string): PipelineNode => ({
  name,
  source: { datagen: {} },
  partitionedBy: "event.k",
  eventTime: { field: "event.ts" },
});
const window = { tumbling: { size: "10ms" } };
const nodes: PipelineNode[] = [
  source("a"),
  source("b"),
  { name: "both", from: ["a", "b"], union: {} },
  { name: "w", from: ["both"], keyBy: "event.k", window, aggregate: { n: "count()" } },
  { name: "out", from: ["w"], sink: { blackhole: {} } },
];

function start(): { watermarks: Watermarks; passed: number[] } {
  const passed: number[] = [];
  const plan = planPipeline({ nodes }, { parameters: {}, maxParallelism: 8 });
  return {
    watermarks: new Watermarks(plan, {
      advance: new Map([["w", (at: number) => void passed.push(at)]]),
      buffered: new Map(),
      sinks: new Map(),
    }),
    passed,
  };
}

describe("the watermark behind a union", () => {
  it("is the lowest of the sources that read: a wholly idle one leaves, and comes back without moving it back", () => {
    const { watermarks, passed } = start();
    watermarks.advance("a", 100);
    expect(passed).toEqual([]);
    watermarks.setIdle("b", true);
    watermarks.advance("a", 150);
    expect(passed).toEqual([100, 150]);
    watermarks.setIdle("b", false);
    watermarks.advance("b", 120);
    watermarks.advance("a", 200);
    expect(passed).toEqual([100, 150]);
    watermarks.advance("b", 170);
    expect(passed).toEqual([100, 150, 170]);
  });

  it("is the highest that was reached when all are idle", () => {
    const { watermarks, passed } = start();
    watermarks.advance("a", 100);
    watermarks.advance("b", 50);
    watermarks.setIdle("a", true);
    watermarks.setIdle("b", true);
    expect(passed).toEqual([50, 100]);
  });

  it("does not end while an idle source may still read, and ends with the last one", () => {
    const { watermarks, passed } = start();
    watermarks.advance("b", 50);
    watermarks.setIdle("b", true);
    watermarks.advance("a", Infinity);
    expect(passed).toEqual([50]);
    watermarks.advance("b", Infinity);
    expect(passed).toEqual([50, Infinity]);
  });
});
