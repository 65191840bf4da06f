import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kafkaSink } from "../../src/engine/connectors/kafka/sink.ts";
import { kafkaSource } from "../../src/engine/connectors/kafka/source.ts";
import { connectorContext, outRecord } from "../builders/connector-context.ts";
import { readUntil } from "../builders/read-records.ts";
import { startKafka, type KafkaServer } from "../servers/kafka.ts";
import type { SecondBroker } from "../servers/kafka-second-broker.ts";

let kafka: KafkaServer;
let second: SecondBroker;
beforeAll(async () => {
  kafka = await startKafka({
    "leader.imbalance.check.interval.seconds": "1",
    "leader.imbalance.per.broker.percentage": "0",
  });
  second = await kafka.addBroker();
});
afterAll(() => kafka?.close());

const PARTITIONS = 4;
const STEP = 2000;
const KEYS = 97;

describe("when partitions change their leaders", () => {
  it("source and sink follow, and nothing is lost or out of order", async () => {
    await kafka.createTopic("replicated", PARTITIONS, {}, 2);
    const context = connectorContext();
    const config = { brokers: kafka.brokers, topics: ["replicated"] };
    const splits = await kafkaSource.splits(config, context.source);
    const assigned = splits.map((split) => ({ split, position: undefined }));
    const reader = await kafkaSource.open(config, assigned, context.source);
    const writer = await kafkaSink.open({ brokers: kafka.brokers, topic: "replicated" }, context.sink);
    let written = 0;
    const write = async (): Promise<void> => {
      for (let i = 0; i < STEP; i++) writer.append(outRecord(`key-${written % KEYS}`, `${written++}`, Date.now()));
      await writer.flush();
    };
    let complete = false;
    const reading = readUntil(reader, (found) => complete && found.length >= written);

    await write();
    const ledBySecond = async (): Promise<number> =>
      (await kafka.leaders("replicated")).filter((id) => id === second.id).length;
    const within = { timeout: 180_000, interval: 300 };
    await expect.poll(ledBySecond, within).toBe(PARTITIONS / 2);
    await second.kill();
    await write();
    await expect.poll(ledBySecond, within).toBe(0);
    await second.restart();
    // It catches up, and then the controller gives the partitions back to it.
    await expect.poll(ledBySecond, within).toBe(PARTITIONS / 2);
    await write();
    complete = true;
    await kafka.produce({ topic: "replicated", partition: 0 }, [{ key: "wake", value: "end" }]);
    const found = (await reading).filter((r) => r.value !== "end");
    // A leader that dies may have taken a batch and not said so: then the batch comes again.
    const first = [...new Map(found.map((r) => [r.value, r])).keys()];
    expect(first.map(Number).toSorted((a, b) => a - b)).toEqual([...Array(3 * STEP).keys()]);
    const perKey = Map.groupBy(first.map(Number), (n) => n % KEYS);
    const inOrder = [...perKey.values()].every((list) => list.every((n, i) => i === 0 || n > (list[i - 1] ?? n)));
    console.log(
      `leaders: of ${PARTITIONS} partitions ${PARTITIONS / 2} moved and moved back, ${found.length - first.length} records came twice`,
    );
    expect(inOrder).toBe(true);
    await Promise.all([reader.close(), writer.close()]);
  });
});
