import { describe, expect, it } from "vitest";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import type { Plan } from "../plan.ts";
import { planPipeline } from "./plan-pipeline.ts";

const schema = { t: "string", i: "int", d: "double", b: "bool", j: "json", ts: "timestamp_ms" } as const;
const source = (name: string, own: Partial<PipelineNode> = { schema }): PipelineNode => ({
  name,
  source: { datagen: {} },
  eventTime: { field: "event.ts" },
  ...own,
});
const plan = (...nodes: PipelineNode[]): Plan => {
  const last = nodes.at(-1)?.name ?? "";
  const all = [...nodes, { name: "out", from: [last], sink: { blackhole: {} } }];
  return planPipeline({ nodes: all }, { parameters: {}, maxParallelism: 8 });
};
const counted = (keyBy: string): PipelineNode => ({ name: "n", from: ["events"], keyBy, aggregate: { c: "count()" } });

describe("the type of a key", () => {
  it.each([
    ["event.t", "text"],
    ["event.i", "number"],
    ["event.d", "number"],
    ["event.ts", "number"],
    ["event.b", "boolean"],
    ["string(event.j)", "text"],
    ["event.i > 3 ? event.t : 'none'", "text"],
    ["[event.t, event.t]", "list of texts"],
    ["[event.t, event.i]", undefined],
    ["event.j", undefined],
    ["event.i > 3 ? event.t : event.i", undefined],
  ])("of %s is %s by the schema", (keyBy, type) => {
    expect(plan(source("events"), counted(keyBy)).keyTypes).toEqual(type === undefined ? undefined : { n: type });
  });

  it("is not known without a schema, nor behind what makes other records", () => {
    expect(plan(source("events", {}), counted("event.t")).keyTypes).toBeUndefined();
    const made = { name: "made", from: ["events"], map: { t: "event.t" } };
    expect(plan(source("events"), made, { ...counted("event.t"), from: ["made"] }).keyTypes).toBeUndefined();
  });
});

describe("the keys of a join", () => {
  const joined = (leftKey: string, rightKey: string): Plan =>
    plan(source("a"), source("b"), {
      name: "pairs",
      from: ["a", "b"],
      join: { interval: { before: "1h", after: "0s" }, leftKey, rightKey },
    });

  it.each([
    ["left.t", "right.t", "text"],
    ["left.i", "right.d", "number"],
    ["left.j", "right.i", "number"],
    ["left.j", "right.j", undefined],
  ])("%s and %s may be equal", (left, right, type) => {
    expect(joined(left, right).keyTypes).toEqual(type === undefined ? undefined : { pairs: type });
  });

  it.each([
    ["left.t", "right.i", "a text and right.i a number"],
    ["left.b", "right.t", "a boolean and right.t a text"],
    ["[left.t]", "[right.i]", "a list of texts and [right.i] a list of numbers"],
  ])("%s and %s never are, which is refused", (left, right, why) => {
    expect(() => joined(left, right)).toThrow(
      `node "pairs": ${left} is ${why}, by the schemas, so no record ever has a partner`,
    );
  });

  it("of a broadcast are compared, too", () => {
    const broadcast = { from: "b", leftKey: "left.t", rightKey: "right.i" };
    const nodes = [source("a"), source("b"), { name: "met", from: ["a"], broadcast }];
    expect(() => plan(...nodes)).toThrow("so no record ever has a partner");
  });
});
