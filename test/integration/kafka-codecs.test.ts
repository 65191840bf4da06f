import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kafkaSink } from "../../src/engine/connectors/kafka/sink.ts";
import { kafkaSource } from "../../src/engine/connectors/kafka/source.ts";
import { connectorContext, outRecord } from "../builders/connector-context.ts";
import { readUntil } from "../builders/read-records.ts";
import { startKafka, type KafkaServer } from "../servers/kafka.ts";
import { javaDump, javaProduce } from "../servers/kafka-java.ts";

let kafka: KafkaServer;
beforeAll(async () => {
  kafka = await startKafka();
});
afterAll(() => kafka.close());

const records = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    key: i % 7 === 0 ? null : `key-${i % 50}`,
    value: `{"n":${i},"text":"${"é".repeat(i % 40)}","tenant":"tenant-${i % 11}"}`,
    timestamp: 1_700_000_000_000 + i * 10,
  }));

async function readAll(topic: string, count: number) {
  const context = connectorContext();
  const config = { brokers: kafka.brokers, topics: [topic] };
  const splits = await kafkaSource.splits(config, context.source);
  const assigned = splits.map((split) => ({ split, position: undefined }));
  const reader = await kafkaSource.open(config, assigned, context.source);
  const found = await readUntil(reader, (all) => all.length >= count);
  await reader.close();
  return found.map(({ key, value, timestamp }) => ({ key, value, timestamp }));
}

describe("compressed batches", () => {
  it("of Kafka's Java producer are read, whatever the codec", async () => {
    const codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
    await kafka.createTopic("from-java", 1);
    await javaProduce(kafka.brokers[0] ?? "", "from-java", codecs, records(3000));
    expect(await readAll("from-java", codecs.length * 3000)).toEqual(codecs.flatMap(() => records(3000)));
    const written = await javaDump(kafka.dataDir, "from-java");
    expect([...Map.groupBy(written, (r) => r.codec)].map(([codec, list]) => [codec, list.length])).toEqual(
      codecs.map((codec) => [codec, 3000]),
    );
  });

  it("that the broker itself compressed are read, and those of another client", async () => {
    const codecs = ["gzip", "snappy", "lz4", "zstd"] as const;
    for (const codec of codecs) {
      // The broker writes each batch anew, in the codec of the topic.
      await kafka.createTopic(`broker-${codec}`, 1, { "compression.type": codec });
      await javaProduce(kafka.brokers[0] ?? "", `broker-${codec}`, ["none"], records(3000));
      await kafka.createTopic(`client-${codec}`, 1);
      await kafka.produce({ topic: `client-${codec}`, compression: codec }, records(3000));
      for (const topic of [`broker-${codec}`, `client-${codec}`]) {
        expect(await readAll(topic, 3000)).toEqual(records(3000));
        const written = await javaDump(kafka.dataDir, topic);
        expect(written.filter((r) => r.codec === codec)).toHaveLength(3000);
      }
    }
  });

  it("of the sink are read by Kafka's Java code, which finds the codec that was asked for", async () => {
    await kafka.createTopic("to-java", 1);
    const codecs = ["None", "Gzip", "Snappy", "Lz4", "Zstd"] as const;
    for (const compression of codecs) {
      const config = { brokers: kafka.brokers, topic: "to-java", compression };
      const writer = await kafkaSink.open(config, connectorContext().sink);
      for (const { key, value, timestamp } of records(3000)) writer.append(outRecord(key, value, timestamp));
      await writer.flush();
      await writer.close();
    }
    const found = await javaDump(kafka.dataDir, "to-java");
    expect(found.map(({ codec, key, value, timestamp }) => ({ codec, key, value, timestamp }))).toEqual(
      codecs.flatMap((codec) => records(3000).map((record) => ({ codec: codec.toLowerCase(), ...record }))),
    );
  });
});
