import { describe, expect, it } from "vitest";
import type { Pipeline, PipelineNode } from "../../api/pipeline.schema.ts";
import { isWeirError } from "../../errors.ts";
import type { ErrorCode } from "../../errors.ts";
import type { Plan } from "../plan.ts";
import { sourceEndpoint } from "./endpoints.ts";
import { explain } from "./explain.ts";
import { planPipeline } from "./plan-pipeline.ts";

const events: PipelineNode = {
  name: "events",
  source: { datagen: {} },
  partitionedBy: "event.tenant",
  eventTime: { field: "event.ts", maxOutOfOrderness: "3s" },
};
const out = (from: string, ...more: string[]): PipelineNode => ({
  name: "out",
  from: [from, ...more],
  sink: { blackhole: {} },
});
const window: Omit<PipelineNode, "name" | "from"> = {
  keyBy: "event.tenant",
  window: { tumbling: { size: "10s" }, allowedLateness: "5s" },
  aggregate: { n: "count()", max: "max(event.lag)" },
};

const processing: Omit<PipelineNode, "name" | "from"> = {
  ...window,
  window: { tumbling: { size: "10s" }, time: "Processing" },
};

function plan(nodes: PipelineNode[], more: Partial<Pipeline> = {}, parameters: Record<string, string> = {}): Plan {
  return planPipeline({ ...more, nodes }, { parameters, maxParallelism: 32 });
}

function refusal(nodes: PipelineNode[], more: Partial<Pipeline> = {}): { code: ErrorCode; message: string } {
  try {
    plan(nodes, more);
  } catch (e) {
    if (isWeirError(e)) return { code: e.code, message: e.message };
    throw e;
  }
  throw new Error("the pipeline was accepted");
}

describe("the planner", () => {
  it("compiles the quickstart's shape into sources, nodes in order, and sinks", () => {
    const made = plan([
      out("per-tenant"),
      { name: "per-tenant", from: ["slim"], ...window },
      { name: "slim", from: ["hot"], map: { tenant: "event.tenant", lag: "event.payload.lag" } },
      { name: "hot", from: ["events"], filter: "event.type == 'metrics'" },
      events,
    ]);
    expect(made.nodes.map((n) => n.name)).toEqual(["hot", "slim", "per-tenant"]);
    expect(made.nodes[2]).toMatchObject({
      keyField: "tenant",
      window: { type: "tumbling", sizeMs: 10_000, offsetMs: 0 },
      allowedLatenessMs: 5000,
      keying: "declared",
      aggregates: [
        { name: "n", fn: "count", arg: null },
        { name: "max", fn: "max", arg: "event.lag" },
      ],
    });
    expect(made.sources[0]).toMatchObject({ eventTime: { field: ["ts"], maxOutOfOrdernessMs: 3000 }, onError: "Fail" });
    expect(made.parallelismLimit).toBeNull();
  });

  it("gives equal plans equal hashes, and a changed expression another", () => {
    const filter = (text: string): PipelineNode => ({ name: "hot", from: ["events"], filter: text });
    const hash = (text: string): string => plan([events, filter(text), out("hot")]).hash;
    expect(hash("event.a > 1")).toBe(hash("event.a > 1"));
    expect(hash("event.a > 1")).not.toBe(hash("event.a > 2"));
  });

  it("merges a connection's fields and the node's", () => {
    const connections: Pipeline["connections"] = [{ name: "main", kafka: { brokers: ["k:9092"] } }];
    const source: PipelineNode = { name: "in", source: { connection: "main", kafka: { topics: ["{topic}"] } } };
    const sink: PipelineNode = {
      name: "to",
      from: ["in"],
      sink: { connection: "main", kafka: { topic: "rollup", key: "event.tenant" } },
    };
    const made = plan([source, sink], { connections }, { topic: "orders" });
    expect(made.sources[0]).toMatchObject({
      connector: "kafka",
      config: { brokers: ["k:9092"], topics: ["orders"] },
      secretRef: null,
    });
    expect(made.sinks[0]).toMatchObject({ key: "event.tenant", config: { topic: "rollup" } });
    expect(made.sinks[0]?.config).not.toHaveProperty("key");
  });

  it("keeps only the reference of a connection's Secret", () => {
    const sasl = { mechanism: "ScramSha512", secretRef: { name: "user" } } as const;
    const pipeline: Pipeline = { connections: [{ name: "main", kafka: { brokers: ["k:9092"], sasl } }], nodes: [] };
    const source = { connection: "main", kafka: { topics: ["a"] } };
    expect(sourceEndpoint(source, { node: "in", pipeline, parameters: {} }).secretRef).toBe("user");
  });
});

