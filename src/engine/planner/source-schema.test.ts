import { expect, it } from "vitest";
import type { Pipeline, PipelineNode } from "../../api/pipeline.schema.ts";
import { explain } from "./explain.ts";
import { planPipeline } from "./plan-pipeline.ts";

const connections: Pipeline["connections"] = [{ name: "main", kafka: { brokers: ["k:9092"] } }];
const events = (own: Partial<PipelineNode> = {}): PipelineNode => ({
  name: "events",
  source: { connection: "main", kafka: { topics: ["in"], metadata: "kafka" } },
  schema: { id: "int" },
  ...own,
});
const out = (from: string): PipelineNode => ({
  name: "out",
  from: [from],
  sink: { connection: "main", kafka: { topic: "out", metadata: "kafka" } },
});
const planOf = (nodes: PipelineNode[]) => planPipeline({ connections, nodes }, { parameters: {}, maxParallelism: 4 });

it("knows the types of what metadata adds to a schema", () => {
  const filtered = (filter: string): PipelineNode[] => [events(), { name: "f", from: ["events"], filter }, out("f")];
  expect(() => planOf(filtered("event.id > 1 && event.kafka.partition == 0 && !event.kafka.tombstone"))).not.toThrow();
  expect(() => planOf(filtered("event.kafka.key == 'k' && event.kafka.headers['a'] == 'b'"))).not.toThrow();
  expect(() => planOf(filtered("event.kafka.topic > 1"))).toThrow(/node "f"/);
  expect(() => planOf(filtered("event.kafka.ofset > 1"))).toThrow(/no field "ofset".*did you mean "offset"/);
});

it("refuses a schema of which metadata hides a field", () => {
  const hidden = (field: string) => () => planOf([events({ schema: { [field]: "int" } }), out("events")]);
  expect(hidden("kafka")).toThrow(/node "events": metadata puts .* where its schema has "kafka"/);
  expect(hidden("kafka.key")).toThrow(/"kafka\.key"; give metadata another name/);
  expect(hidden("kafkas")).not.toThrow();
});

it("refuses no job for what only a schema says of keys, rankings, times and fields: records are not held to it", () => {
  const odd = { a: "string", "a.b": "string", open: "bool" } as const;
  const source = events({ schema: odd, eventTime: { field: "event.open" } });
  const operations: Partial<PipelineNode>[] = [
    { keyBy: "event.a", aggregate: { n: "count()" } },
    { keyBy: "event.open", topN: { size: 1, by: "event.open" } },
    { broadcast: { from: "table", leftKey: "left.a", rightKey: "right" } },
  ];
  const table: PipelineNode = { ...events({ schema: odd }), name: "table" };
  const sink: PipelineNode = { name: "out", from: ["n"], sink: { blackhole: {} } };
  for (const operation of operations) {
    const tables = operation.broadcast === undefined ? [] : [table];
    const nodes: PipelineNode[] = [source, ...tables, { name: "n", from: ["events"], ...operation }, sink];
    expect(() => planOf(nodes)).not.toThrow();
  }
  const surely = (by: string): PipelineNode => ({ name: "n", from: ["events"], keyBy: "1", topN: { size: 1, by } });
  expect(() => planOf([source, surely("event.open == true"), sink])).toThrow(/must be a number or a text/);
});

it("needs no exchange where the topic is keyed by the record's key", () => {
  const counted: PipelineNode = { name: "n", from: ["events"], keyBy: "event.kafka.key", aggregate: { n: "count()" } };
  const { nodes, exchanges } = planOf([events({ partitionedBy: "event.kafka.key" }), counted, out("n")]);
  expect([nodes[0], exchanges]).toMatchObject([{ keying: "declared" }, undefined]);
});

it("checks the expressions of headers, and reads them", () => {
  const sinkOf = (headers: Record<string, string>, from = "events"): PipelineNode => ({
    ...out(from),
    sink: { connection: "main", kafka: { topic: "out", headers } },
  });
  expect(planOf([events(), sinkOf({ a: "event.id", "x-b": "'b'" })]).sinks[0]?.headers).toEqual([
    { name: "a", expression: "event.id" },
    { name: "x-b", expression: "'b'" },
  ]);
  expect(explain(planOf([events(), sinkOf({ a: "event.id" })]))).toContain("sink kafka, header a = event.id ← events");
  expect(() => planOf([events(), sinkOf({ a: "event.id +" })])).toThrow(/node "out"/);
  const dead = [events({ onError: "Dead" }), out("events")];
  expect(() => planOf([...dead, { ...sinkOf({ a: "event.id" }, "events.dead"), name: "dead" }])).toThrow(
    /node "dead" reads "events.dead".* only a sink without a key and headers/,
  );
});

it("is in what weir explain prints", () => {
  const text = explain(planOf([events(), out("events")]));
  expect(text).toContain("events: source kafka, key, headers and timestamp in event.kafka");
  expect(text).toContain("out: sink kafka, key, headers and timestamp in event.kafka ← events");
});
