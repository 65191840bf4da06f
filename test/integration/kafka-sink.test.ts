import { compatibilityPartitioner } from "@platformatic/kafka";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SinkWriter } from "../../src/engine/connectors/connector.ts";
import type { KafkaSinkConfig } from "../../src/engine/connectors/kafka/config.ts";
import { kafkaSink, kafkaSinkWith } from "../../src/engine/connectors/kafka/sink.ts";
import { connectorContext, outRecord } from "../builders/connector-context.ts";
import { sinkContract } from "../builders/sink-contract.ts";
import { freePorts } from "../servers/free-ports.ts";
import { startKafka, type KafkaServer } from "../servers/kafka.ts";

let kafka: KafkaServer;
beforeAll(async () => {
  kafka = await startKafka();
});
afterAll(() => kafka.close());

let topics = 0;
async function topic(partitions: number, settings: Readonly<Record<string, string>> = {}): Promise<string> {
  const name = `out.v${topics++}`;
  await kafka.createTopic(name, partitions, settings);
  return name;
}

function open(config: Omit<KafkaSinkConfig, "brokers">, context = connectorContext()): Promise<SinkWriter> {
  return kafkaSink.open({ brokers: kafka.brokers, ...config }, context.sink);
}

sinkContract(
  "a Kafka topic",
  async () => {
    const name = await topic(3);
    return {
      open: (context) => kafkaSink.open({ brokers: kafka.brokers, topic: name }, context),
      ids: async () => (await kafka.consumeAll(name)).map(({ value }) => (JSON.parse(value) as { id: number }).id),
    };
  },
  {
    commits: "Decides",
    unreachable: {
      open: async (context) => {
        const [port] = await freePorts(1);
        return await kafkaSink.open({ brokers: [`127.0.0.1:${port}`], topic: "t" }, context);
      },
      names: /Kafka.*127\.0\.0\.1/,
    },
  },
);

/** Where Kafka's own partitioner puts a key. */
const partitionOf = (key: string, partitions: number): number =>
  (compatibilityPartitioner({ topic: "", value: Buffer.alloc(0) }, Buffer.from(key)) >>> 0) % partitions;

describe("the Kafka sink", () => {
  it.each(["None", "Gzip", "Zstd"] as const)(
    "writes %s batches that another client reads, in order, each key where Kafka's own partitioner puts it",
    async (compression) => {
      const name = await topic(5);
      const writer = await open({ topic: name, compression });
      const sent = Array.from({ length: 20_000 }, (_, i) => ({
        key: `tenant-${i % 211}${"ß".repeat(i % 4)}`,
        value: `{"i":${i}}`,
        timestamp: 1_700_000_000_000 + ((i * 7919) % 1000),
      }));
      for (const { key, value, timestamp } of sent) writer.append(outRecord(key, value, timestamp));
      await writer.flush();
      await writer.close();
      const expected = [0, 1, 2, 3, 4].flatMap((partition) =>
        sent
          .filter((r) => partitionOf(r.key, 5) === partition)
          .map((r, offset) => ({ topic: name, partition, offset, ...r })),
      );
      expect(await kafka.consumeAll(name)).toEqual(expected);
      expect(writer.counters().records).toBe(20_000);
    },
  );

  it("spreads records without a key over all partitions", async () => {
    const name = await topic(3);
    const writer = await open({ topic: name, batching: { count: 100 } });
    for (let i = 0; i < 5000; i++) writer.append(outRecord(null, `${i}`, i));
    await writer.flush();
    await writer.close();
    const all = await kafka.consumeAll(name);
    expect(all.map((r) => Number(r.value)).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 5000 }, (_, i) => i),
    );
    expect(new Set(all.map((r) => r.partition)).size).toBe(3);
    expect(all.every((r) => r.key === null)).toBe(true);
  });

  it("writes to partitions that are added, from one of the next checkpoints on", async () => {
    const name = await topic(2);
    const context = connectorContext().sink;
    const writer = await kafkaSinkWith({ refreshMs: 100 }).open({ brokers: kafka.brokers, topic: name }, context);
    const keys = Array.from({ length: 100 }, (_, i) => `key-${i}`);
    const round = async (n: number): Promise<void> => {
      for (const key of keys) writer.append(outRecord(key, `${n}`, 1));
      await writer.flush();
    };
    await round(0);
    await kafka.addPartitions(name, 5);
    let rounds = 0;
    const written = async (): Promise<number> => {
      await round(++rounds);
      return (await kafka.endOffsets(name))[4] ?? 0;
    };
    await expect.poll(written, { timeout: 60_000 }).toBeGreaterThan(0);
    await writer.close();
    const found = await kafka.consumeAll(name);
    for (const [n, partitions] of [
      [0, 2],
      [rounds, 5],
    ] as const) {
      const places = found.filter(({ value }) => value === `${n}`).map(({ key, partition }) => [key, partition]);
      expect(new Map(places as [string, number][])).toEqual(
        new Map(keys.map((key) => [key, partitionOf(key, partitions)])),
      );
    }
    expect(found).toHaveLength((rounds + 1) * keys.length);
  });

  it("sends without a flush when the linger time is over", async () => {
    const name = await topic(1);
    const writer = await open({ topic: name, batching: { interval: "5ms" } });
    writer.append(outRecord("k", "v", 1));
    await expect.poll(() => kafka.endOffsets(name), { timeout: 60_000 }).toEqual([1]);
    await writer.close();
  });

  it("asks the runtime to wait when it holds too much, and lets it go on", async () => {
    const name = await topic(2);
    const writer = await open({ topic: name });
    const value = "x".repeat(10_000);
    let waits = 0;
    for (let i = 0; i < 4000; i++) {
      writer.append(outRecord(`${i}`, value, i));
      if (!writer.saturated()) continue;
      waits++;
      await new Promise<void>((resolve) => writer.onDrain(resolve));
    }
    await writer.flush();
    await writer.close();
    expect(waits).toBeGreaterThan(0);
    expect((await kafka.endOffsets(name)).reduce((sum, end) => sum + end)).toBe(4000);
  });

  it("cuts batches that are larger than the topic takes, keeping their order", async () => {
    const name = await topic(1, { "max.message.bytes": "5000" });
    const writer = await open({ topic: name });
    for (let i = 0; i < 1000; i++) writer.append(outRecord("k", `${i}`.padStart(100), i));
    await writer.flush();
    await writer.close();
    expect((await kafka.consumeAll(name)).map((r) => Number(r.value))).toEqual(
      Array.from({ length: 1000 }, (_, i) => i),
    );
  });

  it("fails the flush with what to do when a single record is larger than the topic takes", async () => {
    const name = await topic(1, { "max.message.bytes": "5000" });
    const writer = await open({ topic: name });
    writer.append(outRecord("k", "x".repeat(9000), 1));
    await expect(writer.flush()).rejects.toMatchObject({
      code: "SINK_REFUSED",
      retry: "Terminal",
      message: expect.stringContaining("max.message.bytes") as string,
    });
    await expect(writer.flush()).rejects.toMatchObject({ code: "SINK_REFUSED" });
    await writer.close();
  });

  it("says what to do about a record that is further ahead than the topic takes", async () => {
    const name = await topic(1, { "message.timestamp.after.max.ms": "3600000" });
    const writer = await open({ topic: name });
    writer.append(outRecord(null, "1", Date.now() + 24 * 3_600_000));
    await expect(writer.flush()).rejects.toMatchObject({
      code: "SINK_REFUSED",
      message: expect.stringMatching(/INVALID_TIMESTAMP.*raise message\.timestamp\.after\.max\.ms of the topic/),
    });
    await writer.close();
  });

  it("waits for a missing topic and says so, and never creates it", async () => {
    const context = connectorContext();
    const opening = open({ topic: "later" }, context);
    await context.reported((p) => p?.message.includes('topic "later" does not exist') === true);
    expect(context.problems.at(-1)?.code).toBe("SINK_UNREACHABLE");
    await kafka.createTopic("later", 1);
    const writer = await opening;
    writer.append(outRecord("k", "v", 1));
    await writer.flush();
    await writer.close();
    expect(await kafka.consumeAll("later")).toHaveLength(1);
  });
});

