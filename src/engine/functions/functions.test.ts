import { describe, expect, it } from "vitest";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { runFunctions } from "../../../test/builders/function-run.ts";
import type { Act, FunctionRun } from "../../../test/builders/function-run.ts";
import type { KeyedContext, KeyedProcessFunction, ProcessFunction, SavedState } from "./author.ts";

interface Event {
  readonly ts: number;
  readonly k: string;
  readonly v?: unknown;
}
const sink = (name: string, from: string): PipelineNode => ({ name, from: [from], sink: { blackhole: {} } });
const out = sink("out", "x");
const plain: PipelineNode[] = [{ name: "x", from: ["events"], process: { function: "f" } }, out];
const keyed: PipelineNode[] = [{ name: "x", from: ["events"], keyBy: "event.k", process: { function: "f" } }, out];
const records = (...list: Event[]): Act => ({ records: list });

type Keyed = KeyedProcessFunction<Event, unknown, string>;
const onEach = (onRecord: Keyed["onRecord"], more: Partial<Keyed> = {}): Keyed => ({ onRecord, ...more });
const runKeyed = (f: Keyed, ...acts: Act[]): FunctionRun => runFunctions(keyed, { exports: { f } }, acts);

describe("a function without a key", () => {
  it("gives no, one or many records for each, with its time, its parameters and its outputs", () => {
    const f: ProcessFunction<Event & { n: number }> = (event, { emit, timestamp, parameters, node }) => {
      for (let i = 0; i < event.n; i++) emit({ i, timestamp, unit: parameters["unit"], node });
      if (event.n > 1) emit(event, "many");
    };
    const nodes: PipelineNode[] = [
      { name: "x", from: ["events"], process: { function: "f", outputs: ["many"] } },
      out,
      sink("many", "x.many"),
    ];
    const batch = { records: [0, 1, 2].map((n) => ({ ts: n * 10, n })) };
    const common = { unit: "ms", node: "x" };
    expect(runFunctions(nodes, { exports: { f } }, [batch]).written).toEqual({
      out: [
        { i: 0, timestamp: 10, ...common },
        { i: 0, timestamp: 20, ...common },
        { i: 1, timestamp: 20, ...common },
      ],
      many: [{ ts: 20, n: 2 }],
    });
  });

  it("may change its event: others that read it see it as it came", () => {
    const f: ProcessFunction<{ v: number[] }> = (event, { emit }) => {
      event.v.push(99);
      emit(event);
      event.v.push(100);
    };
    const nodes: PipelineNode[] = [
      { name: "before", from: ["events"], map: { v: "event.v", all: "event" } },
      { name: "x", from: ["before"], process: { function: "f" } },
      { name: "y", from: ["before"], process: { function: "f" } },
      out,
      sink("other", "before"),
      sink("again", "y"),
    ];
    const { written } = runFunctions(nodes, { exports: { f } }, [records({ ts: 1, k: "a", v: [1] })]);
    const all = { ts: 1, k: "a", v: [1] };
    expect(written).toEqual({ out: [{ v: [1, 99], all }], other: [{ v: [1], all }], again: [{ v: [1, 99], all }] });
  });

  it.each([
    ["a promise", () => Promise.reject(new Error("late")), /returned a promise; a function is synchronous/],
    ["a value", () => ({ n: 1 }), /returned a value; give records by context\.emit/],
  ])("ends the job where it returns %s, whatever onError says", (_, f, message) => {
    const nodes: PipelineNode[] = [{ ...(plain[0] as PipelineNode), onError: "Skip" }, out];
    const { failure } = runFunctions(nodes, { exports: { f } }, [records({ ts: 1, k: "a" })]);
    expect(failure).toMatch(/^node "x", function "f" \(\/f\.mjs\) /);
    expect(failure).toMatch(message);
  });

  it.each([
    ["asynchronous", async () => {}, /onRecord as AsyncFunction; it must be synchronous/],
    ["a generator", function* () {}, /onRecord as GeneratorFunction; it must be synchronous/],
    ["no function", { onrecord: () => {} }, /has no function onRecord/],
    ["a text", "f", /must be a function, or an object with onRecord/],
    ["of version 0", { onRecord: () => {}, stateVersion: 0 }, /stateVersion that is not a whole number from 1/],
    ["waiting for timers", { onRecord: () => {}, onTimer: () => {} }, /has onTimer; add keyBy to the node/],
  ])("is refused where it is %s", (_, f, message) => {
    expect(runFunctions(plain, { exports: { f } }, []).failure).toMatch(message);
  });
});

