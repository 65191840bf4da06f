import { describe, expect, it } from "vitest";
import type { Pipeline, PipelineNode } from "../../api/pipeline.schema.ts";
import type { Delivery, Plan } from "../plan.ts";
import { exchangeLevels } from "./exchange-levels.ts";
import { explain } from "./explain.ts";
import { planPipeline } from "./plan-pipeline.ts";
import { withExchanges } from "./with-exchanges.ts";

const connections: Pipeline["connections"] = [
  { name: "k", kafka: { brokers: ["k:9092"], sasl: { mechanism: "Plain", secretRef: { name: "user" } } } },
  { name: "other", kafka: { brokers: ["other:9092"] } },
  { name: "db", postgres: { host: "db", database: "weir" } },
];
const events: PipelineNode = {
  name: "events",
  source: { connection: "k", kafka: { topics: ["events"] } },
  eventTime: { field: "event.ts" },
};
const window = { tumbling: { size: "10s" } };
const perHost: PipelineNode = {
  name: "per-host",
  from: ["events"],
  keyBy: "event.host",
  window,
  aggregate: { n: "count()" },
};
const out = (...from: string[]): PipelineNode => ({ name: "out", from, sink: { blackhole: {} } });
const topN: PipelineNode = {
  name: "top",
  from: ["per-host"],
  keyBy: "event.windowEnd",
  topN: { size: 3, by: "event.n" },
};

function plan(nodes: PipelineNode[], { delivery = "AtLeastOnce" as Delivery, with: used = connections } = {}): Plan {
  return planPipeline({ connections: used ?? [], nodes }, { parameters: {}, maxParallelism: 16, delivery });
}

const checkpoint = { intervalMs: 0, timeoutMs: 0, minPauseMs: 0, retain: 3, tolerableFailures: 0, uri: "memory://" };
const running = (made: Plan, slots = 2): Plan =>
  withExchanges(made, { namespace: "ns", job: "j", slots, exchange: { generation: 7 }, checkpoint });

describe("an exchange", () => {
  it("stands before a keyed node whose key is not the source's, and does not limit the workers", () => {
    const made = plan([events, perHost, out("per-host")]);
    expect(made.parallelismLimit).toBeNull();
    expect(made.nodes[0]).toMatchObject({ keying: "local" });
    expect(made.exchanges).toEqual([
      {
        node: "per-host~exchange",
        reader: "per-host",
        inputs: [{ node: "events", output: "out" }],
        key: "event.host",
        variable: "event",
        anyValue: false,
        config: { brokers: ["k:9092"], sasl: { mechanism: "Plain", secretRef: { name: "user" } } },
        secretRef: "user",
        onError: "Fail",
      },
    ]);
  });

  it("is not in the plan of a job that needs none: its hash is what it was", () => {
    const declared = plan([{ ...events, partitionedBy: "event.host" }, perHost, out("per-host")]);
    expect(declared).not.toHaveProperty("exchanges");
    expect(
      withExchanges(declared, { namespace: "ns", job: "j", slots: 2, exchange: { generation: 7 }, checkpoint }),
    ).toBe(declared);
  });

  it("is a sink, a topic of the launch's generation and a source for several workers, and nothing without a generation", () => {
    const made = plan([events, perHost, out("per-host")]);
    expect(withExchanges(made, { namespace: "ns", job: "j", slots: 1, checkpoint })).toBe(made);
    const { sources, nodes, sinks } = running(made);
    expect(nodes[0]).toMatchObject({ keying: "exchanged", inputs: [{ node: "per-host~exchanged", output: "out" }] });
    const config = { topic: "weir.ns.j.per-host.g7", partitions: 16, slots: 2, committed: false, retain: 3 };
    expect(sources.at(-1)).toMatchObject({
      node: "per-host~exchanged",
      connector: "exchange",
      config,
      eventTime: null,
    });
    expect(sinks.at(-1)).toMatchObject({
      node: "per-host~exchange",
      connector: "exchange",
      config,
      inputs: [{ node: "events", output: "out" }],
      exchange: { reader: "per-host" },
    });
  });

  it("has a side for each input of a join", () => {
    const join: PipelineNode = {
      name: "both",
      from: ["events", "per-host"],
      join: { leftKey: "left.host", rightKey: "right.host", window: { size: "10s" } },
    };
    const made = plan([events, perHost, join, out("both")]);
    expect(made.exchanges?.map((e) => [e.node, e.key, e.variable, e.inputs[0]?.node])).toEqual([
      ["per-host~exchange", "event.host", "event", "events"],
      ["both~exchange-left", "left.host", "left", "events"],
      ["both~exchange-right", "right.host", "right", "per-host"],
    ]);
    expect(running(made).nodes.at(-1)).toMatchObject({
      inputs: [
        { node: "both~exchanged-left", output: "out" },
        { node: "both~exchanged-right", output: "out" },
      ],
    });
    expect(exchangeLevels(running(made))).toEqual([
      {
        written: ["per-host~exchange", "both~exchange-left"],
        read: ["per-host~exchanged", "both~exchanged-left"],
        lookups: [],
      },
      { written: ["both~exchange-right"], read: ["both~exchanged-right"], lookups: [] },
    ]);
  });

  it("follows another for a second key, and is read to its end after it", () => {
    const made = plan([events, perHost, topN, out("top")]);
    expect(exchangeLevels(running(made)).map((level) => level.written)).toEqual([
      ["per-host~exchange"],
      ["top~exchange"],
    ]);
    expect(exchangeLevels(made)).toEqual([]);
  });

  it("has the lookups before it, whose records may wait while a savepoint crosses", () => {
    const asks = (name: string, from: string): PipelineNode => ({
      name,
      from: [from],
      join: { lookup: { connection: "db", table: "t", keyColumns: ["id"] }, leftKey: "left.host" },
    });
    const host = (node: PipelineNode, from: string): PipelineNode => ({ ...node, from: [from] });
    const made = plan([
      events,
      asks("named", "events"),
      host({ ...perHost, keyBy: "event.left.host" }, "named"),
      asks("placed", "per-host"),
      { ...host(topN, "placed"), keyBy: "event.left.windowEnd" },
      asks("last", "top"),
      out("last"),
    ]);
    expect(made.parallelismLimit).toBeNull();
    expect(exchangeLevels(running(made)).map(({ written, lookups }) => [written, lookups])).toEqual([
      [["per-host~exchange"], ["named"]],
      [["top~exchange"], ["placed"]],
    ]);
  });

  it("commits where anything is to be exact, on the cluster of the sink that decides", () => {
    const sink = (connection: string, delivery?: Delivery): PipelineNode => ({
      name: "out",
      from: ["per-host"],
      sink: { connection, kafka: { topic: "rows", ...(delivery === undefined ? {} : { delivery }) } },
    });
    const of = (node: PipelineNode, delivery: Delivery = "AtLeastOnce") =>
      plan([events, perHost, node], { delivery }).exchanges?.[0];
    expect(of(sink("k"))).not.toHaveProperty("delivery");
    expect(of(sink("other", "ExactlyOnce"))).toMatchObject({
      delivery: "ExactlyOnce",
      config: { brokers: ["other:9092"] },
      secretRef: null,
    });
    expect(of(out("per-host"), "ExactlyOnce")).toMatchObject({ delivery: "ExactlyOnce", secretRef: "user" });
  });
});