describe.each(["AtLeastOnce", "ExactlyOnce"] as const)(
  "a topic that is deleted while it is written to, %s,",
  (delivery) => {
    async function deleted(partitions: number) {
      const name = await topic(partitions);
      const context = connectorContext();
      const own = { ...context, sink: { ...context.sink, lineage: name, delivery } };
      const writer = await open({ topic: name }, own);
      await writer.committed?.({ epoch: 1, slot: 0 }, 0);
      let n = 0;
      const checkpoint = async (): Promise<void> => {
        n++;
        for (let i = 0; i < 30; i++) writer.append(outRecord(`key-${i}`, `${n}`, 1));
        const [, handle] = await Promise.all([writer.flush(), writer.prepare?.(n)]);
        await writer.commit?.(n, handle);
      };
      await checkpoint();
      await kafka.deleteTopic(name);
      await expect.poll(() => kafka.topics(), { timeout: 60_000 }).not.toContain(name);
      const waiting = checkpoint();
      waiting.catch(() => undefined);
      await context.reported((p) => p?.message.includes(`topic "${name}" does not exist; create it`) === true);
      return { name, writer, context, checkpoint, waiting };
    }

    it("is written to when it is there again", async () => {
      const { name, writer, checkpoint, waiting, context } = await deleted(3);
      await kafka.createTopic(name, 3);
      await waiting;
      await checkpoint();
      const values = async (): Promise<string[]> => (await kafka.consumeAll(name)).map(({ value }) => value).toSorted();
      await expect.poll(values, { timeout: 60_000 }).toEqual([...Array(30).fill("2"), ...Array(30).fill("3")]);
      expect(context.problems.at(-1)).toBeUndefined();
      await writer.close();
    });

    it("ends the worker, which starts anew, when it comes back with fewer partitions", async () => {
      const { name, writer, waiting, context } = await deleted(3);
      await kafka.createTopic(name, 1);
      await expect(waiting).rejects.toMatchObject({
        code: "SINK_UNREACHABLE",
        retry: "Backoff",
        message: expect.stringContaining(`topic "${name}" has 1 partitions, and had 3: it was created anew`) as string,
      });
      // Else the failure would be taken for a checkpoint that waits for Kafka.
      expect(context.problems.at(-1)).toBeUndefined();
      await writer.close();
    });
  },
);
