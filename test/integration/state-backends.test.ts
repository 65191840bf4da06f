import { describe, expect, it } from "vitest";
import type { PipelineNode } from "../../src/api/pipeline.schema.ts";
import type { Program } from "../../src/engine/program.ts";
import { BACKENDS, backendRigs, increments, keys, send, stateOf } from "../builders/backend-rig.ts";
import type { Event } from "../builders/backend-rig.ts";
import { restarted } from "../builders/restarted-programs.ts";

const rig = backendRigs();

describe.each(BACKENDS)("state in %s", (backend) => {
  it("keeps a value of each of many keys", () => {
    const { start, take } = rig({ aggregate: { was: "first(event.v)", is: "last(event.v)" } });
    const program = start(backend);
    const all = keys(20_000);
    for (const round of [1, 2, 3])
      send(
        program,
        all.map((k, i) => ({ k, v: `${round}-${i}` })),
      );
    const rows = take().slice(-all.length);
    expect(rows).toEqual(all.map((k, i) => ({ k, was: `1-${i}`, is: `3-${i}` })));
    expect(stateOf(program).size()).toBe(all.length);
  });

  it("keeps lists, sets and sketches", () => {
    const aggregate = {
      some: "collect(event.v, 3)",
      kinds: "countDistinct(event.v)",
      about: "approxCountDistinct(event.v)",
      middle: "percentile(event.v, 0.5)",
    };
    const { start, take } = rig({ aggregate });
    const program = start(backend);
    for (let v = 0; v < 50; v++)
      send(
        program,
        keys(20).map((k) => ({ k, v: v % 40 })),
      );
    for (const row of take().slice(-20)) {
      expect(row).toMatchObject({ some: [0, 1, 2], kinds: 40 });
      expect(row["about"]).toBeCloseTo(40, -1);
      expect(row["middle"]).toBeCloseTo(15, -1);
    }
  });

  it("keeps the best records of a key in order", () => {
    const { start, take } = rig({ topN: { size: 2, by: "event.v" } });
    const program = start(backend);
    for (const v of [5, 9, 7, 1])
      send(
        program,
        keys(10).map((k) => ({ k, v })),
      );
    const rows = take().filter(({ k }) => k === "key-3");
    expect(rows.map(({ rank, record }) => [rank, (record as Event).v])).toEqual([
      [1, 5],
      [1, 9],
      [2, 5],
      [2, 7],
    ]);
  });

  it("adds numbers up without an error of rounding, and knows none from zero", () => {
    const { start, take } = rig({
      aggregate: { n: "count()", sum: "sum(event.v)", least: "min(event.v)", mean: "avg(event.v)" },
    });
    const program = start(backend);
    send(program, [
      { k: "none", v: null },
      { k: "big", v: 2 ** 53 - 2 },
      { k: "half", v: 0.5 },
    ]);
    send(program, [
      { k: "none", v: null },
      { k: "big", v: 1 },
      { k: "half", v: -0.25 },
    ]);
    expect(take().slice(3)).toEqual([
      { k: "none", n: 2, sum: null, least: null, mean: null },
      { k: "big", n: 2, sum: 2 ** 53 - 1, least: 1, mean: (2 ** 53 - 1) / 2 },
      { k: "half", n: 2, sum: 0.25, least: -0.25, mean: 0.125 },
    ]);
  });

  it("lets the first record of a key through, and forgets keys when event time has passed their time to live", () => {
    const { start, take } = rig({ dedup: { ttl: "10s" } });
    const program = start(backend);
    const at = (ts: number): number => {
      program.advanceWatermark("events", ts);
      send(
        program,
        keys(300).map((k) => ({ k, ts })),
      );
      return take().length;
    };
    expect([at(0), at(5_000), at(9_999), at(10_000), at(15_000), at(20_000)]).toEqual([300, 0, 0, 300, 0, 300]);
  });

  it("starts a key anew after it gave a result and was removed", () => {
    const { start, take } = rig({ aggregate: { sum: "sum(event.v)" }, window: { count: { size: 2 } } });
    const program = start(backend);
    for (const v of [1, 2, 3, 4, 5])
      send(
        program,
        keys(30).map((k) => ({ k, v })),
      );
    expect(take().filter(({ k }) => k === "key-7")).toEqual([
      { k: "key-7", sum: 3 },
      { k: "key-7", sum: 7 },
    ]);
  });

  it("gives windows in the order in which keys came, late ones again, and drops them", () => {
    const { start, take } = rig({
      aggregate: { n: "count()", last: "last(event.v)" },
      window: { tumbling: { size: "10s" }, allowedLateness: "5s" },
    });
    const program = start(backend);
    const names = keys(3_000).toReversed();
    for (const v of [1, 2])
      send(
        program,
        names.map((k) => ({ k, ts: 1_000, v })),
      );
    send(program, [{ k: "later", ts: 11_000, v: 3 }]);
    program.advanceWatermark("events", 10_000);
    expect(take()).toEqual(names.map((k) => ({ k, windowStart: 0, windowEnd: 10_000, n: 2, last: 2 })));
    send(program, [
      { k: "key-5", ts: 2_000, v: 4 },
      { k: "new", ts: 3_000, v: 5 },
    ]);
    expect(take()).toMatchObject([
      { k: "key-5", n: 3, last: 4 },
      { k: "new", n: 1 },
    ]);
    program.advanceWatermark("events", 15_000);
    send(program, [{ k: "key-5", ts: 2_000 }]);
    expect(take()).toEqual([]);
    expect(program.counters().get("state")?.late).toBe(1);
    expect(stateOf(program).size()).toBe(1);
  });

  it("saves what was there at the barrier, whatever is written while it is read", () => {
    const { start, take } = rig({ aggregate: { n: "count()", last: "last(event.v)" } });
    const program = start(backend);
    const all = keys(5_000);
    send(
      program,
      all.map((k) => ({ k, v: "before" })),
    );
    const snapshot = stateOf(program).beginSnapshot();
    const chunks: Buffer[] = [];
    for (const chunk of snapshot.chunks(0)) {
      chunks.push(Buffer.from(chunk));
      send(
        program,
        all.map((k) => ({ k, v: "after" })),
      );
      send(program, [{ k: `new-${chunks.length}` }]);
    }
    snapshot.release();
    take();
    const restored = start(backend);
    stateOf(restored).restore(0, chunks, stateOf(program).stateVersion);
    expect(stateOf(restored).size()).toBe(all.length);
    send(
      restored,
      all.map((k) => ({ k, v: "restored" })),
    );
    expect(new Set(take().map(({ n, last }) => `${String(n)} ${String(last)}`))).toEqual(new Set(["2 restored"]));
  });

  it("goes on in another backend, and comes back", () => {
    const { start, take } = rig({ aggregate: { n: "count()", some: "collect(event.v, 9)" } });
    let programs = [start(backend)];
    for (const [i, next] of [...BACKENDS, backend].entries()) {
      for (const program of programs)
        send(
          program,
          keys(400).map((k) => ({ k, v: i })),
        );
      programs = restarted(programs, [start(next)]);
    }
    take();
    send(programs[0] as Program, [{ k: "key-399", v: "end" }]);
    expect(take()).toEqual([{ k: "key-399", n: 5, some: [0, 1, 2, 3, "end"] }]);
  });

  it("is dealt among any number of workers by shard", () => {
    const { start, take } = rig({ aggregate: { n: "count()" } });
    let programs = [start(backend)];
    let rounds = 0;
    for (const workers of [3, 2, 5, 1, 4]) {
      rounds++;
      for (let split = 0; split < 8; split++)
        send(
          programs[split % programs.length] as Program,
          keys(100).map((k) => ({ k: `${split}-${k}` })),
          split,
        );
      programs = restarted(
        programs,
        Array.from({ length: workers }, () => start(backend)),
      );
    }
    expect(take().filter(({ n }) => n === rounds)).toHaveLength(800);
    expect(programs.reduce((sum, program) => sum + stateOf(program).size(), 0)).toBe(800);
  });

  it("keeps big values, and keys with any character", () => {
    const { start, take } = rig({ aggregate: { n: "count()", last: "last(event.v)" } });
    let program = start(backend);
    const odd = ["", "\u0000", "\uffff", "é😀", '"', "x".repeat(20_000)];
    const big = (i: number): string => String.fromCodePoint(97 + i).repeat(300_000);
    send(
      program,
      odd.map((k, i) => ({ k, v: big(i) })),
    );
    [program] = restarted([program], [start(backend)]) as [Program];
    take();
    send(
      program,
      odd.map((k) => ({ k, v: "small" })),
    );
    expect(take()).toEqual(odd.map((k) => ({ k, n: 2, last: "small" })));
  });

  it.each([
    ["a table", { aggregate: { n: "count()", last: "last(event.v)" } }],
    ["a table that removes keys", { aggregate: { last: "last(event.v)" }, window: { count: { size: 3 } } }],
    [
      "a table that gives results by time",
      { aggregate: { n: "count()", last: "last(event.v)" }, window: { global: { trigger: { every: "10s" } } } },
    ],
    ["windows", { aggregate: { n: "count()", last: "last(event.v)" }, window: { tumbling: { size: "10s" } } }],
  ] satisfies [string, Partial<PipelineNode>][])("tells for %s what changed since an earlier checkpoint", (_, node) => {
    const { start, take } = rig(node);
    const program = start(backend);
    const checkpoints = increments();
    const sizes: number[] = [];
    for (const round of [0, 1, 2, 3]) {
      const some = round === 0 ? keys(4_000) : [...keys(4_000).slice(round * 100, round * 100 + 50), `new-${round}`];
      send(
        program,
        some.map((k) => ({ k, ts: 1_000, v: round })),
      );
      sizes.push(checkpoints.take(program));
    }
    expect(sizes).toEqual([4_000, 51, 51, 51]);
    take();
    const restored = start(backend);
    stateOf(restored).restore(0, checkpoints.written, stateOf(program).stateVersion);
    for (const p of [program, restored]) {
      send(
        p,
        keys(600).map((k) => ({ k, ts: 2_000, v: "end" })),
      );
      p.advanceWatermark("events", 20_000);
    }
    const rows = take();
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.slice(rows.length / 2)).toEqual(rows.slice(0, rows.length / 2));
  });
});