describe("a job whose keys stay in one worker says why", () => {
  const reason = (nodes: PipelineNode[], options?: Parameters<typeof plan>[1]): string | undefined => {
    const made = plan(nodes, options);
    expect(made).not.toHaveProperty("exchanges");
    return made.parallelismLimit?.reason;
  };

  it("there is no Kafka", () => {
    const datagen: PipelineNode = { name: "events", source: { datagen: {} }, eventTime: { field: "event.ts" } };
    const none = reason([datagen, perHost, out("per-host")], { with: [] });
    expect(none).toMatch(/source "events" has no partitionedBy, and the pipeline has no Kafka connection/);
    expect(plan([datagen, perHost, out("per-host")]).exchanges?.[0]?.config).toMatchObject({ brokers: ["k:9092"] });
  });

  it("another system than Kafka decides what counts", () => {
    const rows: PipelineNode = {
      name: "rows",
      from: ["per-host"],
      sink: { connection: "db", postgres: { table: "rows", delivery: "ExactlyOnce" } },
    };
    expect(reason([events, perHost, rows])).toMatch(
      /"rows" delivers ExactlyOnce by transactions of its own.*AtLeastOnce/,
    );
  });

  it("a node behind it is keyed as its source is split", () => {
    const declared = { ...events, partitionedBy: "event.tenant" };
    const once: PipelineNode = { name: "once", from: ["events"], keyBy: "event.id", dedup: {} };
    const perTenant: PipelineNode = { ...perHost, name: "per-tenant", from: ["once"], keyBy: "event.tenant" };
    const said = /"per-tenant", which is keyed as its source is split, reads behind it; let it read before "once"/;
    expect(reason([declared, once, perTenant, out("per-tenant")])).toMatch(said);
    expect(reason([declared, once, { ...perTenant, buffer: {} }, out("per-tenant")])).toMatch(said);
  });
});

describe("weir explain", () => {
  it("shows what goes through Kafka with several workers", () => {
    const text = explain(plan([events, perHost, topN, out("top")], { delivery: "ExactlyOnce" }));
    expect(text).toContain("per-host~exchange: by event.host ← events");
    expect(text).toContain(
      "per-host: key is local; a shard is murmur2(key) % maxParallelism; above one worker records come through weir.<namespace>.<job>.per-host.g<generation>-<owner> of 16 partitions at k:9092, ExactlyOnce",
    );
    expect(text).toContain("→ per-host~exchange (end)");
  });
});
