import { describe, expect, it } from "vitest";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { isWeirError } from "../../errors.ts";
import { keyedState } from "../codegen/keyed-state.ts";
import type { Plan } from "../plan.ts";
import { explain } from "./explain.ts";
import { planPipeline } from "./plan-pipeline.ts";

type Join = NonNullable<PipelineNode["join"]>;

const join: Join = { interval: { before: "1h", after: "0s" }, leftKey: "left.id", rightKey: "right.order" };
const source = (name: string, by?: string, splits = 4): PipelineNode => ({
  name,
  source: { datagen: { splits } },
  eventTime: { field: "event.ts" },
  ...(by === undefined ? {} : { partitionedBy: `event.${by}` }),
});
const out = (...from: string[]): PipelineNode => ({ name: "out", from, sink: { blackhole: {} } });
const orders = source("orders", "id");
const payments = source("payments", "order");
const joined = (spec: Partial<PipelineNode> = {}): PipelineNode => ({
  name: "paid",
  from: ["orders", "payments"],
  join,
  ...spec,
});

const plan = (...nodes: PipelineNode[]): Plan => planPipeline({ nodes }, { parameters: {}, maxParallelism: 8 });

function refusal(...nodes: PipelineNode[]): string {
  try {
    plan(...nodes);
  } catch (e) {
    if (isWeirError(e)) return e.message;
    throw e;
  }
  throw new Error("the pipeline was accepted");
}

const limit = (...nodes: PipelineNode[]): string | undefined => plan(...nodes).parallelismLimit?.reason;