describe("what a function emits and keeps", () => {
  it.each([
    [() => 1n, "a bigint"],
    [() => new Date(0), "a Date"],
    [() => ({ a: [{ b: new Map() }] }), "a Map at a.0.b"],
    [() => ({ n: 0 / 0 }), "NaN at n"],
    [() => [undefined], "undefined at 0"],
    [() => ({ f: () => {} }), "a function at f"],
    [() => circle(), "nested more than 100 deep, or refers to itself"],
  ])("must be JSON: %s", (make, found) => {
    const emitted = runFunctions(plain, { exports: { f: ((_, c) => c.emit(make())) as ProcessFunction } }, [
      records({ ts: 1, k: "a" }),
    ]);
    expect(emitted.failure).toContain(`the record that it emits is ${found}`);
    const kept = runKeyed(
      onEach((_, { state }) => state.map("m").set("x", make())),
      records({ ts: 1, k: "a" }),
    );
    expect(kept.failure).toContain(`state "m" is ${found}`);
  });

  it("may have undefined fields, and a field that is called __proto__", () => {
    const odd = JSON.parse('{"a": 1, "__proto__": {"b": [2]}}') as object;
    const f: ProcessFunction = (event, { emit }) => emit({ event, none: undefined, odd });
    const { written } = runFunctions(plain, { exports: { f } }, [{ records: [odd].map((o) => ({ ...o, ts: 1 })) }]);
    expect(JSON.stringify(written["out"])).toBe(
      '[{"event":{"a":1,"__proto__":{"b":[2]},"ts":1},"odd":{"a":1,"__proto__":{"b":[2]}}}]',
    );
  });
});

function circle(): object {
  const a: { self?: object } = {};
  a.self = a;
  return a;
}

describe("a function that throws", () => {
  const f = onEach((event, { emit, state, timers }) => {
    state.list<string>("seen").add(event.k);
    state.value<number>("n").set((state.value<number>("n").get() ?? 0) + 1);
    state.map("m").set("v", event.v);
    timers.set("t", 1000);
    emit({ n: state.value("n").get(), seen: state.list("seen").get(), m: state.map("m").entries() });
    if (event.v === 13) throw new RangeError("unlucky");
  });
  const batch = records(
    { ts: 1, k: "a", v: 1 },
    { ts: 2, k: "a", v: 13 },
    { ts: 3, k: "b", v: 13 },
    { ts: 4, k: "a", v: 2 },
  );
  const withOnError = (onError: "Skip" | "Dead"): PipelineNode[] => [{ ...(keyed[0] as PipelineNode), onError }, out];

  it("ends the job with the node, the function and the record", () => {
    const { failure, written } = runKeyed(f, batch);
    expect(failure).toBe(
      'node "x", record events[0]@1: function "f" (/f.mjs) threw RangeError: unlucky; ' +
        "set onError on the node to Skip or Dead to go on without such records",
    );
    expect(written["out"]).toHaveLength(1);
  });

  it("has given nothing, kept nothing and set no timer for that record", () => {
    const { written, errors, keys } = runFunctions(withOnError("Skip"), { exports: { f } }, [batch]);
    expect(written["out"]).toEqual([
      { n: 1, seen: ["a"], m: [["v", 1]] },
      { n: 2, seen: ["a", "a"], m: [["v", 2]] },
    ]);
    expect([errors, keys]).toEqual([2, 1]);
  });

  it("sends the event to dead as the node got it", () => {
    const dead = sink("dead", "x.dead");
    const changing = onEach((event, context) => f.onRecord(Object.assign(event, { changed: true }), context));
    const { written } = runFunctions([...withOnError("Dead"), dead], { exports: { f: changing } }, [batch]);
    expect(written["dead"]).toEqual([
      { ts: 2, k: "a", v: 13 },
      { ts: 3, k: "b", v: 13 },
    ]);
  });

  it("in a timer ends the job with the timer, or is counted", () => {
    const timed = onEach((_, { timers }) => timers.set("t", 1000), {
      onTimer: () => {
        throw new Error("no");
      },
    });
    const acts = [records({ ts: 1, k: "a" }), { watermark: 2000 }];
    expect(runKeyed(timed, ...acts).failure).toMatch(
      /^node "x", record of timer "t" at 1000: function "f" .* threw Error: no/,
    );
    const skipped = runFunctions(withOnError("Skip"), { exports: { f: timed } }, acts);
    expect([skipped.failure, skipped.errors, skipped.keys]).toEqual([undefined, 1, 0]);
  });

  it("may not use its context later", () => {
    let kept: KeyedContext | undefined;
    const late = onEach((_, context) => {
      if (kept === undefined) kept = context;
    });
    runKeyed(late, records({ ts: 1, k: "a" }));
    expect(() => kept?.state.value("n").set(1)).toThrow(/used after the function had returned/);
  });

  it("may not keep a state in two kinds", () => {
    const two = onEach((_, { state }) => {
      state.list("n").add(1);
      state.value("n").set(1);
    });
    expect(runKeyed(two, records({ ts: 1, k: "a" })).failure).toMatch(/state "n" is a list, not a value/);
  });
});

