import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Pipeline, PipelineNode } from "../../src/api/pipeline.schema.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import { builtInConnectors } from "../../src/engine/connectors/registry.ts";
import { interpret } from "../../src/engine/interpreter/interpret.ts";
import type { Delivery } from "../../src/engine/plan.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import type { RunningSlot } from "../../src/engine/runtime/slot.ts";
import { runSlot } from "../builders/running-slot.ts";
import { javaProduce } from "../servers/kafka-java.ts";
import { startKafka, type KafkaRecord, type KafkaServer } from "../servers/kafka.ts";
import type { ConsumedRecord } from "../servers/kafka-reading.ts";

let kafka: KafkaServer;
const running: RunningSlot[] = [];
beforeAll(async () => {
  kafka = await startKafka();
});
afterAll(async () => {
  await Promise.all(running.map((slot) => slot.stop("Cancel", false)));
  await kafka.close();
});

const BUILDS = [
  ["generated", compile],
  ["interpreted", interpret],
] as const;

let topics = 0;

interface Job {
  /** That is read, and has its records. */
  readonly topic?: string;
  /** From "events" to "out". */
  readonly nodes?: readonly PipelineNode[];
  /** What "out" reads, where it is not the last of them. */
  readonly last?: string;
  readonly sourceOnError?: "Dead";
  readonly source?: { readonly metadata?: string };
  readonly sink: { readonly key?: string; readonly metadata?: string; readonly headers?: Record<string, string> };
  readonly delivery?: Delivery;
  readonly build?: typeof compile;
  readonly onError?: "Fail" | "Skip";
  /** Of the topic that it writes. */
  readonly settings?: Readonly<Record<string, string>>;
}

async function filledTopic(topic: string, records: readonly KafkaRecord[]): Promise<string> {
  await kafka.createTopic(topic, 1);
  await kafka.produce({ topic }, records);
  return topic;
}

/** Writes the records, runs them through a job, and gives what another client then reads. */
async function through(records: readonly KafkaRecord[], expected: number, job: Job): Promise<ConsumedRecord[]> {
  const {
    nodes = [],
    source = { metadata: "kafka" },
    sink,
    delivery = "AtLeastOnce",
    build = compile,
    onError = "Fail",
  } = job;
  const { last = nodes.at(-1)?.name ?? "events", sourceOnError = "Fail" } = job;
  const n = topics++;
  const input = job.topic ?? (await filledTopic(`in-${n}`, records));
  const output = `out-${n}`;
  await kafka.createTopic(output, 1, job.settings);
  const pipeline: Pipeline = {
    connections: [{ name: "main", kafka: { brokers: [...kafka.brokers] } }],
    nodes: [
      { name: "events", source: { connection: "main", kafka: { topics: [input], ...source } }, onError: sourceOnError },
      ...nodes,
      { name: "out", from: [last], sink: { connection: "main", kafka: { topic: output, ...sink } }, onError },
    ],
  };
  const plan = planPipeline(pipeline, { parameters: {}, maxParallelism: 4, delivery });
  const uri = `memory://metadata-${n}`;
  const slot = await runSlot({
    plan,
    connectors: builtInConnectors,
    build,
    uri,
    checkpoint: { intervalMs: 100, timeoutMs: 60_000 },
    start: { job: `metadata-${n}`, lineage: `metadata-${n}` },
  });
  running.push(slot);
  let failed = false;
  slot.done.catch(() => {
    failed = true;
  });
  let found: ConsumedRecord[] = [];
  const isThrough = async (): Promise<boolean> => {
    found = await kafka.consumeAll(output);
    return failed || found.length >= expected;
  };
  await expect.poll(isThrough, { timeout: 120_000, interval: 100 }).toBe(true);
  if (failed) await slot.done;
  return found;
}

/** What does not tell where a record is. */
const content = ({ key, value, timestamp, tombstone, headers }: ConsumedRecord): object => ({
  key,
  value,
  timestamp,
  ...(tombstone && { tombstone }),
  ...(headers && { headers }),
});

