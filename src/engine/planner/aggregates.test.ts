import { describe, expect, it } from "vitest";
import { batchOf } from "../../../test/builders/memory-batch.ts";
import { memorySink } from "../../../test/builders/memory-sink.ts";
import { compile } from "../codegen/compile.ts";
import { interpret } from "../interpreter/interpret.ts";
import type { Plan } from "../plan.ts";
import { explain } from "./explain.ts";
import { planPipeline } from "./plan-pipeline.ts";

const schema = { t: "string", i: "int", d: "double", b: "bool", j: "json" } as const;
const planned = (aggregate: Record<string, string>, onError?: "Skip"): Plan =>
  planPipeline(
    {
      nodes: [
        { name: "events", source: { datagen: {} }, schema: { ...schema, k: "string" } },
        { name: "n", from: ["events"], keyBy: "event.k", aggregate, ...(onError === undefined ? {} : { onError }) },
        { name: "out", from: ["n"], sink: { blackhole: {} } },
      ],
    },
    { parameters: {}, maxParallelism: 8 },
  );

describe("min and max", () => {
  it.each([
    ["min(event.t)", "minText"],
    ["max(string(event.j))", "maxText"],
    ["max(event.j == null ? null : string(event.j))", "maxText"],
    ["min(event.j == null ? null : event.j > 3 ? event.t : 'few')", "minText"],
    ["min(event.j == null ? null : event.j)", "min"],
    ["max(event.j)", "max"],
    ["min(event.i)", "min"],
    ["max(event.d)", "max"],
  ])("%s goes by the type of what it is given", (text, fn) => {
    expect(planned({ a: text }).nodes).toMatchObject([{ aggregates: [{ name: "a", fn }] }]);
  });

  it("are called by their names in what users read", () => {
    expect(explain(planned({ a: "min(event.t)" }))).toContain("a = min(event.t)");
    expect(() => planned({ a: "minText(event.t)" })).toThrow("is not one call of");
  });

  it("do not take what is neither a number nor a text", () => {
    const why = 'the value must be a number or a text, but "event.b" is of type bool; convert it';
    expect(() => planned({ a: "max(event.b)" })).toThrow(why);
  });

  describe.each([
    ["generated", compile],
    ["interpreted", interpret],
  ] as const)("of texts, %s", (_, make) => {
    const run = (plan: Plan, events: readonly object[]): unknown[] => {
      const out = memorySink();
      const sinks = new Map([["out", out.writer]]);
      const program = make(plan, { slot: 0, slots: 1, parameters: {}, sinks });
      program.inputs.get("events")?.process(batchOf(events.map((event) => JSON.stringify(event))));
      return out.written.map(({ value }) => JSON.parse(value) as unknown);
    };

    it("skip null, and are null where there was no text", () => {
      const texts = [null, "b", "\u{1f600}", "\ufffd", null, "a"];
      const plan = planned({ least: "min(event.t)", most: "max(event.t)" });
      const given = run(
        plan,
        texts.map((t) => ({ k: "k", t })),
      );
      expect(given).toEqual([
        { k: "k", least: null, most: null },
        { k: "k", least: "b", most: "b" },
        { k: "k", least: "b", most: "\u{1f600}" },
        { k: "k", least: "b", most: "\u{1f600}" },
        { k: "k", least: "b", most: "\u{1f600}" },
        { k: "k", least: "a", most: "\u{1f600}" },
      ]);
    });

    it("skip null that is written out, where a schema does not say that it is a text", () => {
      const plan = planned({ most: "max(event.j == null ? null : string(event.j))" });
      const given = run(
        plan,
        [null, 7, "b", null].map((j) => ({ k: "k", j })),
      );
      expect(given).toEqual([null, "7", "b", "b"].map((most) => ({ k: "k", most })));
    });

    it.each([
      ["min(event.t)", { t: 5 }, "min() of a needs a text or null, not 5"],
      ["max(event.j)", { j: "x" }, "say that it is one, by string(…) around it or a schema"],
    ])("say what is wrong with a value of another type: %s of %j", (text, event, why) => {
      expect(() => run(planned({ a: text }), [{ k: "k", ...event }])).toThrow(why);
      expect(run(planned({ a: text }, "Skip"), [{ k: "k", ...event }])).toEqual([]);
    });
  });
});
