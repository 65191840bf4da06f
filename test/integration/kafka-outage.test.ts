import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kafkaSink } from "../../src/engine/connectors/kafka/sink.ts";
import { kafkaSource } from "../../src/engine/connectors/kafka/source.ts";
import { connectorContext, outRecord, type TestContext } from "../builders/connector-context.ts";
import { readUntil, recordOf } from "../builders/read-records.ts";
import { startKafka, type KafkaRecord, type KafkaServer } from "../servers/kafka.ts";

let kafka: KafkaServer;
beforeAll(async () => {
  kafka = await startKafka();
});
afterAll(() => kafka.close());

// Present time, because a broker forgets the sequence numbers of batches with old timestamps when it restarts: its
// dedupe state expires by the records' own time (producer.id.expiration.ms), and then a repetition is a second copy.
const now = Date.now();
const records = (count: number): KafkaRecord[] =>
  Array.from({ length: count }, (_, i) => ({ key: `key-${i % 97}`, value: `value-${i}`, timestamp: now + i }));

async function openSource(context: TestContext, topic: string) {
  const config = { brokers: kafka.brokers, topics: [topic] };
  const splits = await kafkaSource.splits(config, context.source);
  return kafkaSource.open(
    config,
    splits.map((split) => ({ split, position: undefined })),
    context.source,
  );
}

const unreachable = (code: string) => (p: { code: string; message: string; nextTryAt: number } | undefined) =>
  p?.code === code && p.nextTryAt > 0 && p.message.startsWith("Kafka: ");

describe("while the broker is away", () => {
  it("source and sink say so with the next try, and work when it comes", async () => {
    await kafka.createTopic("first", 2);
    await kafka.produce({ topic: "first" }, records(100));
    await kafka.stop();
    const [source, sink] = [connectorContext(), connectorContext()];
    const reader = openSource(source, "first");
    const writer = kafkaSink.open({ brokers: kafka.brokers, topic: "first" }, sink.sink);
    await Promise.all([
      source.reported(unreachable("SOURCE_UNREACHABLE")),
      sink.reported(unreachable("SINK_UNREACHABLE")),
    ]);
    await kafka.restart();
    const out = await writer;
    out.append(outRecord("k", "v", 1));
    await out.flush();
    const found = await readUntil(await reader, (r) => r.length >= 101);
    expect(found).toHaveLength(101);
    expect([source.problems.at(-1), sink.problems.at(-1)]).toEqual([undefined, undefined]);
    await (await reader).close();
    await out.close();
  });

  it("a copy between two topics loses nothing, repeats nothing and keeps the order: clean stop and kill -9", async () => {
    const count = 60_000;
    await kafka.createTopic("in", 3);
    await kafka.createTopic("out", 3);
    await kafka.produce({ topic: "in" }, records(count / 2));
    const context = connectorContext();
    const reader = await openSource(context, "in");
    const writer = await kafkaSink.open(
      { brokers: kafka.brokers, topic: "out", batching: { count: 200 } },
      context.sink,
    );
    let copied = 0;
    let total = Infinity;
    const pastHalf = Promise.withResolvers<void>();
    const copy = readUntil(
      reader,
      () => copied >= total,
      (batch) => {
        for (let i = 0; i < batch.n; i++) {
          const { key, value, timestamp } = recordOf(batch, i);
          writer.append(outRecord(key, value ?? "", timestamp));
        }
        copied += batch.n;
        if (copied > count / 2) pastHalf.resolve();
      },
    );
    await kafka.stop();
    await kafka.restart();
    // The other client gives up on a dead broker, so that part of its records may be missing: they are added later.
    const more = kafka.produce({ topic: "in" }, records(count).slice(count / 2)).catch(() => undefined);
    await pastHalf.promise;
    await kafka.kill();
    await kafka.restart();
    await more;
    const there = new Set((await kafka.consumeAll("in")).map((r) => r.value));
    await kafka.produce(
      { topic: "in" },
      records(count).filter((r) => !there.has(String(r.value))),
    );
    total = (await kafka.endOffsets("in")).reduce((sum, end) => sum + end);
    await copy;
    await writer.flush();
    const [input, output] = [await kafka.consumeAll("in"), await kafka.consumeAll("out")];
    expect(output.map((r) => `${r.partition}/${r.offset} ${r.key} ${r.value}`)).toEqual(
      input.map((r) => `${r.partition}/${r.offset} ${r.key} ${r.value}`),
    );
    expect(context.problems.some(unreachable("SOURCE_UNREACHABLE"))).toBe(true);
    await reader.close();
    await writer.close();
  });

  it("partitions added to a topic that is partitioned by a key stall its reader with the reason", async () => {
    await kafka.createTopic("keyed", 2);
    const context = connectorContext(["tenant"]);
    const reader = await openSource(context, "keyed");
    const stalls = context.reported((p) => p?.message.includes("reading stalls") === true);
    await kafka.addPartitions("keyed", 3);
    await kafka.stop();
    await kafka.restart();
    await stalls;
    await kafka.produce({ topic: "keyed" }, records(100));
    expect(reader.poll()).toBeUndefined();
    await reader.close();
  });
});