describe("state of a key", () => {
  it("is the key's own, a copy each time, and there after a restart", () => {
    const f = onEach((event, { state, emit, key }) => {
      const value = state.value<{ list: unknown[] }>("v");
      const held = value.get() ?? { list: [] };
      held.list.push(event.v);
      if (event.v !== "unsaved") value.set(held);
      state.map<number>("m").set(String(event.v), 1);
      state.map<number>("m").delete("2");
      emit({ key, list: value.get()?.list, size: state.map("m").size });
    });
    const first = records({ ts: 1, k: "a", v: 1 }, { ts: 1, k: "a", v: "unsaved" }, { ts: 1, k: "b", v: 2 });
    const { written } = runKeyed(f, first, "restart", records({ ts: 1, k: "a", v: 3 }, { ts: 1, k: "b", v: 4 }));
    expect(written["out"]).toEqual([
      { key: "a", list: [1], size: 1 },
      { key: "a", list: [1], size: 2 },
      { key: "b", list: [2], size: 0 },
      { key: "a", list: [1, 3], size: 3 },
      { key: "b", list: [2, 4], size: 1 },
    ]);
  });

  it("adds values up as its aggregator says, from a beginning that is not shared, and over a restart", () => {
    const mean = {
      initial: [0, 0] as [sum: number, n: number],
      add: (kept: [number, number], value: number): [number, number] => {
        kept[0] += value; // what it is given is its own
        kept[1]++;
        return kept;
      },
      result: ([sum, n]: [number, number]) => sum / n,
    };
    const f = onEach((event, { state, emit }) => {
      const average = state.aggregating("mean", mean);
      const most = state.aggregating("most", { initial: null as number | null, add: (_, v: number) => v });
      if (event.v === "clear") average.clear();
      else {
        average.add(Number(event.v));
        most.add(Number(event.v));
      }
      emit([average.get() ?? "none", state.value("mean").get() ?? "none", most.get()]);
      if (event.v === 13) throw new RangeError("unlucky");
    });
    const nodes: PipelineNode[] = [{ ...(keyed[0] as PipelineNode), onError: "Skip" }, out];
    const event = (k: string, v: unknown): Event => ({ ts: 1, k, v });
    const first = records(event("a", 4), event("b", 1), event("a", 13), event("a", 8));
    const later = records(event("a", 0), event("a", "clear"), event("b", 2));
    expect(runFunctions(nodes, { exports: { f } }, [first, "restart", later]).written["out"]).toEqual([
      [4, [4, 1], 4],
      [1, [1, 1], 1],
      [6, [12, 2], 8],
      [4, [12, 3], 0],
      ["none", "none", 0],
      [1.5, [3, 2], 2],
    ]);
  });

  it("that an aggregator gives nothing for ends the job with the state's name", () => {
    const f = onEach((_, { state }) =>
      state.aggregating("n", { initial: 0, add: () => undefined as unknown as number }).add(1),
    );
    expect(runKeyed(f, records({ ts: 1, k: "a" })).failure).toContain('state "n" is undefined; it must be JSON');
  });

  it("is forgotten when event time has come its ttl further than its last change", () => {
    const f = onEach((event, { state, emit }) => {
      const n = state.value<number>("n");
      if (event.v === "look") return emit(n.get() ?? "none");
      n.set((n.get() ?? 0) + 1);
    });
    const nodes: PipelineNode[] = [{ ...(keyed[0] as PipelineNode), process: { function: "f", ttl: "100ms" } }, out];
    const look = records({ ts: 50, k: "a", v: "look" });
    const acts = [
      records({ ts: 10, k: "a" }),
      { watermark: 109 },
      look,
      "restart",
      look,
      { watermark: 110 },
      look,
    ] as const;
    const { written, keys } = runFunctions(nodes, { exports: { f } }, acts);
    expect([written["out"], keys]).toEqual([[1, 1, "none"], 0]);
  });
});