describe("the keying of a window", () => {
  const limitOf = (...nodes: PipelineNode[]): string | undefined =>
    plan([events, ...nodes, out("w")]).parallelismLimit?.reason;

  it("stays declared through filter, branch, union and a map that copies or renames the field", () => {
    const limit = limitOf(
      { name: "a", from: ["events"], filter: "event.x > 1" },
      { name: "b", from: ["a"], branch: { cases: [{ name: "big", when: "event.x > 9" }], otherwise: "small" } },
      { name: "c", from: ["b.big", "b.small"], union: {} },
      { name: "d", from: ["c"], map: { customer: "event.tenant", lag: "event.lag" } },
      { name: "w", from: ["d"], ...window, keyBy: "event.customer" },
    );
    expect(limit).toBeUndefined();
  });

  it("is local, for one worker, where the key is another field, an expression, or was computed", () => {
    const from = ["events"];
    expect(limitOf({ name: "w", from, ...window, keyBy: "event.host" })).toMatch(/declared key is event.tenant/);
    expect(limitOf({ name: "w", from, ...window, keyBy: "event.tenant + 'x'" })).toMatch(/declared key/);
    const map: PipelineNode = { name: "m", from, map: { tenant: "event.tenant + ''", lag: "event.lag" } };
    expect(limitOf(map, { name: "w", from: ["m"], ...window })).toMatch(/map "m" does not copy event.tenant/);
  });

  it("stays declared through what keeps the field, and not through what loses it", () => {
    const after = (operation: Partial<PipelineNode>): string | undefined =>
      limitOf({ name: "x", from: ["events"], ...operation }, { name: "w", from: ["x"], ...window });
    expect(after({ select: ["event.tenant", "event.lag"] })).toBeUndefined();
    expect(after({ drop: ["event.lag"] })).toBeUndefined();
    expect(after({ peek: {} })).toBeUndefined();
    expect(after({ rateLimit: { perSecond: 1 } })).toBeUndefined();
    expect(after({ select: ["event.lag"] })).toMatch(/select "x" does not keep event.tenant/);
    expect(after({ drop: ["event.tenant"] })).toMatch(/drop "x" does not keep event.tenant/);
    expect(after({ flatMap: "event.items" })).toMatch(/flatMap "x" makes other records/);
  });

  it("stays declared through dedup and distinct, which pass the record on, and holds for their own state", () => {
    const by = { name: "x", from: ["events"], distinct: { by: "event.tenant" } };
    expect(limitOf(by, { name: "w", from: ["x"], ...window })).toBeUndefined();
    const once = { name: "x", from: ["events"], keyBy: "event.tenant", dedup: {} };
    expect(limitOf(once, { name: "w", from: ["x"], ...window })).toBeUndefined();
    const whole = { name: "x", from: ["events"], distinct: {} };
    expect(limitOf(whole, { name: "w", from: ["x"], ...window })).toMatch(
      /declared key is event.tenant, not event, and "w", which is keyed as its source is split, reads behind it/,
    );
  });

  it("is local when sources meet whose splits may differ", () => {
    const other = (splits: number): PipelineNode => ({ ...events, name: "more", source: { datagen: { splits } } });
    const w: PipelineNode = { name: "w", from: ["events", "more"], ...window };
    expect(limitOf(other(3), w)).toMatch(/whose splits may differ/);
  });

  it("goes on through a declared window, whose result carries the key", () => {
    const second = { name: "w", from: ["first"], ...window, aggregate: { most: "max(event.n)" } };
    expect(limitOf({ name: "first", from: ["events"], ...window }, second)).toBeUndefined();
  });
});

