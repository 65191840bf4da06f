import { expect, it } from "vitest";
import { batchOf } from "../../../test/builders/memory-batch.ts";
import { memorySink } from "../../../test/builders/memory-sink.ts";
import { random } from "../../../test/builders/random.ts";
import { compile } from "../codegen/compile.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";

const source = (name: string) => ({ name, source: { datagen: {} }, eventTime: { field: "event.ts" } });

function joined(type: "Inner" | "Left") {
  const join = { temporal: {}, type, leftKey: "left.k", rightKey: "right.k", select: { id: "left.id", v: "right.v" } };
  const plan = planPipeline(
    {
      nodes: [
        source("orders"),
        source("rates"),
        { name: "j", from: ["orders", "rates"], join },
        { name: "out", from: ["j"], sink: { blackhole: {} } },
        { name: "late", from: ["j.late"], sink: { blackhole: {} } },
      ],
    },
    { parameters: {}, maxParallelism: 4 },
  );
  const [out, late] = [memorySink(), memorySink()];
  const sinks = new Map([["out", out.writer] as const, ["late", late.writer] as const]);
  const program = compile(plan, { slot: 0, slots: 1, sinks, parameters: {} });
  const put = (node: string, ...records: readonly object[]): void =>
    program.inputs.get(node)?.process(batchOf(records.map((r) => JSON.stringify(r))));
  const time = (ts: number): void => ["orders", "rates"].forEach((node) => program.advanceWatermark(node, ts));
  return { program, put, time, out: out.written, late: late.written };
}

it("gives each record the version that is in force at its time, when the watermark says that all are there", () => {
  const { put, time, out, late } = joined("Left");
  put(
    "orders",
    { id: 1, k: "a", ts: 100 },
    { id: 2, k: "a", ts: 250 },
    { id: 3, k: "b", ts: 120 },
    { id: 4, k: null, ts: 1 },
  );
  put("rates", { k: "a", v: "late", ts: 260 }, { k: "a", v: "old", ts: 90 }, { k: "a", v: "new", ts: 250 });
  expect(out).toEqual([]);
  time(119);
  put("rates", { k: "a", v: "newest", ts: 250 });
  time(300);
  expect(out.map(({ value, ts }) => [JSON.parse(value), ts])).toEqual([
    [{ id: 4, v: null }, 1],
    [{ id: 1, v: "old" }, 100],
    [{ id: 3, v: null }, 120],
    [{ id: 2, v: "newest" }, 250],
  ]);
  put("orders", { id: 5, k: "a", ts: 300 }, { id: 6, k: "a", ts: 301 });
  expect(late.map(({ value }) => (JSON.parse(value) as { id: number }).id)).toEqual([5]);
});

it("lets a version that comes late be in force for what is still to come, unless there is a newer one", () => {
  const { put, time, out, program } = joined("Inner");
  time(1_000);
  put("rates", { k: "a", v: "x", ts: 10 }, { k: "b", v: "y", ts: 900 }, { k: "b", v: "older", ts: 800 });
  expect(program.keyed[0]?.size()).toBe(2);
  put("orders", { id: 1, k: "a", ts: 1_001 }, { id: 2, k: "b", ts: 1_002 }, { id: 3, k: "c", ts: 1_003 });
  time(2_000);
  expect(out.map(({ value }) => JSON.parse(value) as object)).toEqual([
    { id: 1, v: "x" },
    { id: 2, v: "y" },
  ]);
});

it("equals a plain look at all versions, whatever comes before what", () => {
  let given = 0;
  for (let seed = 1; seed <= 150; seed++) {
    const r = random(seed);
    const { put, time, out } = joined("Inner");
    const orders: { id: number; k: string; ts: number }[] = [];
    const rates: { v: number; k: string; ts: number }[] = [];
    const one = (now: number): void => {
      const at = { k: `k${r.below(3)}`, ts: now + 1 + r.below(300) };
      if (r.chance(0.5)) put("orders", orders[orders.push({ id: orders.length, ...at }) - 1] as object);
      // One version a millisecond: which of two counts is shown above.
      else if (!rates.some((rate) => rate.k === at.k && rate.ts === at.ts))
        put("rates", rates[rates.push({ v: rates.length, ...at }) - 1] as object);
    };
    for (let turn = 0, now = 0; turn < 12; turn++, now += 100) {
      for (let n = r.below(8); n > 0; n--) one(now);
      time(now + 100);
    }
    time(Infinity);
    const expected = orders.flatMap(({ id, k, ts }) => {
      const versions = rates.filter((rate) => rate.k === k && rate.ts <= ts).toSorted((a, b) => a.ts - b.ts);
      return versions.length === 0 ? [] : [{ id, v: versions.at(-1)?.v }];
    });
    const found = out.map(({ value }) => JSON.parse(value) as { id: number }).toSorted((a, b) => a.id - b.id);
    expect(found, `seed ${seed}`).toEqual(expected);
    given += found.length;
  }
  console.log(`temporal joins: ${given} results of 150 runs as a plain look gives them`);
  expect(given).toBeGreaterThan(1_000);
});