const RECORDS: KafkaRecord[] = [
  { key: "a", value: '{ "id" : 1.0, "text": "é" }', timestamp: 1_700_000_000_000, headers: { trace: "t1", who: "ü" } },
  { key: null, value: '{"id":2}', timestamp: 1_700_000_000_001 },
  { key: "a", value: null, timestamp: 1_700_000_000_002, headers: { trace: "t3" } },
  { key: "b", value: "{}", timestamp: 1_700_000_000_003 },
  { key: "b", value: "17", timestamp: 1_700_000_000_004 },
];

describe("the metadata of Kafka records", () => {
  it.each(["AtLeastOnce", "ExactlyOnce"] as const)(
    "goes through a job %s with the record: key, headers, timestamp and tombstones, and every byte of the value",
    async (delivery) => {
      const found = await through(RECORDS, 5, { sink: { metadata: "kafka" }, delivery });
      const wanted = RECORDS.map(({ headers, value, ...record }) => ({
        ...record,
        value: value ?? "",
        ...(value === null && { tombstone: true }),
        ...(headers && { headers: Object.entries(headers) }),
      }));
      // What is no object has no field to say its key in.
      expect(found.map(content)).toEqual([...wanted.slice(0, 4), { ...wanted[4], key: null }]);
    },
  );

  it.each(BUILDS)("is read by expressions like any field (%s)", async (_, build) => {
    const nodes: PipelineNode[] = [
      { name: "told", from: ["events"], filter: "has(event.kafka) && event.kafka.topic.startsWith('in-')" },
      {
        name: "shown",
        from: ["told"],
        map: {
          key: "event.kafka.key",
          trace: "has(event.kafka.headers.trace) ? event.kafka.headers['trace'] : 'none'",
          at: "event.kafka.timestamp",
          place: "[event.kafka.partition, event.kafka.offset]",
          gone: "event.kafka.tombstone",
        },
      },
    ];
    const found = await through(RECORDS, 4, { nodes, sink: {}, build });
    expect(found.map(({ value }) => JSON.parse(value) as unknown)).toEqual([
      { key: "a", trace: "t1", at: 1_700_000_000_000, place: [0, 0], gone: false },
      { key: null, trace: "none", at: 1_700_000_000_001, place: [0, 1], gone: false },
      { key: "a", trace: "t3", at: 1_700_000_000_002, place: [0, 2], gone: true },
      { key: "b", trace: "none", at: 1_700_000_000_003, place: [0, 3], gone: false },
    ]);
    // The sink without the option writes no headers, and a field as any other.
    expect(found.every(({ headers, key }) => headers === undefined && key === null)).toBe(true);
  });

  it.each(BUILDS)("is written as maps say, beside the headers of every record (%s)", async (_, build) => {
    const records: KafkaRecord[] = [1, 2, 3].map((id) => ({ value: `{"id":${id},"ts":${1_700_000_000_000 + id}}` }));
    const nodes: PipelineNode[] = [
      {
        name: "shaped",
        from: ["events"],
        map: {
          id: "event.id",
          "out.key": "string(event.id)",
          "out.headers": "{'id': event.id, 'source': event.id == 2 ? 'other' : 'weir'}",
          "out.timestamp": "event.ts",
          "out.tombstone": "event.id == 3",
        },
      },
    ];
    const sink = {
      metadata: "out",
      headers: { version: "1", even: "event.id == 2 ? true : null", was: "event.out.key" },
    };
    const found = await through(records, 3, { nodes, source: {}, sink, build });
    const headersOf = (id: number): string[][] => [
      ["id", `${id}`],
      ["source", id === 2 ? "other" : "weir"],
      ["version", "1"],
      ...(id === 2 ? [["even", "true"]] : []),
      ["was", `${id}`],
    ];
    expect(found.map(content)).toEqual([
      { key: "1", value: '{"id":1}', timestamp: 1_700_000_000_001, headers: headersOf(1) },
      { key: "2", value: '{"id":2}', timestamp: 1_700_000_000_002, headers: headersOf(2) },
      { key: "3", value: "", timestamp: 1_700_000_000_003, tombstone: true, headers: headersOf(3) },
    ]);
  });

  it("has a list where a record has several headers of one name, and writes each of a list", async () => {
    const [topic, value] = ["repeated", '{"id":1}'];
    await kafka.createTopic(topic, 1);
    const headerList = [
      ["via", "a"],
      ["trace", "t1"],
      ["via", "b"],
      ["via", "a"],
    ] as const;
    await javaProduce(kafka.brokers[0] ?? "", topic, ["none"], [{ key: "k", value, timestamp: 1, headerList }]);
    const nodes: PipelineNode[] = [
      {
        name: "last",
        from: ["events"],
        filter: "event.kafka.headers.via[2] == 'a' && event.kafka.headers.trace == 't1'",
      },
    ];
    const headers = { trace: "['t2', null, 't3']", codec: "[]" };
    const [found] = await through([], 1, { topic, nodes, sink: { metadata: "kafka", headers } });
    expect(found?.headers).toEqual([
      ["via", "a"],
      ["via", "b"],
      ["via", "a"],
      ["trace", "t2"],
      ["trace", ""],
      ["trace", "t3"],
    ]);
  });

  it("keeps headers when a topic takes only smaller batches, and bytes that are no text", async () => {
    const bytes = Buffer.from([0, 1, 0xff, 0xfe]);
    const records = Array.from({ length: 500 }, (_, i) => ({
      key: bytes,
      value: `{"i":${i}}`,
      headers: { n: `${i}` },
    }));
    // In another codec than they come in: the broker reads the records, too.
    const settings = { "max.message.bytes": "5000", "compression.type": "gzip" };
    const found = await through(records, 500, { settings, sink: { metadata: "kafka", headers: { by: "'weir'" } } });
    expect(found.map(({ key, headers }) => [key, headers])).toEqual(
      records.map(({ key }, i) => [
        key.toString(),
        [
          ["n", `${i}`],
          ["by", "weir"],
        ],
      ]),
    );
  });

  it.each(BUILDS)("gives records headers from their fields, whose failures are the sink's (%s)", async (_, build) => {
    const records = ['{"id":1,"trace":"t1"}', '{"id":2}', '{"id":3,"trace":null}'].map((value) => ({ value }));
    const sink = { key: "event.id", headers: { "trace-id": "event.trace", "ce-source": "'/weir'" } };
    const found = await through(records, 2, { source: {}, sink, build, onError: "Skip" });
    expect(found.map(({ key, value, headers }) => [key, value, headers])).toEqual([
      [
        "1",
        records[0]?.value,
        [
          ["trace-id", "t1"],
          ["ce-source", "/weir"],
        ],
      ],
      ["3", records[2]?.value, [["ce-source", "/weir"]]],
    ]);
  });

  it("goes with a record that is no JSON to where dead records are kept, whose own bytes it leaves", async () => {
    const records = [{ key: "k", value: '{"id":nothing} ', timestamp: 1_700_000_000_000, headers: { trace: "t" } }];
    const nodes: PipelineNode[] = [
      { name: "read", from: ["events"], filter: "event.id > 0" },
      { name: "gone", from: ["read"], sink: { blackhole: {} } },
    ];
    const dead = { nodes, last: "events.dead", sourceOnError: "Dead" as const };
    const [found] = await through(records, 1, { ...dead, sink: { metadata: "kafka" } });
    expect(found && content(found)).toEqual({ ...records[0], headers: [["trace", "t"]] });
  });

  it("ends the job, or not, where a record says something that Kafka does not know", async () => {
    const records = ["5", '{"timestamp":"now"}', '{"headers":[]}', '{"tombstone":1}', '{"key":[1]}'].map((out) => ({
      value: `{"out":${out}}`,
    }));
    const skipping: Job = { source: {}, sink: { metadata: "out" }, onError: "Skip" };
    expect((await through(records, 1, skipping)).map(content)).toMatchObject([{ key: "[1]", value: "{}" }]);
    await expect(through(records, 1, { source: {}, sink: { metadata: "out" } })).rejects.toMatchObject({
      code: "SINK_REFUSED",
      message: expect.stringMatching(/topic "out-\d+" does not get a record: out must be an object.*onError: Skip/),
    });
  });
});