describe("a window of processing time", () => {
  const timeless: PipelineNode = { name: "events", source: { datagen: {} } };
  const below: PipelineNode = {
    name: "w2",
    from: ["w"],
    ...window,
    keyBy: "event.tenant",
    window: { session: { gap: "1m" } },
  };

  it("needs no event time at its source, and gives time to windows below it", () => {
    const made = plan([timeless, { name: "w", from: ["events"], ...processing }, below, out("w2")]);
    expect(made.nodes.map((n) => n.kind === "windowAggregate" && n.time)).toEqual(["processing", undefined]);
  });

  it("leaves the plan of a window of event time as it was", () => {
    const explicit = { ...window, window: { ...window.window, tumbling: { size: "10s" }, time: "Event" as const } };
    const hash = (node: Partial<PipelineNode>): string =>
      plan([events, { name: "w", from: ["events"], ...node }, out("w")]).hash;
    expect(hash(explicit)).toBe(hash(window));
  });
});

describe("a pipeline that cannot run is refused with its node and what to do", () => {
  it.each<[string, PipelineNode[], ErrorCode, RegExp]>([
    [
      "a cycle",
      [events, { name: "a", from: ["b"], filter: "true" }, { name: "b", from: ["a"], filter: "true" }, out("b")],
      "PIPELINE_INVALID",
      /cycle: .*a → b|cycle: .*b → a/,
    ],
    ["an unknown input", [events, out("evnts")], "PIPELINE_INVALID", /nodes\[out\].from: there is no node "evnts"/],
    [
      "a missing from",
      [events, { name: "f", filter: "true" }, out("f")],
      "PIPELINE_INVALID",
      /nodes\[f\].from: is missing/,
    ],
    [
      "an output that is not there",
      [events, out("events.dead")],
      "PIPELINE_INVALID",
      /no output "dead".*set onError: Dead on "events"/,
    ],
    [
      "dead letters that nobody reads",
      [events, { name: "f", from: ["events"], filter: "true", onError: "Dead" }, out("f")],
      "PIPELINE_INVALID",
      /no node reads "f.dead"/,
    ],
    [
      "a node that nobody reads",
      [events, { name: "f", from: ["events"], filter: "true" }, out("events")],
      "PIPELINE_INVALID",
      /nodes\[f\].name: no node reads its records/,
    ],
    [
      "a syntax error",
      [events, { name: "f", from: ["events"], filter: "event.a >" }, out("f")],
      "EXPRESSION_INVALID",
      /node "f"/,
    ],
    [
      "an unknown function",
      [events, { name: "f", from: ["events"], filter: "evil(event)" }, out("f")],
      "EXPRESSION_INVALID",
      /node "f"/,
    ],
    [
      "a field that is selected twice",
      [events, { name: "s", from: ["events"], select: ["event.payload", "event.payload.lag"] }, out("s")],
      "PIPELINE_INVALID",
      /node "s": event.payload.lag is named already by event.payload/,
    ],
    [
      "a buffer before a source",
      [{ ...events, buffer: { size: 10 } }, out("events")],
      "PIPELINE_INVALID",
      /node "events" is a source, before which no buffer can stand; give buffer to the nodes that read it/,
    ],
    [
      "a rateLimit behind a buffer that loses nothing",
      [
        events,
        { name: "f", from: ["events"], filter: "true", buffer: {} },
        { name: "l", from: ["f"], rateLimit: { perSecond: 1 } },
        out("l"),
      ],
      "PIPELINE_INVALID",
      /node "l" is a rateLimit behind the buffer of "f".*put the rateLimit before the buffer, or take .* Drop or Latest/,
    ],
    [
      "a flatMap that gives no list",
      [events, { name: "f", from: ["events"], flatMap: "event.a == 1" }, out("f")],
      "EXPRESSION_INVALID",
      /node "f": the expression must give a list/,
    ],
    [
      "an aggregate that is none",
      [events, { name: "w", from: ["events"], ...window, aggregate: { n: "median(event.a)" } }, out("w")],
      "EXPRESSION_INVALID",
      /node "w", aggregate n/,
    ],
    [
      "a result field twice",
      [events, { name: "w", from: ["events"], ...window, aggregate: { tenant: "count()" } }, out("w")],
      "PIPELINE_INVALID",
      /already has a field "tenant"/,
    ],
    [
      "a window without event time",
      [{ name: "events", source: { datagen: {} } }, { name: "w", from: ["events"], ...window }, out("w")],
      "PIPELINE_INVALID",
      /source "events" has no eventTime/,
    ],
    [
      "a function that nobody wrote",
      [events, { name: "d", from: ["events"], keyBy: "event.a", process: { function: "f" } }, out("d")],
      "PIPELINE_INVALID",
      /nodes\[d\].process.function: spec.pipeline.functions has no "f"; there are none/,
    ],
    [
      "an aggregate in SQL",
      [events, { name: "w", from: ["events"], ...window, aggregate: { p: "COUNT(*)" } }, out("w")],
      "EXPRESSION_INVALID",
      /is not one call of count, .*; did you mean "count"\?/,
    ],
    [
      "an aggregate that YAML cut at a comma",
      [events, { name: "w", from: ["events"], ...window, aggregate: { p: "percentile(event.lag" } }, out("w")],
      "EXPRESSION_INVALID",
      /YAML ends a value in \{ \} at a comma: put the whole call into quotes/,
    ],
    [
      "a calculation with aggregates",
      [events, { name: "w", from: ["events"], ...window, aggregate: { p: "sum(event.lag) / count()" } }, out("w")],
      "EXPRESSION_INVALID",
      /is more than one call; write each as a field of its own/,
    ],
    [
      "a percentile without a share",
      [events, { name: "w", from: ["events"], ...window, aggregate: { p: "percentile(event.lag)" } }, out("w")],
      "EXPRESSION_INVALID",
      /"percentile\(event.lag\)" needs a share from 0 to 1, for example/,
    ],
    [
      "a percentile beyond all",
      [events, { name: "w", from: ["events"], ...window, aggregate: { p: "percentile(event.lag, 99)" } }, out("w")],
      "EXPRESSION_INVALID",
      /needs a share from 0 to 1/,
    ],
    [
      "a collect without bound",
      [events, { name: "w", from: ["events"], ...window, aggregate: { c: "collect(event.lag, 1000000)" } }, out("w")],
      "EXPRESSION_INVALID",
      /needs a limit from 1 to 10000/,
    ],
    [
      "a ranking by a key that is called rank",
      [events, { name: "t", from: ["events"], keyBy: "event.rank", topN: { size: 3, by: "event.lag" } }, out("t")],
      "PIPELINE_INVALID",
      /key's field cannot be called rank/,
    ],
    [
      "a slide that skips time",
      [events, { name: "w", from: ["events"], ...window, window: { sliding: { size: "1m", every: "2m" } } }, out("w")],
      "PIPELINE_INVALID",
      /nodes\[w\].window.sliding.every: must not be longer than the size 1m/,
    ],
    [
      "a late output of a window of processing time",
      [events, { name: "w", from: ["events"], ...processing }, out("w", "w.late")],
      "PIPELINE_INVALID",
      /node "w" has no output "late"/,
    ],
    [
      "allowed lateness in processing time",
      [
        events,
        { name: "w", from: ["events"], ...processing, window: { ...processing.window, allowedLateness: "5s" } },
        out("w"),
      ],
      "PIPELINE_INVALID",
      /nodes\[w\].window.allowedLateness: belongs to event time/,
    ],
    [
      "a count of processing time",
      [
        events,
        { name: "w", from: ["events"], ...processing, window: { count: { size: 5 }, time: "Processing" } },
        out("w"),
      ],
      "PIPELINE_INVALID",
      /nodes\[w\].window.time: belongs to windows that time ends/,
    ],
    [
      "a late output of a window that counts",
      [events, { name: "w", from: ["events"], ...window, window: { count: { size: 5 } } }, out("w", "w.late")],
      "PIPELINE_INVALID",
      /node "w" has no output "late"/,
    ],
    [
      "results by time without event time",
      [
        { name: "events", source: { datagen: {} } },
        { name: "w", from: ["events"], ...window, window: { global: { trigger: { every: "1s" } } } },
        out("w"),
      ],
      "PIPELINE_INVALID",
      /source "events" has no eventTime/,
    ],
    [
      "an unknown connection",
      [{ name: "in", source: { connection: "x", kafka: { topics: ["a"] } } }, out("in")],
      "PIPELINE_INVALID",
      /no connection is called "x"/,
    ],
    [
      "work on records that are not JSON",
      [{ ...events, onError: "Dead" }, { name: "f", from: ["events.dead"], filter: "true" }, out("f", "events")],
      "PIPELINE_INVALID",
      /only a sink without a key/,
    ],
  ])("%s", (_, nodes, code, message) => {
    const refused = refusal(nodes);
    expect(refused.message).toMatch(message);
    expect(refused.code).toBe(code);
  });

  it("a placeholder in a topic that no parameter fills", () => {
    const connections: Pipeline["connections"] = [{ name: "main", kafka: { brokers: ["k:9092"] } }];
    const source: PipelineNode = { name: "in", source: { connection: "main", kafka: { topics: ["{topic}"] } } };
    expect(refusal([source, out("in")], { connections }).message).toMatch(/no parameter fills .*"\{topic\}"/);
  });
});

