import { describe, expect, it } from "vitest";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { messageOf } from "../../errors.ts";
import type { Plan } from "../plan.ts";
import { explain } from "./explain.ts";
import { planPipeline } from "./plan-pipeline.ts";

const orders: PipelineNode = { name: "orders", source: { datagen: {} }, eventTime: {}, partitionedBy: "event.tenant" };
const rates: PipelineNode = { name: "rates", source: { datagen: {} } };
const broadcast = { from: "rates", leftKey: "left.currency", rightKey: "right.currency" };
const priced: PipelineNode = { name: "priced", from: ["orders"], broadcast };
const out: PipelineNode = { name: "out", from: ["priced"], sink: { blackhole: {} } };
const plan = (...nodes: PipelineNode[]): Plan => planPipeline({ nodes }, { parameters: {}, maxParallelism: 8 });
const refusal = (...nodes: PipelineNode[]): string => {
  try {
    plan(...nodes);
    return "none";
  } catch (e) {
    return messageOf(e);
  }
};

describe("a broadcast", () => {
  it("needs no event time of its table, which has no part in watermarks, and keeps the declared key", () => {
    const keyBy = "event.left.tenant";
    const count: PipelineNode = {
      name: "n",
      from: ["priced"],
      keyBy,
      window: { tumbling: { size: "1s" } },
      aggregate: { n: "count()" },
    };
    const made = plan(orders, rates, priced, count, { ...out, from: ["n"] });
    expect(made.parallelismLimit).toBeNull();
    expect(explain(made)).toContain("rates: source datagen, all of it by every worker, anew at each start");
    expect(explain(made)).toContain("Inner meeting of left.currency with the newest record of each right.currency");
  });

  it.each<[string, PipelineNode[], string]>([
    ["two inputs", [{ ...priced, from: ["orders", "rates"] }], "reads one input beside broadcast.from, not 2"],
    ["its own table as input", [{ ...priced, from: ["rates"] }], 'reads "rates" twice'],
    [
      "a table that another node reads",
      [priced, { name: "copy", from: ["rates"], sink: { blackhole: {} } }],
      'node "copy" reads "rates", which feeds the broadcast of "priced"',
    ],
    [
      "a table that is counted",
      [
        { name: "n", from: ["rates"], keyBy: "event.a", aggregate: { n: "count()" } },
        { ...priced, broadcast: { ...broadcast, from: "n" } },
      ],
      'node "n" feeds the broadcast of "priced", which every worker has',
    ],
    ["a table that is not there", [{ ...priced, broadcast: { ...broadcast, from: "x" } }], 'there is no node "x"'],
    ["a cycle", [{ ...priced, broadcast: { ...broadcast, from: "priced" } }], "form a cycle"],
    ["`event` in a key", [{ ...priced, broadcast: { ...broadcast, leftKey: "event.a" } }], 'node "priced"'],
  ])("with %s is refused with the reason", (_, nodes, message) => {
    expect(refusal(orders, rates, ...nodes, out)).toContain(message);
  });
});
