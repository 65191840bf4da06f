import { describe, expect, it } from "vitest";
import { batchOf } from "../../../test/builders/memory-batch.ts";
import { memorySink } from "../../../test/builders/memory-sink.ts";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { interpret } from "../interpreter/interpret.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";
import { compile } from "./compile.ts";

describe.each([
  ["generated", compile],
  ["interpreted", interpret],
] as const)("%s", (_, make) => {
  function run(operations: Partial<PipelineNode>[], records: string[]) {
    const nodes = operations.map((o, i) => ({ name: `n${i}`, from: [i === 0 ? "events" : `n${i - 1}`], ...o }));
    const last = `n${operations.length - 1}`;
    const dead = nodes.filter((n) => n.onError === "Dead").map((n) => `${n.name}.dead`);
    const sinks = new Map(["out", "dead"].map((name) => [name, memorySink()]));
    const plan = planPipeline(
      {
        nodes: [
          { name: "events", source: { datagen: {} } },
          ...nodes,
          { name: "out", from: [last], sink: { blackhole: {} } },
          ...(dead.length === 0 ? [] : [{ name: "dead", from: dead, sink: { blackhole: {} } }]),
        ],
      },
      { parameters: {}, maxParallelism: 4 },
    );
    const shown: string[] = [];
    const program = make(plan, {
      slot: 0,
      slots: 1,
      parameters: {},
      sinks: new Map([...sinks].map(([name, { writer }]) => [name, writer])),
      peek: (node, text) => shown.push(`${node}: ${text}`),
    });
    program.inputs.get("events")?.process(batchOf(records));
    const values = (name: string): unknown[] =>
      (sinks.get(name)?.written ?? []).map(({ value }) => JSON.parse(value) as unknown);
    return { out: values("out"), dead: values("dead"), shown };
  }

  it("selects fields, and leaves away what a record does not have", () => {
    const select = ["event.a", "event.p.x", "event.p.y", "event.q"];
    const records = ['{"z":1,"a":[1],"p":{"x":2,"y":null,"z":3}}', '{"p":{"z":3},"q":"t"}', '{"a":1,"p":[]}', "7"];
    expect(run([{ select }], records).out).toEqual([{ a: [1], p: { x: 2, y: null } }, { q: "t" }, { a: 1 }, {}]);
  });

  it("reads behind a select only what was selected", () => {
    const select = ["event.a", "event.p.x"];
    const map = { a: "has(event.a)", p: "has(event.p)", z: "has(event.z)", all: "event" };
    expect(run([{ select }, { map }], ['{"z":1,"p":{"x":2,"y":3}}']).out).toEqual([
      { a: false, p: true, z: false, all: { p: { x: 2 } } },
    ]);
    const copies = run([{ select }, { map: { b: "event.a" }, onError: "Dead" }], ['{"z":1,"p":{"x":2}}', '{"a":5}']);
    expect(copies).toMatchObject({ out: [{ b: 5 }], dead: [{ p: { x: 2 } }] });
  });

  it("drops fields, also below others, and passes on what has none", () => {
    const records = ['{"a":1,"p":{"x":2,"y":3},"b":"t"}', '{"p":7}', "[1]"];
    expect(run([{ drop: ["event.a", "event.p.x", "event.none"] }], records).out).toEqual([
      { p: { y: 3 }, b: "t" },
      { p: 7 },
      [1],
    ]);
  });

  it("makes a record of every element of a list", () => {
    const flatMap = "event.items.map(i, {'id': i, 'tenant': event.tenant})";
    expect(run([{ flatMap }], ['{"tenant":"a","items":[1,"x"]}', '{"tenant":"b","items":[]}']).out).toEqual([
      { id: 1, tenant: "a" },
      { id: "x", tenant: "a" },
    ]);
    const again = run([{ flatMap: "event.l" }, { filter: "event.v > 1" }], ['{"l":[{"v":1},{"v":2}]}']);
    expect(again.out).toEqual([{ v: 2 }]);
  });

  it("treats what is no list as a failure of the record", () => {
    const { out, dead } = run([{ flatMap: "event.l", onError: "Dead" }], ['{"l":1}', '{"l":[5]}', "{}"]);
    expect({ out, dead }).toEqual({ out: [5], dead: [{ l: 1 }, {}] });
  });

  it("shows the first and then every n-th record to a peek, and changes nothing", () => {
    const records = ['{"v":1}', '{"v":2}', '{"v":3}', "{}"];
    const plain = run([{ peek: { every: 3 } }], records);
    expect(plain.out).toHaveLength(4);
    expect(plain.shown).toEqual(['n0: {"v":1}', "n0: {}"]);
    const { shown, out } = run([{ peek: { message: "'v is ' + string(event.v)" } }], records.slice(2));
    expect(out).toHaveLength(2);
    expect(shown[0]).toBe("n0: v is 3");
    expect(shown[1]).toMatch(/peek's message failed: .*there is no event.v/);
  });

  it("shows a long record in part", () => {
    const { shown } = run([{ peek: {} }], [JSON.stringify({ v: "x".repeat(5000) })]);
    expect(shown[0]).toHaveLength("n0: ".length + 1001);
  });
});