it("refuses an expression that does not fit the source's schema", () => {
  const typed: PipelineNode = { ...events, schema: { tenant: "string", "payload.lag": "int" } };
  const hot: PipelineNode = { name: "hot", from: ["events"], filter: "event.payload.lag > 'high'" };
  const refused = refusal([typed, hot, out("hot")]);
  expect(refused.code).toBe("EXPRESSION_INVALID");
  expect(refused.message).toMatch(/node "hot"/);
});

it("refuses to add up what the schema says is no number", () => {
  const typed: PipelineNode = { ...events, schema: { tenant: "string", lag: "int" } };
  const counted = (call: string): PipelineNode[] => [
    typed,
    { name: "w", from: ["events"], ...window, aggregate: { x: call } },
    out("w"),
  ];
  expect(refusal(counted("sum(event.tenant)"))).toMatchObject({
    code: "EXPRESSION_INVALID",
    message: expect.stringContaining('the value must be a number, but "event.tenant" is of type string') as string,
  });
  expect(() => plan(counted("max(event.lag)"))).not.toThrow();
  expect(() => plan(counted("first(event.tenant)"))).not.toThrow();
});

it("knows after select and drop which fields of the schema are left", () => {
  const typed: PipelineNode = {
    ...events,
    schema: { tenant: "string", "payload.lag": "int", "payload.host": "string" },
  };
  const behind = (operation: Partial<PipelineNode>, filter: string): PipelineNode[] => [
    typed,
    { name: "x", from: ["events"], ...operation },
    { name: "f", from: ["x"], filter },
    out("f"),
  ];
  expect(() => plan(behind({ select: ["event.payload.lag"] }, "event.payload.lag > 1"))).not.toThrow();
  expect(refusal(behind({ select: ["event.payload"] }, "event.tenant == 'a'")).message).toMatch(/no field "tenant"/);
  expect(refusal(behind({ drop: ["event.payload"] }, "event.payload.lag > 1")).message).toMatch(/no field "payload"/);
});