describe("timers", () => {
  const ring = onEach((event, { timers }) => timers.set(String(event.v), event.ts + 100), {
    onTimer: ({ name, time }, { emit, key, timestamp, watermark }) => emit([name, time, key, timestamp, watermark]),
  });

  it("are due by event time: by time, then shard, key and name, each once, also over a restart", () => {
    const first = records(
      { ts: 7, k: "b", v: 1 },
      { ts: 5, k: "b", v: 2 },
      { ts: 7, k: "b", v: 0 },
      { ts: 9, k: "b", v: 3 },
    );
    const { written, keys } = runKeyed(ring, first, { watermark: 104 }, { watermark: 106 }, "restart", {
      watermark: 107,
    });
    expect(written["out"]).toEqual([
      ["2", 105, "b", 105, 106],
      ["0", 107, "b", 107, 107],
      ["1", 107, "b", 107, 107],
    ]);
    expect(keys).toBe(1);
  });

  it("stand at one time each: setting moves, deleting takes away", () => {
    const f = onEach(
      (event, { timers, emit }) => {
        if (event.v === "delete") timers.delete("t");
        else timers.set("t", Number(event.v));
        emit(timers.get("t") ?? "none");
      },
      { onTimer: ({ time }, { emit }) => emit({ time }) },
    );
    const acts = [
      records(
        { ts: 1, k: "a", v: 10 },
        { ts: 1, k: "a", v: 30 },
        { ts: 1, k: "b", v: 10 },
        { ts: 1, k: "b", v: "delete" },
      ),
      { watermark: 20 },
      { watermark: 40 },
    ];
    expect(runKeyed(f, ...acts).written["out"]).toEqual([10, 30, 10, "none", { time: 30 }]);
  });

  const everySecond = onEach((event, { timers }) => timers.set("tick", event.ts + 1000), {
    onTimer: ({ time }, { emit, timers }) => {
      emit(time);
      timers.set("tick", time + 1000);
    },
  });

  it("that are set by a timer are due in the same step of the watermark, and not after the end of the input", () => {
    const { written } = runKeyed(everySecond, records({ ts: 0, k: "a" }), { watermark: 3500 }, "end");
    expect(written["out"]).toEqual([1000, 2000, 3000, 4000]);
  });

  it("must be in the future of the timer that sets them, and whole", () => {
    const again = onEach((_, { timers }) => timers.set("t", 10), {
      onTimer: ({ time }, { timers }) => timers.set("t", time),
    });
    const failed = runKeyed(again, records({ ts: 0, k: "a" }), { watermark: 10 }).failure;
    expect(failed).toMatch(/timer "t": 10 is not later than the timer that is due, 10/);
    const odd = onEach((_, { timers }) => timers.set("t", 0.5));
    expect(runKeyed(odd, records({ ts: 0, k: "a" })).failure).toMatch(/timer "t": 0.5 is not a time in whole ms/);
    const unheard = onEach((_, { timers }) => timers.set("t", 5));
    expect(runKeyed(unheard, records({ ts: 0, k: "a" }), { watermark: 5 }).failure).toMatch(/there is no onTimer/);
  });

  it("outlive the state that a ttl forgets", () => {
    const f = onEach(
      (_, { state, timers }) => {
        state.value("n").set(1);
        timers.set("t", 1000);
      },
      { onTimer: (_, { state, emit }) => emit(state.value("n").get() ?? "forgotten") },
    );
    const nodes: PipelineNode[] = [{ ...(keyed[0] as PipelineNode), process: { function: "f", ttl: "100ms" } }, out];
    const acts = [records({ ts: 10, k: "a" }), { watermark: 500 }, "restart", { watermark: 1000 }] as const;
    expect(runFunctions(nodes, { exports: { f } }, acts)).toMatchObject({ written: { out: ["forgotten"] }, keys: 0 });
  });
});

describe("state of an older version of a function", () => {
  const one = onEach((event, { state }) => state.list("l").add(event.v));
  const emit: Keyed["onRecord"] = (_, { state, emit: give }) => give(state.value("sum").get() ?? "none");
  const migrate = ({ lists }: SavedState, from: number): SavedState => {
    const sum = (lists["l"] ?? []).reduce<number>((a, b) => a + Number(b), from * 100);
    return { values: { sum }, lists: {}, maps: {} };
  };
  const acts = [
    records({ ts: 1, k: "a", v: 1 }, { ts: 1, k: "a", v: 2 }),
    "restart",
    records({ ts: 1, k: "a" }),
  ] as const;
  const over = (later: Keyed): FunctionRun => runFunctions(keyed, { exports: { f: one }, later: { f: later } }, acts);

  it("goes through migrate", () => {
    expect(over({ onRecord: emit, stateVersion: 2, migrate }).written["out"]).toEqual([103]);
  });

  it("is refused where there is no way to read it", () => {
    expect(over({ onRecord: emit, stateVersion: 3 }).failure).toMatch(
      /the saved state has version 1, the function stateVersion 3; export migrate/,
    );
    const failing = (): never => {
      throw new Error("odd");
    };
    expect(over({ onRecord: emit, stateVersion: 2, migrate: failing }).failure).toMatch(
      /migrate from version 1 failed: odd/,
    );
  });
});
