import { describe, expect, it } from "vitest";
import { batchOf } from "../../../test/builders/memory-batch.ts";
import { memorySink } from "../../../test/builders/memory-sink.ts";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { compile } from "../codegen/compile.ts";
import { interpret } from "../interpreter/interpret.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";

describe.each([
  ["generated", compile],
  ["interpreted", interpret],
] as const)("a buffer with Latest, %s", (_, make) => {
  /** The records that come out of a keyed node when all have come before it takes one. */
  function through(keyed: Partial<PipelineNode>, records: readonly string[]): unknown[] {
    const buffer = { size: 100, strategy: "Latest" } as const;
    const nodes: PipelineNode[] = [
      { name: "events", source: { datagen: {} } },
      { name: "once", from: ["events"], buffer, distinct: {}, ...keyed },
      { name: "out", from: ["once"], sink: { blackhole: {} } },
    ];
    const { writer, written } = memorySink();
    const plan = planPipeline({ nodes }, { parameters: {}, maxParallelism: 4 });
    const program = make(plan, {
      slot: 0,
      slots: 1,
      parameters: {},
      sinks: new Map([["out", writer]]),
      peek: () => undefined,
    });
    program.inputs.get("events")?.process(batchOf(records));
    for (const waiting of program.buffers) while (waiting.step());
    return written.map(({ value }) => (JSON.parse(value) as { n: number }).n);
  }

  it("keeps the newest record of each key, and keys of different types are different keys", () => {
    const keys = ["1", '"1"', "true", '"true"', '["a"]', '"[\\"a\\"]"', "1", '"1"', "1.0"];
    const records = keys.map((k, n) => `{"k":${k},"n":${n}}`);
    expect(through({ keyBy: "event.k" }, records)).toEqual([2, 3, 4, 5, 7, 8]);
  });
});
