import { describe, expect, it } from "vitest";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import type { Plan } from "../plan.ts";
import { planPipeline } from "./plan-pipeline.ts";

const HOUR = 3_600_000;
const joined = { leftKey: "left.k", rightKey: "right.k" };
const counted = { keyBy: "event.k", aggregate: { n: "count()" } };
const ranked = { keyBy: "event.k", topN: { size: 1, by: "event.v" } };

function planned(node: Partial<PipelineNode>, stateTtl?: string): Plan {
  const sources = ["a", "b"].map((name) => ({ name, source: { datagen: {} }, eventTime: { field: "event.ts" } }));
  const from = node.join === undefined || node.join.lookup !== undefined ? ["a"] : ["a", "b"];
  const nodes: PipelineNode[] = [
    ...sources,
    { name: "state", from, ...node },
    { name: "out", from: node.join === undefined ? ["state", "b"] : ["state", "a", "b"], sink: { blackhole: {} } },
  ];
  const functions = [{ name: "fn", module: { path: "/fn.mjs" } }];
  const connections = [{ name: "cache", redis: { host: "cache" } }];
  return planPipeline({ connections, functions, nodes }, { parameters: {}, maxParallelism: 8, stateTtl });
}

const stateOf = (plan: Plan): unknown => plan.nodes.find((n) => n.name === "state");

describe("a time to live of all state", () => {
  it.each<[string, Partial<PipelineNode>]>([
    ["an aggregate without a window", counted],
    ["a window of records", { ...counted, window: { count: { size: 3 } } }],
    ["a trigger by records", { ...counted, window: { global: { trigger: { count: 3 } } } }],
    ["a trigger by time", { ...counted, window: { global: { trigger: { every: "1m" } } } }],
    ["dedup", { keyBy: "event.k", dedup: {} }],
    ["distinct", { distinct: {} }],
    ["topN", ranked],
    ["a function by key", { keyBy: "event.k", process: { function: "fn" } }],
  ])("is that of %s, which says none", (_, node) => {
    expect(stateOf(planned(node, "1h"))).toMatchObject({ ttlMs: HOUR });
    expect(stateOf(planned(node))).toMatchObject({ ttlMs: 0 });
  });

  it("is that of a join at any time", () => {
    expect(stateOf(planned({ join: joined }, "1h"))).toMatchObject({ times: { type: "unbounded", ttlMs: HOUR } });
  });

  it.each<[string, Partial<PipelineNode>]>([
    ["an aggregate", { ...counted, ttl: "1m" }],
    ["dedup", { keyBy: "event.k", dedup: { ttl: "1m" } }],
    ["distinct", { distinct: { ttl: "1m" } }],
    ["topN", { ...ranked, ttl: "1m" }],
    ["a function by key", { keyBy: "event.k", process: { function: "fn", ttl: "1m" } }],
  ])("gives way to what %s says itself", (_, node) => {
    expect(stateOf(planned(node, "1h"))).toMatchObject({ ttlMs: 60_000 });
  });

  it.each<[string, Partial<PipelineNode>]>([
    ["a window of time", { ...counted, window: { tumbling: { size: "10s" } } }],
    ["a window of processing time", { ...counted, window: { session: { gap: "10s" }, time: "Processing" } }],
    ["a join in a window", { join: { ...joined, window: { size: "10s" } } }],
    ["a join in an interval", { join: { ...joined, interval: { before: "1s", after: "1s" } } }],
    ["a temporal join", { join: { ...joined, temporal: {} } }],
    ["a lookup", { join: { lookup: { connection: "cache", path: "row:{key}" }, leftKey: "left.k" } }],
    ["a function without keys", { process: { function: "fn" } }],
    ["what keeps nothing", { filter: "event.v > 1" }],
  ])("is not for %s, whose plan stays as it is", (_, node) => {
    expect(planned(node, "1h")).toEqual(planned(node));
  });
});
