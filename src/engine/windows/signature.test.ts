import { describe, expect, it } from "vitest";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { keyedState } from "../codegen/keyed-state.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";

/** What decides whether saved state fits a node. */
function signature(spec: Partial<PipelineNode>, partitionedBy?: string): string | undefined {
  const nodes: PipelineNode[] = [
    {
      name: "events",
      source: { datagen: {} },
      eventTime: {},
      ...(partitionedBy === undefined ? {} : { partitionedBy }),
    },
    { name: "n", from: ["events"], ...spec },
    { name: "out", from: ["n"], sink: { blackhole: {} } },
  ];
  const plan = planPipeline({ nodes }, { parameters: {}, maxParallelism: 8 });
  return plan.nodes.map(keyedState).find((state) => state !== undefined)?.stateSignature;
}

const keyBy = "event.k";
const aggregate = { a: "count()", b: "percentile(event.v, 0.5)" };
const windowed = (window: PipelineNode["window"]): Partial<PipelineNode> => ({ keyBy, aggregate, window });
const top = { keyBy, topN: { size: 3, by: "event.v" } };

describe("saved state fits", () => {
  it.each<[string, Partial<PipelineNode>, Partial<PipelineNode>]>([
    [
      "other allowed lateness",
      windowed({ tumbling: { size: "1s" } }),
      windowed({ tumbling: { size: "1s" }, allowedLateness: "9s" }),
    ],
    ["another order of aggregates", { keyBy, aggregate }, { keyBy, aggregate: { b: aggregate.b, a: aggregate.a } }],
    ["another time to live", { keyBy, aggregate }, { keyBy, aggregate, ttl: "1h" }],
    ["another time to live of dedup", { keyBy, dedup: {} }, { keyBy, dedup: { ttl: "1h" } }],
    ["the same order, said or not", top, { keyBy, topN: { ...top.topN, order: "Descending" } }],
    ["another onError", top, { ...top, onError: "Skip" }],
  ])("with %s", (_, before, after) => {
    expect(signature(after)).toBe(signature(before));
  });
});

describe("saved state does not fit", () => {
  it.each<[string, Partial<PipelineNode>, Partial<PipelineNode>]>([
    ["another key", { keyBy, aggregate }, { keyBy: "event.x", aggregate }],
    ["another size", windowed({ tumbling: { size: "1s" } }), windowed({ tumbling: { size: "2s" } })],
    [
      "another slide",
      windowed({ sliding: { size: "4s", every: "1s" } }),
      windowed({ sliding: { size: "4s", every: "2s" } }),
    ],
    [
      "another kind of window",
      windowed({ tumbling: { size: "1s" } }),
      windowed({ sliding: { size: "1s", every: "1s" } }),
    ],
    ["another gap", windowed({ session: { gap: "1s" } }), windowed({ session: { gap: "2s" } })],
    [
      "another step",
      windowed({ cumulate: { step: "1s", max: "4s" } }),
      windowed({ cumulate: { step: "2s", max: "4s" } }),
    ],
    ["another count", windowed({ count: { size: 1 } }), windowed({ count: { size: 2 } })],
    [
      "another trigger",
      windowed({ global: { trigger: { count: 1 } } }),
      windowed({ global: { trigger: { every: "1s" } } }),
    ],
    ["a window where there was none", { keyBy, aggregate }, windowed({ count: { size: 1 } })],
    ["another aggregate", { keyBy, aggregate }, { keyBy, aggregate: { ...aggregate, a: "sum(event.v)" } }],
    ["another share", { keyBy, aggregate }, { keyBy, aggregate: { ...aggregate, b: "percentile(event.v, 0.9)" } }],
    ["another size of a ranking", top, { keyBy, topN: { size: 4, by: "event.v" } }],
    ["another order", top, { keyBy, topN: { size: 3, by: "event.v", order: "Ascending" } }],
    ["another value to rank by", top, { keyBy, topN: { size: 3, by: "event.w" } }],
    ["another value that is distinct", { distinct: {} }, { distinct: { by: "event.k" } }],
    ["dedup where there was distinct", { distinct: { by: keyBy } }, { keyBy, dedup: {} }],
  ])("with %s", (_, before, after) => {
    expect(signature(after)).not.toBe(signature(before));
  });

  it("where a minimum of texts was one of numbers, which is said as its user writes it", () => {
    const of = (arg: string) => signature({ keyBy, aggregate: { low: `min(${arg})`, high: `max(${arg})` } });
    expect(of("event.v")).toBe("key=event.k;shards=local;trigger=record;high=max(event.v);low=min(event.v)");
    expect(of("string(event.v)")?.split(";").slice(-2)).toEqual([
      "high=max(string(event.v)) of texts",
      "low=min(string(event.v)) of texts",
    ]);
  });

  it("where a shard is a split now, and was a hash", () => {
    expect(signature({ keyBy, aggregate }, keyBy)).not.toBe(signature({ keyBy, aggregate }));
  });
});