describe("a join", () => {
  it("is planned with its keys, its times in ms, and an inner join where no type is said", () => {
    expect(plan(orders, payments, joined(), out("paid")).nodes).toMatchObject([
      {
        kind: "join",
        keys: ["left.id", "right.order"],
        times: { type: "interval", beforeMs: 3_600_000, afterMs: 0 },
        joinType: "Inner",
        select: null,
      },
    ]);
  });

  it("is shown by `weir explain`", () => {
    const select = { id: "left.id", "pay.amount": "right.amount" };
    const text = explain(plan(orders, payments, joined({ join: { ...join, type: "Left", select } }), out("paid")));
    expect(text).toContain(
      "paid: Left join on left.id == right.order, right.ts from left.ts − 3600000 ms to left.ts + 0 ms: {id: left.id, pay.amount: right.amount} ← orders, payments",
    );
    expect(text).toContain("paid: key is declared; a shard is a split of the source");
  });

  it("shares its keys among workers where both sides are split by them, in splits that correspond", () => {
    expect(limit(orders, payments, joined(), out("paid"))).toBeUndefined();
    const slim: PipelineNode = { name: "slim", from: ["payments"], map: { o: "event.order", amount: "event.amount" } };
    const renamed = { ...join, rightKey: "right.o" };
    expect(limit(orders, payments, slim, joined({ from: ["orders", "slim"], join: renamed }), out("paid"))).toBe(
      undefined,
    );
    expect(
      limit(orders, { name: "self", from: ["orders", "orders"], join: { ...join, rightKey: "right.id" } }, out("self")),
    ).toBeUndefined();
  });

  it("runs in one worker where they are not, and says why", () => {
    const reason = (left: PipelineNode, right: PipelineNode, spec: Partial<PipelineNode> = {}): string | undefined =>
      limit(left, right, joined(spec), out("paid"));
    expect(reason(orders, source("payments"))).toContain('source "payments" has no partitionedBy');
    expect(reason(orders, source("payments", "id"))).toContain("the declared key is right.id, not right.order");
    expect(reason(orders, source("payments", "order", 5))).toContain(
      'it joins "orders" and "payments", whose splits may differ',
    );
    expect(reason(orders, payments, { join: { ...join, leftKey: "[left.id]" } })).toContain(
      "the declared key is left.id, not [left.id]",
    );
  });

  it("hands its key on to what is keyed by it below, unless a row may have none", () => {
    const count = (keyBy: string): PipelineNode => ({
      name: "c",
      from: ["paid"],
      keyBy,
      aggregate: { rows: "count()" },
    });
    const reason = (spec: Partial<Join>, keyBy: string): string | undefined =>
      limit(orders, payments, joined({ join: { ...join, ...spec } }), count(keyBy), out("c"));
    expect(reason({}, "event.left.id")).toBeUndefined();
    expect(reason({ select: { k: "right.order" } }, "event.k")).toBeUndefined();
    expect(reason({ select: { k: "left.id" }, type: "Left" }, "event.k")).toBeUndefined();
    const none = 'join "paid" does not copy its key unchanged';
    expect(reason({ select: { k: "right.order" }, type: "Left" }, "event.k")).toContain(none);
    expect(reason({ select: { k: "left.id" }, type: "Outer" }, "event.k")).toContain(none);
    expect(reason({ select: { k: "left.id + 0" } }, "event.k")).toContain(none);
  });

  it.each<[string, PipelineNode[], string]>([
    ["three inputs", [joined({ from: ["orders", "payments", "more"] }), source("more")], "reads two inputs"],
    ["one input", [joined({ from: ["orders"] })], "reads two inputs, the left one and then the right one, not 1"],
    ["no key", [joined({ join: { window: { size: "1s" }, leftKey: "left.id" } })], "join.rightKey: is missing"],
    ["an empty window", [joined({ join: { ...join, interval: undefined, window: { size: "0s" } } })], "longer than 0"],
    ["`event` in a key", [joined({ join: { ...join, leftKey: "event.id" } })], 'node "paid"'],
    ["the other side in a key", [joined({ join: { ...join, leftKey: "right.id" } })], 'node "paid"'],
    ["`event` in select", [joined({ join: { ...join, select: { a: "event.id" } } })], 'node "paid"'],
    [
      "a field that is none",
      [joined({ join: { ...join, select: { "a-b": "left.id" } } })],
      '"a-b" is not a field path',
    ],
    [
      "versions of nobody",
      [joined({ join: { temporal: {}, type: "Outer", leftKey: "left.id", rightKey: "right.id" } })],
      "cannot be Outer in a temporal join",
    ],
  ])("of %s is refused with the reason", (_, nodes, message) => {
    expect(refusal(orders, payments, ...nodes, out("paid"))).toContain(message);
  });

  it("of a source without event time is refused", () => {
    const { eventTime: _, ...timeless } = payments;
    expect(refusal(orders, timeless, joined(), out("paid"))).toContain(
      'node "paid" joins by event time, but its source "payments" has no eventTime',
    );
  });

  it("checks its expressions against the schemas of its sides", () => {
    const typed = { ...orders, schema: { id: "string" as const } };
    const wrong = (type: Join["type"]) => joined({ join: { ...join, type, select: { a: "left.idd" } } });
    expect(refusal(typed, payments, wrong("Left"), out("paid"))).toContain("idd");
    expect(plan(typed, payments, wrong("Outer"), out("paid")).nodes).toHaveLength(1);
  });

  it("keeps its saved state as long as keys, times and type are the same, whatever it selects", () => {
    const signature = (spec: Partial<Join>): string | undefined =>
      plan(orders, payments, joined({ join: { ...join, ...spec } }), out("paid")).nodes.map(keyedState)[0]
        ?.stateSignature;
    expect(signature({ select: { a: "left.id" } })).toBe(signature({}));
    expect(signature({ type: "Inner" })).toBe(signature({}));
    for (const other of [
      { type: "Left" as const },
      { leftKey: "left.other" },
      { interval: { before: "1h", after: "1s" } },
      { interval: undefined, window: { size: "1h" } },
    ])
      expect(signature(other)).not.toBe(signature({}));
  });
});