it("explains each kind of window and trigger", () => {
  const explained = (spec: Partial<PipelineNode>): string =>
    explain(plan([events, { ...window, name: "w", from: ["events"], ...spec }, out("w")]));
  expect(explained({ window: { sliding: { size: "1m", every: "25s" } } })).toMatch(
    /sliding window of 60000 .* 12 panes/,
  );
  expect(explained({ window: { cumulate: { step: "1s", max: "1m" } } })).toContain("steps of 1000 ms up to 60000 ms");
  expect(explained({ window: { session: { gap: "3s" } } })).toContain("session window with a gap of 3000 ms");
  expect(explained({ window: { count: { size: 7 } } })).toContain("a result of each 7 records");
  expect(explained({ window: { global: { trigger: { count: 7 } } } })).toContain("a result after every 7 records");
  expect(explained({ window: undefined, ttl: "1h" })).toContain("after every record, forgotten after 3600000 ms");
});

it("puts a buffer between a node and its inputs, and has none in the plan of a pipeline without one", () => {
  const buffered = plan([events, { ...out("events"), buffer: { strategy: "Latest" } }]);
  expect(buffered.buffers).toEqual([
    {
      node: "out~buffer",
      reader: "out",
      inputs: [{ node: "events", output: "out" }],
      size: 1,
      strategy: "Latest",
      key: null,
    },
  ]);
  expect(buffered.sinks[0]?.inputs).toEqual([{ node: "out~buffer", output: "out" }]);
  expect(explain(buffered)).toContain("out~buffer: Latest of 1 records ← events");
  expect(plan([events, out("events")])).not.toHaveProperty("buffers");
});

