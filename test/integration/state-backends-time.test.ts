import { describe, expect, it } from "vitest";
import type { KeyedContext } from "../../src/engine/functions/author.ts";
import { BACKENDS, backendRigs, increments, keys, send, stateOf } from "../builders/backend-rig.ts";
import { heldBuffers } from "../builders/held-buffers.ts";
import { restarted } from "../builders/restarted-programs.ts";

const rig = backendRigs();
const MANY = 1_500;

describe.each(BACKENDS)("state that time moves on, in %s", (backend) => {
  it("merges the panes of sliding windows in the order in which keys came, and late records again", () => {
    const { start, take } = rig({
      aggregate: { n: "count()", was: "first(event.v)", is: "last(event.v)", kinds: "countDistinct(event.v)" },
      window: { sliding: { size: "20s", every: "10s" }, allowedLateness: "5s" },
    });
    const program = start(backend);
    const names = keys(MANY).toReversed();
    send(
      program,
      names.map((k) => ({ k, ts: 1_000, v: "a" })),
    );
    send(
      program,
      keys(MANY * 2).map((k) => ({ k, ts: 11_000, v: "b" })),
    );
    program.advanceWatermark("events", 9_999);
    const window = (windowEnd: number): object => ({ windowStart: windowEnd - 20_000, windowEnd });
    expect(take()).toEqual(names.map((k) => ({ k, ...window(10_000), n: 1, was: "a", is: "a", kinds: 1 })));
    program.advanceWatermark("events", 19_999);
    const both = names.map((k) => ({ k, ...window(20_000), n: 2, was: "a", is: "b", kinds: 2 }));
    const later = keys(MANY * 2).slice(MANY);
    expect(take()).toEqual([
      ...both,
      ...later.map((k) => ({ k, ...window(20_000), n: 1, was: "b", is: "b", kinds: 1 })),
    ]);
    send(program, [{ k: "key-7", ts: 2_000, v: "c" }]);
    expect(take()).toEqual([{ k: "key-7", ...window(20_000), n: 3, was: "a", is: "c", kinds: 3 }]);
    program.advanceWatermark("events", 100_000);
    expect(take()).toHaveLength(MANY * 2);
    expect(stateOf(program).size()).toBe(0);
  });

  it("gives cumulating windows over a restart", () => {
    const { start, take } = rig({
      aggregate: { sum: "sum(event.v)", is: "last(event.v)" },
      window: { cumulate: { step: "10s", max: "30s" } },
    });
    let program = start(backend);
    const rows: unknown[] = [];
    for (const [i, next] of [...BACKENDS, backend].entries()) {
      send(
        program,
        keys(MANY).map((k) => ({ k, ts: i * 10_000, v: i + 1 })),
      );
      program.advanceWatermark("events", i * 10_000 + 9_999);
      rows.push(take().find(({ k }) => k === "key-77"));
      [program] = restarted([program], [start(next)]) as [typeof program];
    }
    expect(rows).toEqual([
      { k: "key-77", windowStart: 0, windowEnd: 10_000, sum: 1, is: 1 },
      { k: "key-77", windowStart: 0, windowEnd: 20_000, sum: 3, is: 2 },
      { k: "key-77", windowStart: 0, windowEnd: 30_000, sum: 6, is: 3 },
      { k: "key-77", windowStart: 30_000, windowEnd: 40_000, sum: 4, is: 4 },
    ]);
  });

  it("joins sessions, gives them in the order of their ends and of their beginnings, and late records again", () => {
    const { start, take } = rig({
      aggregate: { n: "count()", some: "collect(event.v, 9)" },
      window: { session: { gap: "10s" }, allowedLateness: "30s" },
    });
    let program = start(backend);
    const names = keys(MANY);
    const at = (ts: number, v: number): void =>
      send(
        program,
        names.map((k) => ({ k, ts, v })),
      );
    at(0, 1);
    at(15_000, 2);
    at(50_000, 3);
    expect(stateOf(program).size()).toBe(MANY * 3);
    [program] = restarted([program], [start(backend)]) as [typeof program];
    at(7_000, 4);
    expect(stateOf(program).size()).toBe(MANY * 2);
    program.advanceWatermark("events", 30_000);
    const joined = take();
    expect(joined.map(({ k }) => k)).toEqual(names);
    expect(joined[7]).toMatchObject({ windowStart: 0, windowEnd: 25_000, n: 3 });
    send(program, [{ k: "key-3", ts: 20_000, v: 5 }]);
    expect(take()).toMatchObject([{ k: "key-3", windowStart: 0, windowEnd: 30_000, n: 4 }]);
    send(program, [{ k: "key-4", ts: 30_000, v: 6 }]);
    program.advanceWatermark("events", 70_000);
    const rest = take();
    expect(rest[0]).toMatchObject({ k: "key-4", windowStart: 30_000, windowEnd: 40_000 });
    expect(rest.slice(1).map(({ k }) => k)).toEqual(names);
    program.advanceWatermark("events", 200_000);
    expect([take().length, stateOf(program).size()]).toEqual([0, 0]);
  });

  it("gives what changed by time, in the order in which it changed, over a restart", () => {
    const { start, take } = rig({ aggregate: { n: "count()" }, window: { global: { trigger: { every: "10s" } } } });
    let program = start(backend);
    const names = keys(MANY).toReversed();
    const record = (some: readonly string[], ts: number): void =>
      send(
        program,
        some.map((k) => ({ k, ts })),
      );
    program.advanceWatermark("events", 0);
    record(names, 1_000);
    program.advanceWatermark("events", 9_998);
    expect(take()).toEqual([]);
    program.advanceWatermark("events", 9_999);
    expect(take()).toEqual(names.map((k) => ({ k, n: 1 })));
    record(["new", ...names.slice(0, 700).toReversed()], 12_000);
    [program] = restarted([program], [start(backend)]) as [typeof program];
    record(["newer", "key-5", "key-5"], 13_000);
    expect(stateOf(program).size()).toBe(MANY + 2);
    program.advanceWatermark("events", 19_999);
    const changed = names.slice(0, 700).toReversed();
    expect(take()).toEqual([
      { k: "new", n: 1 },
      ...changed.map((k) => ({ k, n: 2 })),
      { k: "newer", n: 1 },
      { k: "key-5", n: 3 },
    ]);
    program.advanceWatermark("events", 29_999);
    expect(take()).toEqual([]);
    record(["newer"], 30_000);
    program.end("events");
    expect(take()).toEqual([{ k: "newer", n: 2 }]);
  });

  it("forgets no key whose result is still to be given by time, and the others after their time to live", () => {
    const { start, take } = rig({
      aggregate: { n: "count()" },
      window: { global: { trigger: { every: "10s" } } },
      ttl: "2s",
    });
    let program = start(backend);
    const record = (some: readonly string[], ts: number): void =>
      send(
        program,
        some.map((k) => ({ k, ts })),
      );
    const to = (watermark: number): unknown => {
      program.advanceWatermark("events", watermark);
      return [...new Set(take().map(({ n }) => n))];
    };
    const names = keys(MANY);
    to(0);
    record(names, 0);
    expect(to(9_000)).toEqual([]);
    [program] = restarted([program], [start(backend)]) as [typeof program];
    record(names, 9_000);
    expect(to(9_999)).toEqual([2]);
    record(names.slice(0, 10), 10_999);
    expect(to(12_500)).toEqual([]);
    [program] = restarted([program], [start(backend)]) as [typeof program];
    record(names.slice(10), 12_500);
    expect(to(20_000)).toEqual([3, 1]);
    record(names, 22_000);
    expect(to(Number.POSITIVE_INFINITY)).toEqual([1]);
  });

  /** Counts, and gives what it counted 10 s after the first record of a key. */
  const counting = {
    onRecord: ({ v }: { v: unknown }, { state, timers, timestamp }: KeyedContext) => {
      const n = state.value<number>("n");
      if (n.get() === undefined) timers.set("give", timestamp + 10_000);
      n.set((n.get() ?? 0) + 1);
      state.list("seen").add(v);
      if (v === "clear") timers.delete("give");
    },
    onTimer: (_: unknown, { key, state, emit }: KeyedContext) => {
      emit({ key, n: state.value("n").get(), seen: state.list("seen").get() });
      state.value("n").clear();
      state.list("seen").clear();
    },
  };

  it("keeps what functions keep, and their timers, over a restart", () => {
    const { start, take } = rig({ process: { function: "fn" } }, counting);
    let program = start(backend);
    const names = keys(MANY);
    for (const round of [0, 1, 2])
      send(
        program,
        names.map((k, i) => ({ k, ts: i % 10, v: round })),
      );
    send(program, [{ k: "key-5", ts: 20, v: "clear" }]);
    expect(stateOf(program).size()).toBe(MANY);
    [program] = restarted([program], [start(backend)]) as [typeof program];
    program.advanceWatermark("events", 10_004);
    const first = names.filter((_, i) => i % 10 < 5).toSorted();
    const inTime = [0, 1, 2, 3, 4].flatMap((ts) => first.filter((k) => Number(k.slice(4)) % 10 === ts));
    expect(take()).toEqual(inTime.map((key) => ({ key, n: 3, seen: [0, 1, 2] })));
    expect(stateOf(program).size()).toBe(MANY / 2 + 0);
    program.end("events");
    expect(take()).toHaveLength(MANY / 2 - 1);
    expect(stateOf(program).size()).toBe(1);
  });

  it("does not take a timer that is set at the end of the input for one that stood at its time before", () => {
    const { start, take } = rig(
      { process: { function: "fn" } },
      {
        onRecord: (_: unknown, { timers }: KeyedContext) => {
          timers.set("a", 5_000);
          timers.delete("a");
          timers.set("b", 4_000);
        },
        onTimer: ({ name, time }: { name: string; time: number }, { emit, timers }: KeyedContext) => {
          emit({ name, time });
          timers.set("a", 5_000);
        },
      },
    );
    const program = start(backend);
    send(program, [{ k: "key" }]);
    program.end("events");
    expect(take()).toEqual([{ name: "b", time: 4_000 }]);
  });

  it("forgets what functions keep when event time has passed its time to live", () => {
    const { start, take } = rig(
      { process: { function: "fn", ttl: "10s" } },
      {
        onRecord: (_: unknown, { key, state, emit }: KeyedContext) => {
          const n = state.value<number>("n");
          n.set((n.get() ?? 0) + 1);
          emit({ key, n: n.get() });
        },
      },
    );
    const program = start(backend);
    const at = (ts: number): unknown => {
      program.advanceWatermark("events", ts);
      send(
        program,
        keys(300).map((k) => ({ k, ts })),
      );
      return [...new Set(take().map(({ n }) => n))];
    };
    expect([at(0), at(9_999), at(15_000), at(25_000)]).toEqual([[1], [2], [3], [1]]);
  });

  it("tells of sessions what changed since an earlier checkpoint, which were merged and which are gone", () => {
    // The others write all sessions each time.
    if (backend !== "Memory") return;
    const { start, take } = rig({ aggregate: { n: "count()" }, window: { session: { gap: "5s" } } });
    const program = start(backend);
    const checkpoints = increments();
    send(
      program,
      keys(MANY).map((k) => ({ k, ts: 10_000 })),
    );
    send(
      program,
      keys(20).map((k) => ({ k, ts: 18_000 })),
    );
    send(
      program,
      ["gone", "too"].map((k) => ({ k, ts: 1_000 })),
    );
    expect(checkpoints.take(program)).toBe(MANY + 20 + 2);
    send(
      program,
      keys(10).map((k) => ({ k, ts: 14_000 })),
    );
    program.advanceWatermark("events", 9_000);
    expect(take()).toHaveLength(2);
    send(program, [{ k: "new", ts: 16_000 }]);
    expect(checkpoints.take(program)).toBe(10 + 10 + 2 + 1);
    expect(checkpoints.take(program)).toBe(0);
    program.end("events");
    const expected = take();
    expect(expected).toHaveLength(MANY + 10 + 1);
    for (const other of BACKENDS) {
      const restored = start(other);
      stateOf(restored).restore(0, checkpoints.written, stateOf(program).stateVersion);
      restored.end("events");
      expect(take()).toEqual(expected);
    }
  });

  it("tells for functions what changed since an earlier checkpoint, and which keys went", () => {
    if (backend === "Memory") return;
    const { start, take } = rig({ process: { function: "fn" } }, counting);
    const program = start(backend);
    const checkpoints = increments();
    const record = (names: readonly string[], ts: number): number => {
      send(
        program,
        names.map((k) => ({ k, ts, v: 1 })),
      );
      return checkpoints.take(program);
    };
    expect(record(keys(MANY), 5_000)).toBe(MANY);
    expect(record(keys(20), 6_000)).toBe(20);
    expect(record(["new"], 0)).toBe(1);
    program.advanceWatermark("events", 10_000);
    expect(take()).toHaveLength(1);
    expect(checkpoints.take(program)).toBe(1);
    const restored = start(backend);
    stateOf(restored).restore(0, checkpoints.written, stateOf(program).stateVersion);
    expect(stateOf(restored).size()).toBe(MANY);
    restored.end("events");
    expect(take().filter(({ n }) => n === 2)).toHaveLength(20);
  });

  it("takes no memory for windows that were filled one after another and wait", () => {
    if (backend !== "RocksDB") return;
    const { start } = rig({ aggregate: { n: "count()" }, window: { tumbling: { size: "1s" } } });
    const program = start(backend);
    const before = heldBuffers();
    for (let i = 0; i < 100; i++)
      send(
        program,
        keys(MANY).map((k) => ({ k: `${"key".repeat(50)}-${k}`, ts: i * 1_000 })),
      );
    expect(stateOf(program).size()).toBe(100 * MANY);
    expect(heldBuffers() - before).toBeLessThan(16 * 1024 * 1024);
  });
});
