import { describe, expect, it } from "vitest";
import { batchOf } from "../../../test/builders/memory-batch.ts";
import { memorySink } from "../../../test/builders/memory-sink.ts";
import type { Written } from "../../../test/builders/memory-sink.ts";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { interpret } from "../interpreter/interpret.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";
import { compile } from "./compile.ts";

function run(
  nodes: PipelineNode[],
  records: (string | null)[],
  onError: PipelineNode["onError"] = "Skip",
  make: typeof compile = compile,
): Record<string, Written[]> {
  const source: PipelineNode = { name: "events", source: { datagen: {} }, onError };
  const sinks = new Map(nodes.filter((n) => n.sink !== undefined).map((n) => [n.name, memorySink()]));
  const connections = [{ name: "main", kafka: { brokers: ["k:9092"] } }];
  const plan = planPipeline({ connections, nodes: [source, ...nodes] }, { parameters: {}, maxParallelism: 4 });
  const writers = new Map([...sinks].map(([name, { writer }]) => [name, writer]));
  const program = make(plan, { slot: 0, slots: 1, parameters: {}, sinks: writers });
  program.inputs.get("events")?.process(batchOf(records));
  while (program.buffers.some((buffer) => buffer.step()));
  return Object.fromEntries([...sinks].map(([name, { written }]) => [name, written]));
}

const out = (from: string, key?: string): PipelineNode => ({
  name: "out",
  from: [from],
  sink: { connection: "main", kafka: { topic: "t", ...(key === undefined ? {} : { key }) } },
});
const peeks: PipelineNode = { name: "p", from: ["u"], peek: {} };
const limit: PipelineNode = { name: "l", from: ["p"], rateLimit: { perSecond: 10 } };
const queued: PipelineNode = { name: "q", from: ["l"], union: {}, buffer: { size: 5 } };
const values = (written: Written[] = []): string[] => written.map((w) => w.value);

