import { describe, expect, it } from "vitest";
import { batchOf } from "../../../test/builders/memory-batch.ts";
import { memorySink } from "../../../test/builders/memory-sink.ts";
import { isTimedJoin } from "../../api/join-check.ts";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { compile } from "../codegen/compile.ts";
import { interpret } from "../interpreter/interpret.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";
import { JOIN_STATE_VERSION } from "./row-codec.ts";

type Join = NonNullable<PipelineNode["join"]>;
type Setting = { from?: string[]; after?: PipelineNode[]; onError?: "Dead"; ttl?: string };
type Sides = "left" | "right" | "both";

const keys = { leftKey: "left.k", rightKey: "right.k" };
const window: Join = { window: { size: "10ms" }, ...keys };
const interval: Join = { interval: { before: "5ms", after: "2ms" }, ...keys };

describe.each([
  ["generated", compile],
  ["interpreted", interpret],
] as const)("a join, %s", (_, make) => {
  /** A job that joins orders and payments; results and what went aside come with their event time. */
  function job(
    join: Join,
    { from = ["l", "r"], after = [] as PipelineNode[], onError = "Dead" as const, ...ttl }: Setting = {},
  ) {
    const eventTime = { field: "event.ts" };
    const last = after.at(-1)?.name ?? "j";
    const sinks = new Map(["out", "late", "dead"].map((name) => [name, memorySink()]));
    const plan = planPipeline(
      {
        nodes: [
          ...["l", "r"].map((name): PipelineNode => ({ name, source: { datagen: {} }, eventTime })),
          { name: "j", from, join, onError, ...ttl },
          ...after,
          { name: "out", from: [last], sink: { blackhole: {} } },
          ...(isTimedJoin(join) ? [{ name: "late", from: ["j.late"], sink: { blackhole: {} } }] : []),
          { name: "dead", from: ["j.dead"], sink: { blackhole: {} } },
          ...(from.includes("r") ? [] : [{ name: "unread", from: ["r"], sink: { blackhole: {} } }]),
        ],
      },
      { parameters: {}, maxParallelism: 1 },
    );
    const writers = new Map([...sinks].map(([name, { writer }]) => [name, writer]));
    writers.set("unread", memorySink().writer);
    const program = make(plan, { slot: 0, slots: 1, parameters: {}, sinks: writers });
    return {
      program,
      send: (source: "l" | "r", ...records: object[]) =>
        program.inputs.get(source)?.process(batchOf(records.map((r) => JSON.stringify(r)))),
      pass: (watermark: number, which: Sides = "both") => {
        if (which !== "right") program.advanceWatermark("l", watermark);
        if (which !== "left") program.advanceWatermark("r", watermark);
      },
      take: (sink = "out"): Record<string, unknown>[] =>
        (sinks.get(sink)?.written.splice(0) ?? []).map(({ value, ts }) => ({ ts, ...(JSON.parse(value) as object) })),
    };
  }

  it("of a window gives its pairs when both inputs have passed the window", () => {
    const { send, pass, take } = job(window);
    send("l", { k: 1, ts: 3, v: "a" }, { k: 1, ts: 12, v: "b" });
    send("r", { k: 1, ts: 8, w: "x" }, { k: 2, ts: 9, w: "y" });
    pass(9, "left");
    expect(take()).toEqual([]);
    pass(9, "right");
    expect(take()).toEqual([{ ts: 9, left: { k: 1, ts: 3, v: "a" }, right: { k: 1, ts: 8, w: "x" } }]);
    pass(19);
    expect(take()).toEqual([]);
  });

  it("gives rows without a partner only where its type says so", () => {
    const rows = (type: Join["type"]): unknown[] => {
      const { send, pass, take } = job({ ...window, type, select: { l: "left.v", r: "right.v" } });
      send("l", { k: 1, ts: 1, v: "a" }, { k: 2, ts: 1, v: "b" }, { k: 1, ts: 2, v: "c" });
      send("r", { k: 3, ts: 1, v: "x" }, { k: 1, ts: 1, v: "y" });
      pass(9);
      return take().map(({ l, r }) => `${String(l)}${String(r)}`);
    };
    expect(rows("Inner")).toEqual(["ay", "cy"]);
    expect(rows("Left")).toEqual(["ay", "cy", "bnull"]);
    expect(rows("Outer")).toEqual(["ay", "cy", "bnull", "nullx"]);
  });

  it("without a window or interval gives a pair when its second row comes, however late", () => {
    const { send, pass, take } = job({ ...keys, select: { l: "left.v", r: "right.w" } });
    send("l", { k: 1, ts: 3, v: "a" }, { k: null, ts: 3, v: "none" });
    pass(1_000_000);
    send("r", { k: 1, ts: 5, w: "x" }, { k: null, ts: 5, w: "none" });
    send("l", { k: 1, ts: 1, v: "b" });
    expect(take()).toEqual([
      { ts: 5, l: "a", r: "x" },
      { ts: 5, l: "b", r: "x" },
    ]);
  });

  it("without a window or interval forgets a row when the watermark is its ttl further", () => {
    const { program, send, pass, take } = job({ ...keys, select: { l: "left.v", r: "right.w" } }, { ttl: "10s" });
    send("l", { k: 1, ts: 1000, v: "a" }, { k: 1, ts: 3000, v: "b" });
    pass(10_999);
    send("r", { k: 1, ts: 11_000, w: "x" });
    expect(take().map(({ l, r }) => [l, r])).toEqual([
      ["a", "x"],
      ["b", "x"],
    ]);
    pass(11_000);
    send("r", { k: 1, ts: 12_000, w: "y" }, { k: 1, ts: 500, w: "old" });
    expect(take().map(({ l, r }) => [l, r])).toEqual([
      ["b", "y"],
      ["b", "old"],
    ]);
    pass(22_000);
    expect(program.keyed[0]?.size()).toBe(0);
  });

  it("of an interval gives a pair when its second row comes, at the later time of both", () => {
    const { send, take } = job({ ...interval, select: { l: "left.ts", r: "right.ts" } });
    send("l", { k: 1, ts: 10 });
    expect(take()).toEqual([]);
    send("r", { k: 1, ts: 4 }, { k: 1, ts: 5 }, { k: 1, ts: 12 }, { k: 1, ts: 13 }, { k: 2, ts: 10 });
    expect(take()).toEqual([
      { ts: 10, l: 10, r: 5 },
      { ts: 12, l: 10, r: 12 },
    ]);
    send("l", { k: 1, ts: 11 });
    expect(take().map(({ r }) => r)).toEqual([12, 13]);
  });

  it("of an interval gives a row without a partner when none can come any more, at that time", () => {
    const { send, pass, take } = job({ ...interval, type: "Outer", select: { l: "left.ts", r: "right.ts" } });
    send("l", { k: 1, ts: 10 }, { k: 2, ts: 10 });
    send("r", { k: 2, ts: 11 }, { k: 3, ts: 11 });
    expect(take()).toEqual([{ ts: 11, l: 10, r: 11 }]);
    pass(11);
    expect(take()).toEqual([]);
    pass(12);
    expect(take()).toEqual([{ ts: 12, l: 10, r: null }]);
    pass(15);
    expect(take()).toEqual([]);
    pass(16);
    expect(take()).toEqual([{ ts: 16, l: null, r: 11 }]);
  });

  it("puts records that are late aside", () => {
    for (const join of [window, interval]) {
      const { send, pass, take, program } = job(join);
      pass(9);
      send("l", { k: 1, ts: 9 }, { k: 1, ts: 10 });
      send("r", { k: 1, ts: 10 }, { k: 1, ts: 8 });
      pass(19);
      expect(take()).toHaveLength(1);
      expect(take("late").map(({ ts }) => ts)).toEqual([9, 8]);
      expect(program.counters().get("j")).toMatchObject({ in: 4, out: 1, late: 2 });
    }
  });

  it("finds late in a restored shard what was late before, though the watermark is not there yet", () => {
    for (const join of [window, interval]) {
      const before = job(join);
      before.send("l", { k: 1, ts: 15 });
      before.pass(9);
      const { send, take, program } = job(join);
      const snapshot = before.program.keyed[0]?.beginSnapshot();
      program.keyed[0]?.restore(0, [...(snapshot?.chunks(0) ?? [])], JOIN_STATE_VERSION);
      send("r", { k: 1, ts: 9 }, { k: 1, ts: 15 });
      expect(take("late").map(({ ts }) => ts)).toEqual([9]);
      program.end("l");
      program.end("r");
      expect(take()).toHaveLength(1);
    }
  });

  it("takes null for a key that is equal to nothing", () => {
    for (const join of [window, interval]) {
      const select = { l: "left.v", r: "right.v" };
      const { send, pass, take } = job({ ...join, type: "Left", select });
      send("l", { k: null, ts: 1, v: 1 }, { k: "null", ts: 1, v: 2 });
      send("r", { k: null, ts: 1, v: 3 }, { k: "null", ts: 1, v: 4 });
      pass(99);
      const rows = take().map(({ l, r }) => `${String(l)} ${String(r)}`);
      expect(rows.toSorted()).toEqual(["1 null", "2 4"]);
    }
  });

  it("can join an input with itself", () => {
    const { send, pass, take } = job({ ...window, select: { a: "left.v", b: "right.v" } }, { from: ["l", "l"] });
    send("l", { k: 1, ts: 1, v: "a" }, { k: 1, ts: 2, v: "b" });
    pass(9);
    expect(take().map(({ a, b }) => `${String(a)}${String(b)}`)).toEqual(["aa", "ab", "ba", "bb"]);
  });

  it("calculates in select by CEL, where a side without a row is null and has no fields", () => {
    const select = { sum: "left.v + right.v", met: "right != null", known: "has(right.v)", whole: "right" };
    const { send, pass, take } = job({ ...window, type: "Left", select });
    send("l", { k: 1, ts: 1, v: 2 }, { k: 2, ts: 1, v: 3 });
    send("r", { k: 1, ts: 1, v: 5 });
    pass(9);
    expect(take()).toEqual([{ ts: 9, sum: 7, met: true, known: true, whole: { k: 1, ts: 1, v: 5 } }]);
    expect(take("dead")).toEqual([{ ts: 9, left: { k: 2, ts: 1, v: 3 }, right: null }]);
    const total = { ...select, sum: "right == null ? left.v : left.v + right.v" };
    const other = job({ ...window, type: "Left", select: total });
    other.send("l", { k: 2, ts: 1, v: 3 });
    other.pass(9);
    expect(other.take()).toEqual([{ ts: 9, sum: 3, met: false, known: false, whole: null }]);
  });

  it("gives to `dead` a record whose key fails, as it came, and a pair whose select fails", () => {
    const { send, pass, take } = job({ ...window, select: { v: "left.v" } });
    send("l", { ts: 1 }, { k: {}, ts: 1 }, { k: 1, ts: 1 });
    send("r", { k: 1, ts: 1 });
    pass(9);
    expect(take()).toEqual([]);
    expect(take("dead")).toEqual([
      { ts: 1 },
      { ts: 1, k: {} },
      { ts: 9, left: { k: 1, ts: 1 }, right: { k: 1, ts: 1 } },
    ]);
  });

  it("hands its results to windows below, none of them late", () => {
    const count: PipelineNode = {
      name: "c",
      from: ["j"],
      keyBy: "event.left.k",
      window: { tumbling: { size: "10ms" } },
      aggregate: { rows: "count()" },
    };
    const { send, pass, take, program } = job({ ...interval, type: "Left" }, { after: [count] });
    send("l", { k: 1, ts: 7 }, { k: 1, ts: 9 }, { k: 2, ts: 7 });
    send("r", { k: 1, ts: 8 });
    pass(8);
    pass(9);
    expect(take().map(({ k, rows, windowEnd }) => [k, rows, windowEnd])).toEqual([
      [1, 2, 10],
      [2, 1, 10],
    ]);
    expect(program.counters().get("c")).toMatchObject({ late: 0 });
  });

  it("keeps rows no longer than something can meet them", () => {
    for (const [join, most] of [
      [{ window: { size: "1s" }, ...keys, type: "Outer" }, 2 * 1000],
      [{ interval: { before: "3s", after: "1s" }, ...keys, type: "Outer" }, (3 + 1) * 1000],
    ] as const) {
      const { send, pass, program } = job(join);
      const held: number[] = [];
      for (let ts = 0; ts < 100_000; ts += 100) {
        send("l", { k: ts % 700, ts });
        send("r", { k: ts % 300, ts });
        pass(ts - 1);
        held.push(program.keyed[0]?.size() ?? 0);
      }
      // One record of each side every 100 ms.
      expect(Math.max(...held)).toBeLessThanOrEqual((2 * most) / 100);
      pass(200_000);
      expect(program.keyed[0]?.size()).toBe(0);
      const snapshot = program.keyed[0]?.beginSnapshot();
      expect([...(snapshot?.chunks(0) ?? [])].map((c) => c.length)).toEqual([12]);
    }
  });
});

