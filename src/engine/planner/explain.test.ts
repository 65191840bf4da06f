import { describe, expect, it } from "vitest";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { chainFacts } from "../codegen/compile.ts";
import { explain } from "./explain.ts";
import { planPipeline } from "./plan-pipeline.ts";

const events: PipelineNode = { name: "events", source: { datagen: {} }, eventTime: { field: "event.ts" } };
const sink = (name: string, ...from: string[]): PipelineNode => ({ name, from, sink: { blackhole: {} } });
const filter: PipelineNode = { name: "hot", from: ["slim"], filter: "event.type == 'metrics'" };
const window: PipelineNode = {
  name: "counts",
  from: ["hot"],
  keyBy: "event.tenant",
  window: { tumbling: { size: "10s" } },
  aggregate: { max: "max(event.payload.lag)" },
};

const planOf = (nodes: PipelineNode[]) =>
  planPipeline({ nodes: [events, ...nodes] }, { parameters: {}, maxParallelism: 4 });

interface Case {
  readonly title: string;
  readonly nodes: PipelineNode[];
  /** What the source's chain looks for; "" is the whole record. */
  readonly reads: string[];
  /** Sinks that get the bytes that came in. */
  readonly passed: string[];
}

const CASES: readonly Case[] = [
  {
    title: "a record that nobody looks into is passed on as it came, but for its time",
    nodes: [sink("out", "events")],
    reads: ["ts"],
    passed: ["out"],
  },
  {
    title: "a filter reads its own fields, and passes the bytes on",
    nodes: [{ ...filter, from: ["events"] }, sink("out", "hot")],
    reads: ["type", "ts"],
    passed: ["out"],
  },
  {
    title: "an aggregate's fields are all that is read",
    nodes: [{ ...filter, from: ["events"] }, window, sink("out", "counts")],
    reads: ["type", "payload.lag", "tenant", "ts"],
    passed: [],
  },
  {
    title: "a select that an aggregate is below of costs nothing",
    nodes: [
      { name: "slim", from: ["events"], select: ["event.type", "event.tenant", "event.payload"] },
      filter,
      window,
      sink("out", "counts"),
    ],
    reads: ["type", "tenant", "payload", "ts"],
    passed: [],
  },
  {
    title: "a filter behind a drop, and an aggregate there, read where the fields were",
    nodes: [{ name: "slim", from: ["events"], drop: ["event.note"] }, filter, window, sink("out", "counts")],
    reads: ["type", "payload.lag", "tenant", "ts"],
    passed: [],
  },
  {
    title: "a map's copies are read as bytes",
    nodes: [
      { name: "slim", from: ["events"], map: { type: "event.type", who: "event.tenant" } },
      filter,
      sink("out", "hot"),
    ],
    reads: ["type", "tenant", "ts"],
    passed: [],
  },
  {
    title: "the outputs of a branch and its dead letters go on in the same function, as they came",
    nodes: [
      {
        name: "by",
        from: ["events"],
        branch: { cases: [{ name: "big", when: "event.lag > 9" }], otherwise: "small" },
        onError: "Dead",
      },
      sink("big", "by.big"),
      sink("small", "by.small"),
      sink("dead", "by.dead"),
    ],
    reads: ["lag", "ts"],
    passed: ["big", "small", "dead"],
  },
  {
    title: "late records go to their output as they came",
    nodes: [{ ...window, from: ["events"] }, sink("out", "counts"), sink("late", "counts.late")],
    reads: ["payload.lag", "tenant", "ts"],
    passed: ["late"],
  },
];

describe("what a chain reads of its records, and what it passes on", () => {
  it.each(CASES.map((c) => [c.title, c] as const))("%s", (_, { nodes, reads, passed }) => {
    const facts = chainFacts(planOf(nodes));
    expect(facts.reads.get("events")?.map((path) => path.join("."))).toEqual(reads);
    expect([...facts.passed]).toEqual(passed);
  });

  it("is in what weir explain prints", () => {
    const text = explain(planOf([{ ...filter, from: ["events"] }, window, sink("out", "counts"), sink("raw", "hot")]));
    expect(text).toContain("events (reads type, payload.lag, tenant, ts)");
    expect(text).toContain("→ raw (end, bytes as they came)");
    expect(text).toContain("→ out (end)");
  });
});