it("puts a buffer before each side of a join, of which Latest keeps the newest record of each key", () => {
  const met = (buffer: PipelineNode["buffer"]): Plan => {
    const join = { leftKey: "left.tenant", rightKey: "right.id", window: { size: "10s" } };
    const others: PipelineNode = { ...events, name: "others" };
    return plan([events, others, { name: "met", from: ["events", "others"], join, buffer }, out("met")]);
  };
  const common = { reader: "met", strategy: "Latest", size: 16_384 };
  const left = { ...common, node: "met~buffer-left", inputs: [{ node: "events", output: "out" }] };
  const right = { ...common, node: "met~buffer-right", inputs: [{ node: "others", output: "out" }] };
  const latest = met({ strategy: "Latest" });
  expect(latest.buffers).toEqual([
    { ...left, key: "left.tenant", variable: "left" },
    { ...right, key: "right.id", variable: "right" },
  ]);
  expect(latest.nodes[0]?.inputs.map((i) => i.node)).toEqual([left.node, right.node]);
  expect(met({ size: 5 }).buffers).toMatchObject([{ key: null, size: 5 }, { key: null }]);
});

it("puts a buffer before what a broadcast meets with its table, and before a lookup", () => {
  const tables: PipelineNode = { name: "tables", source: { datagen: {} } };
  const broadcast = { from: "tables", leftKey: "left.a", rightKey: "right.a" };
  const met = plan([events, tables, { name: "met", from: ["events"], broadcast, buffer: {} }, out("met")]);
  expect(met.buffers).toMatchObject([{ node: "met~buffer", inputs: [{ node: "events" }], key: null }]);
  expect(met.nodes[0]?.inputs.map((i) => i.node)).toEqual(["met~buffer", "tables"]);
  const join = { lookup: { connection: "cache", path: "row:{key}" }, leftKey: "left.a" };
  const asked = plan([events, { name: "asked", from: ["events"], join, buffer: {} }, out("asked")], {
    connections: [{ name: "cache", redis: { host: "cache" } }],
  });
  expect(asked.nodes[0]?.inputs).toEqual([{ node: "asked~buffer", output: "out" }]);
});

it("explains the stream graph, the chains and the physical plan", () => {
  const text = explain(plan([events, { name: "w", from: ["events"], ...window }, out("w")]));
  expect(text).toContain("w: tumbling window of 10000 ms by event.tenant: n = count(), max = max(event.lag) ← events");
  expect(text).toContain("→ w (end)");
  expect(text).toContain("w: key is declared; a shard is a split of the source");
});