describe("a generated chain", () => {
  it("passes the bytes of a record through that no map touched", () => {
    const odd = '{ "a" : 1.0, "b":"\\u0041" }';
    expect(values(run([{ name: "f", from: ["events"], filter: "event.a == 1" }, out("f")], [odd])["out"])).toEqual([
      odd,
    ]);
  });

  it("copies a mapped field in its own spelling, and writes it on one line", () => {
    const map = { x: "event.a", "deep.y": "event.o" };
    const written = run([{ name: "m", from: ["events"], map }, out("m")], ['{"a":1.50,"o":{"k":\n[1, 2]}}'])["out"];
    expect(values(written)).toEqual(['{"x":1.50,"deep":{"y":{"k":[1,2]}}}']);
  });

  it("does not look into records that are only passed on", () => {
    expect(values(run([out("events")], ["not json", '{"a":1}'], "Fail")["out"])).toEqual(["not json", '{"a":1}']);
  });

  it.each<[string, PipelineNode[]]>([
    ["", []],
    [", also through nodes that read no field", [{ name: "u", from: ["events"], union: {} }, peeks, limit, queued]],
  ])("passes tombstones on where nothing looks into them%s", (_, between) => {
    const nodes: PipelineNode[] = [...between, out(between.at(-1)?.name ?? "events")];
    for (const make of [compile, interpret]) {
      const written = run(nodes, ["not json", null, ""], "Fail", make)["out"];
      expect(written).toMatchObject([{ value: "not json" }, { value: "", tombstone: true }, { value: "" }]);
      expect(written?.[2]).not.toHaveProperty("tombstone");
    }
  });

  it("finds tombstones where the source says what to do with what is malformed, and where a field is read", () => {
    const dead: PipelineNode = { name: "dead", from: ["events.dead"], sink: { blackhole: {} } };
    const reads: PipelineNode = { name: "f", from: ["events"], filter: "true" };
    for (const make of [compile, interpret]) {
      const written = run([out("events"), dead], [null, "{}"], "Dead", make);
      expect([values(written["out"]), written["dead"]]).toMatchObject([["{}"], [{ tombstone: true }]]);
      expect(() => run([reads, out("f")], [null], "Fail", make)).toThrow(/events\[0\]@0: the record has no value/);
    }
  });

  it("finds malformed records that are only passed on when the source says what to do with them", () => {
    expect(values(run([out("events")], ["not json", '{"a":1}'], "Skip")["out"])).toEqual(['{"a":1}']);
    const dead: PipelineNode = { name: "dead", from: ["events.dead"], sink: { blackhole: {} } };
    const written = run([out("events"), dead], ["not json", '{"a":1}'], "Dead");
    expect([values(written["out"]), values(written["dead"])]).toEqual([['{"a":1}'], ["not json"]]);
  });

  it("sends what is not JSON to the source's dead output as it came, whatever the filter would have said", () => {
    const nodes: PipelineNode[] = [
      { name: "f", from: ["events"], filter: "event.a == 2" },
      out("f"),
      { name: "dead", from: ["events.dead"], sink: { blackhole: {} } },
    ];
    const written = run(nodes, ['{"a":1} tail', '{"a":2}', '{"a":1,"b":', null], "Dead");
    expect(values(written["out"])).toEqual(['{"a":2}']);
    expect(values(written["dead"])).toEqual(['{"a":1} tail', '{"a":1,"b":', ""]);
  });

  it("fails on a bad record with the node, the position and what to do", () => {
    const nodes: PipelineNode[] = [{ name: "f", from: ["events"], filter: "event.a > 1" }, out("f")];
    expect(() => run(nodes, ['{"a":2}', '{"b":2}'])).toThrow(/node "f", record events\[0\]@1: .*a.*; set onError/);
    expect(() => run(nodes, ["{"], "Fail")).toThrow(/node "events", record events\[0\]@0/);
  });

  it("writes a text key without quotes, a number as its digits, and null as no key", () => {
    const written = run([out("events", "event.k")], ['{"k":"a"}', '{"k":5}', '{"k":null}', '{"k":"\\u00e9"}'])["out"];
    expect(written?.map((w) => w.key)).toEqual(["a", "5", null, "é"]);
  });

  it("gives records whose key or header fails to the reader of the sink's dead output", () => {
    const dead: PipelineNode = { name: "dead", from: ["out.dead"], sink: { blackhole: {} } };
    const headers = { h: "string(event.n)" };
    const sink = { connection: "main", kafka: { topic: "t", key: "event.a.b", headers } };
    const nodes: PipelineNode[] = [{ name: "out", from: ["events"], onError: "Dead", sink }, dead];
    for (const make of [compile, interpret]) {
      const written = run(nodes, ['{"a":{"b":"x"},"n":1}', '{"a":1,"n":2}', '{"a":{"b":"y"}}'], "Fail", make);
      expect(written["out"]).toMatchObject([{ value: '{"a":{"b":"x"},"n":1}', key: "x" }]);
      expect(values(written["dead"])).toEqual(['{"a":1,"n":2}', '{"a":{"b":"y"}}']);
    }
  });

  it("refuses a plan with text where a number is written into the code", () => {
    const nodes: PipelineNode[] = [
      { name: "events", source: { datagen: {} } },
      { name: "out", from: ["events"], sink: { blackhole: {} } },
    ];
    const plan = planPipeline({ nodes }, { parameters: {}, maxParallelism: 4 });
    const tampered = { ...plan, maxParallelism: "1); throw new Error('ran'); (" as unknown as number };
    const options = { slot: 0, slots: 1, parameters: {}, sinks: new Map([["out", memorySink().writer]]) };
    expect(() => compile(tampered, options)).toThrow(/for a number/);
  });

  it.each([
    ["event.a == 'ab'", ['{"a":"ab"}', '{"a":"\\u0061b"}']],
    ["event.a != 'ab'", ['{"a":"abc"}', '{"a":"a"}', '{"a":"xb"}', '{"a":1}', '{"a":null}', '{"a":""}']],
    ["event.a in ['a', 'xb']", ['{"a":"a"}', '{"a":"xb"}']],
    ["'' == event.a", ['{"a":""}']],
  ])("compares a field with texts: %s", (filter, passed) => {
    const all = ["ab", "abc", "a", "xb", 1, null, ""].map((a) => JSON.stringify({ a }));
    const records = [...all, '{"a":"\\u0061b"}', '{"b":"ab"}'];
    const written = run([{ name: "f", from: ["events"], filter, onError: "Skip" }, out("f")], records)["out"];
    expect(values(written).toSorted()).toEqual(passed.toSorted());
  });

  it("copies numbers in their own spelling unless no double holds them", () => {
    const numbers = ["0.5", "-0", "1e3", "12345678901234567890.25", "1e400", `1${"0".repeat(400)}`];
    const records = numbers.map((n) => `{"a":${n}}`);
    const written = run([{ name: "m", from: ["events"], map: { b: "event.a" } }, out("m")], records)["out"];
    const spelled = [...numbers.slice(0, 4), "null", "null"];
    expect(values(written)).toEqual(spelled.map((n) => `{"b":${n}}`));
  });

  it("takes hostile text in an expression as text", () => {
    const text = `"]; throw new Error("out"); //\u2028\${1}\``;
    const record = JSON.stringify({ a: text });
    const nodes: PipelineNode[] = [
      { name: "f", from: ["events"], filter: `event.a == ${JSON.stringify(text)}` },
      { name: "m", from: ["f"], map: { constructor: "event.a", __proto: "'*/'" } },
      out("m"),
    ];
    expect(values(run(nodes, [record])["out"])).toEqual([JSON.stringify({ constructor: text, __proto: "*/" })]);
  });

  it("counts a list of fields as one key however the fields are spelled, and writes it as JSON.stringify does", () => {
    const nodes: PipelineNode[] = [
      { name: "n", from: ["events"], keyBy: "[event.a, event.b]", aggregate: { n: "count()" } },
      out("n", "event.key"),
    ];
    const long = "x".repeat(500);
    const pairs = [
      `"é",1.0`,
      `"\\u00e9",1`,
      `"a",-7`,
      `"a",-0`,
      `"a",0`,
      `null,true`,
      `"${long}",1`,
      `["a"],2`,
      `"é",1`,
    ];
    const records = pairs.map((pair) => `{"a":${pair.slice(0, pair.lastIndexOf(","))},"b":${pair.split(",").at(-1)}}`);
    const written = run(nodes, records)["out"] ?? [];
    const keys = [
      `["é",1]`,
      `["é",1]`,
      `["a",-7]`,
      `["a",0]`,
      `["a",0]`,
      `[null,true]`,
      `["${long}",1]`,
      `[["a"],2]`,
      `["é",1]`,
    ];
    const counts = [1, 2, 1, 1, 2, 1, 1, 1, 3];
    expect(written.map(({ key }) => key)).toEqual(keys);
    expect(values(written)).toEqual(keys.map((key, i) => `{"key":${key},"n":${counts[i]}}`));
  });

  it("gives the last value back as JSON.stringify writes it, whatever it is", () => {
    const nodes: PipelineNode[] = [
      { name: "n", from: ["events"], keyBy: "event.k", aggregate: { v: "last(event.v)" } },
      out("n"),
    ];
    const given = [
      "1",
      "1.0",
      "-0",
      "1e400",
      "12345678901234567890",
      "1.7e12",
      "-5",
      `"5"`,
      "null",
      `{"a":[1.50]}`,
      "true",
    ];
    const written = run(
      nodes,
      given.map((v) => `{"k":1,"v":${v}}`),
    )["out"];
    const expected = given.map((v) => `{"k":1,"v":${JSON.stringify(JSON.parse(v))}}`);
    expect(values(written)).toEqual(expected);
  });
});
