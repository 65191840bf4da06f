import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kafkaSink } from "../../src/engine/connectors/kafka/sink.ts";
import { kafkaSource } from "../../src/engine/connectors/kafka/source.ts";
import { connectorContext, outRecord } from "../builders/connector-context.ts";
import { readUntil, type ReadRecord } from "../builders/read-records.ts";
import { javaMove } from "../servers/kafka-java.ts";
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

interface Copy {
  write(): Promise<void>;
  /** All that was read, when everything that was written is there. */
  end(): Promise<readonly string[]>;
}

const numbersIn = (found: readonly ReadRecord[]): string[] =>
  found.map(({ value }) => value ?? "").filter((value) => value !== "end");

/** A sink that writes numbers to a topic, and a source that reads them. */
async function copy(topic: string): Promise<Copy> {
  const context = connectorContext();
  const config = { brokers: kafka.brokers, topics: [topic] };
  const splits = await kafkaSource.splits(config, context.source);
  const assigned = splits.map((split) => ({ split, position: undefined }));
  const reader = await kafkaSource.open(config, assigned, context.source);
  const writer = await kafkaSink.open({ brokers: kafka.brokers, topic }, context.sink);
  let written = 0;
  let complete = false;
  // Neither what came twice nor the record that wakes the reader is one of them.
  const reading = readUntil(reader, (found) => complete && new Set(numbersIn(found)).size >= written);
  return {
    write: async () => {
      for (let i = 0; i < STEP; i++) writer.append(outRecord(`key-${written % KEYS}`, `${written++}`, Date.now()));
      await writer.flush();
    },
    end: async () => {
      complete = true;
      await kafka.produce({ topic, partition: 0 }, [{ key: "wake", value: "end" }]);
      const found = numbersIn(await reading);
      await Promise.all([reader.close(), writer.close()]);
      return found;
    },
  };
}

/** Whether each key's numbers rise. */
function isInOrder(numbers: readonly number[]): boolean {
  const perKey = Map.groupBy(numbers, (n) => n % KEYS);
  return [...perKey.values()].every((list) => list.every((n, i) => i === 0 || n > (list[i - 1] ?? n)));
}

const within = { timeout: 180_000, interval: 300 };
const upTo = (count: number): number[] => [...Array(count).keys()];

describe("when partitions change their leaders", () => {
  it("source and sink follow, and nothing is lost or out of order", async () => {
    await kafka.createTopic("replicated", PARTITIONS, {}, 2);
    const { write, end } = await copy("replicated");
    await write();
    const ledBySecond = async (): Promise<number> =>
      (await kafka.leaders("replicated")).filter((id) => id === second.id).length;
    await expect.poll(ledBySecond, within).toBe(PARTITIONS / 2);
    await second.kill();
    await write();
    await expect.poll(ledBySecond, within).toBe(0);
    await second.restart();
    // It catches up, and then the controller gives the partitions back to it.
    await expect.poll(ledBySecond, within).toBe(PARTITIONS / 2);
    await write();
    const found = await end();
    // A leader that dies may have taken a batch and not said so: then the batch comes again.
    const first = [...new Set(found)].map(Number);
    expect(first.toSorted((a, b) => a - b)).toEqual(upTo(3 * STEP));
    console.log(
      `leaders: of ${PARTITIONS} partitions ${PARTITIONS / 2} moved and moved back, ${found.length - first.length} records came twice`,
    );
    expect(isInOrder(first)).toBe(true);
  });

  it("source and sink follow them to a broker that did not have them, and nothing is lost or out of order", async () => {
    await kafka.createTopic("moved", PARTITIONS);
    const { write, end } = await copy("moved");
    for (const broker of [1, second.id, 1]) {
      const writing = write();
      await javaMove(kafka.brokers[0] ?? "", "moved", broker);
      await writing;
      await expect.poll(() => kafka.leaders("moved"), within).toEqual(Array(PARTITIONS).fill(broker));
      await write();
    }
    const found = await end();
    const first = [...new Set(found)].map(Number);
    expect(first.toSorted((a, b) => a - b)).toEqual(upTo(6 * STEP));
    console.log(
      `leaders: ${PARTITIONS} partitions went to other brokers, ${found.length - first.length} records came twice`,
    );
    expect(isInOrder(first)).toBe(true);
  });
});