describe("rows of an interval join", () => {
  it("are given back to the machine in pieces as time passes", () => {
    const nodes: PipelineNode[] = [
      { name: "l", source: { datagen: {} }, eventTime: { field: "event.ts" } },
      { name: "j", from: ["l", "l"], join: { ...keys, interval: { before: "8s", after: "0s" } } },
      { name: "out", from: ["j"], sink: { blackhole: {} } },
    ];
    const plan = planPipeline({ nodes }, { parameters: {}, maxParallelism: 1 });
    const sinks = new Map([["out", memorySink().writer]]);
    const program = compile(plan, { slot: 0, slots: 1, parameters: {}, sinks });
    const [state] = program.keyed as unknown as { owned: Map<number, { logs: Map<number, { n: number }>[] }> }[];
    const held: number[] = [];
    for (let ts = 0; ts < 200_000; ts += 100) {
      program.inputs.get("l")?.process(batchOf([JSON.stringify({ k: ts, ts })]));
      program.advanceWatermark("l", ts - 1);
      const logs = [...(state?.owned.values() ?? [])].flatMap((s) => s.logs.flatMap((side) => [...side.values()]));
      held.push(logs.reduce((n, log) => n + log.n, 0));
    }
    // Right rows wait for 8 s and left rows not at all; both are dropped in spans of 2 s.
    expect(Math.max(...held)).toBeLessThanOrEqual(80 + 20 + 20 + 2);
  });
});
