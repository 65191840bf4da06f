import { describe, expect, it } from "vitest";
import type { Pipeline, PipelineNode } from "../../api/pipeline.schema.ts";
import { messageOf } from "../../errors.ts";
import type { Plan } from "../plan.ts";
import { explain } from "./explain.ts";
import { planPipeline } from "./plan-pipeline.ts";

type Join = NonNullable<PipelineNode["join"]>;
const connections: Pipeline["connections"] = [
  { name: "shop", postgres: { host: "db", database: "{base}", secretRef: { name: "shop-user" } } },
  { name: "cache", redis: { host: "redis" } },
  { name: "main", kafka: { brokers: ["k:1"] } },
];
const lookup = { connection: "shop", table: "goods", keyColumns: ["sku"] };
const orders: PipelineNode = { name: "orders", source: { datagen: {} }, partitionedBy: "event.sku" };
const priced = (join: Partial<Join> = {}, over: Partial<PipelineNode> = {}): PipelineNode => ({
  name: "priced",
  from: ["orders"],
  join: { lookup, leftKey: "left.sku", ...join },
  ...over,
});
const out: PipelineNode = { name: "out", from: ["priced"], sink: { blackhole: {} } };
const plan = (...nodes: PipelineNode[]): Plan =>
  planPipeline({ connections, nodes }, { parameters: { base: "dw" }, maxParallelism: 8 });
const refusal = (...nodes: PipelineNode[]): string => {
  try {
    plan(...nodes);
    return "none";
  } catch (e) {
    return messageOf(e);
  }
};

describe("a lookup", () => {
  it("has its connection's fields, defaults, and no cache unless it is asked for", () => {
    const [node] = plan(orders, priced(), out).nodes;
    expect(node).toMatchObject({
      kind: "lookup",
      key: "left.sku",
      joinType: "Inner",
      lookup: {
        connector: "postgres",
        config: { host: "db", database: "dw", table: "goods", keyColumns: ["sku"] },
        secretRef: "shop-user",
        capacity: 100,
        timeoutMs: 10_000,
        retries: null,
        cache: null,
      },
    });
    const cached = plan(orders, priced({ lookup: { ...lookup, cache: { ttl: "1m" } } }), out).nodes[0];
    expect(cached).toMatchObject({ lookup: { cache: { rows: 10_000, ttlMs: 60_000, missing: true } } });
  });

  it("needs no event time, and is shown with what it asks", () => {
    const text = explain(plan(orders, priced({ type: "Left", select: { p: "right.price" } }), out));
    expect(text).toContain(
      "Left lookup of left.sku in postgres goods, not cached, 100 keys at a time: {p: right.price}",
    );
    expect(text).toContain("→ priced (end)");
  });

  it("keeps the declared key where the record's own is copied", () => {
    const count = (keyBy: string): PipelineNode => ({
      name: "n",
      from: ["priced"],
      keyBy,
      aggregate: { n: "count()" },
    });
    const last: PipelineNode = { ...out, from: ["n"] };
    const exchanges = (join: Partial<Join>, keyBy: string) =>
      plan(orders, priced(join), count(keyBy), last).exchanges?.map((e) => e.node);
    expect(exchanges({}, "event.left.sku")).toBeUndefined();
    expect(exchanges({ select: { s: "left.sku" } }, "event.s")).toBeUndefined();
    expect(exchanges({ select: { s: "right.sku" } }, "event.s")).toEqual(["n~exchange"]);
  });

  it.each<[string, PipelineNode, string]>([
    ["no key", priced({ leftKey: undefined }), "join.leftKey: is missing"],
    ["a right key", priced({ rightKey: "right.sku" }), "join.rightKey: does not belong to a lookup"],
    ["records of nobody", priced({ type: "Outer" }), "cannot be Outer"],
    ["two inputs", priced({}, { from: ["orders", "orders"] }), "reads one input, not 2"],
    ["another connection", priced({ lookup: { ...lookup, connection: "x" } }), 'no connection is called "x"'],
    ["a broker", priced({ lookup: { connection: "main", path: "{key}" } }), '"main" is of kind kafka; a lookup asks'],
    ["no table", priced({ lookup: { connection: "shop" } }), "join.lookup.table: is missing: a lookup in postgres"],
    [
      "a path in a database",
      priced({ lookup: { ...lookup, path: "{key}" } }),
      "path: does not belong to a lookup in postg",
    ],
    ["a path without key", priced({ lookup: { connection: "cache", path: "a" } }), "path: needs {key}"],
    ["no time", priced({ lookup: { ...lookup, timeout: "0s" } }), "timeout: must be longer than 0"],
    ["`event` in the key", priced({ leftKey: "event.sku" }), 'node "priced"'],
    [
      "fewer parts of its key than columns",
      priced({ leftKey: "string(left.sku)", lookup: { ...lookup, keyColumns: ["sku", "size"] } }),
      'node "priced": join.leftKey: "string(left.sku)" has 1 part and keyColumns names 2; write a list such as [left.sku, left.size]',
    ],
    [
      "more parts of its key than columns",
      priced({ leftKey: "[left.sku, left.size]" }),
      "has 2 parts and keyColumns names 1; write one value",
    ],
    ["late records", { ...out, from: ["priced", "priced.late"] }, 'has no output "late"'],
  ])("with %s is refused with the reason", (_, node, message) => {
    expect(refusal(orders, ...(node.name === "out" ? [priced(), node] : [node, out]))).toContain(message);
  });
});
