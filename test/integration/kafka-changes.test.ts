import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Position, SourceContext, SourceReader, Split } from "../../src/engine/connectors/connector.ts";
import type { KafkaSourceConfig } from "../../src/engine/connectors/kafka/config.ts";
import { kafkaSink } from "../../src/engine/connectors/kafka/sink.ts";
import { kafkaSourceWith } from "../../src/engine/connectors/kafka/source.ts";
import { connectorContext, outRecord, type TestContext } from "../builders/connector-context.ts";
import { readUntil, type ReadRecord } from "../builders/read-records.ts";
import { startKafka, type KafkaRecord, type KafkaServer } from "../servers/kafka.ts";

let kafka: KafkaServer;
beforeAll(async () => {
  kafka = await startKafka({ "message.max.bytes": `${16 * 1024 * 1024}` });
});
afterAll(() => kafka.close());

const source = kafkaSourceWith({ refreshMs: 200 });
const records = (count: number, from = 0): KafkaRecord[] =>
  Array.from({ length: count }, (_, i) => ({ key: `key-${(from + i) % 50}`, value: `${from + i}` }));

interface Opening {
  readonly context?: TestContext;
  readonly positions?: ReadonlyMap<string, Position>;
  readonly slot?: readonly [slot: number, of: number];
}

async function open(config: Omit<KafkaSourceConfig, "brokers">, opening: Opening = {}): Promise<SourceReader> {
  const { context = connectorContext(), positions, slot: [slot, slots] = [0, 1] } = opening;
  const full = { brokers: kafka.brokers, ...config };
  const splits = await source.splits(full, context.source);
  const mine = splits.filter((split) => split.index % slots === slot);
  const ctx: SourceContext = { ...context.source, deal: { slot, slots, splits } };
  return source.open(
    full,
    mine.map((split: Split) => ({ split, position: positions?.get(split.id) })),
    ctx,
  );
}

const placesOf = (found: readonly ReadRecord[]): string[] => found.map((r) => r.place).toSorted();
const valuesOf = (found: readonly ReadRecord[]): (string | null)[] => found.map((r) => r.value);

describe("while a job runs", () => {
  it("partitions that are added are read from their start, each by one slot, and are in its positions", async () => {
    await kafka.createTopic("growing", 2);
    await kafka.produce({ topic: "growing" }, records(100));
    const readers = await Promise.all(
      [0, 1].map((slot) => open({ topics: ["growing"], startFrom: "Latest" }, { slot: [slot, 2] })),
    );
    await kafka.addPartitions("growing", 5);
    for (let partition = 2; partition < 5; partition++)
      await kafka.produce({ topic: "growing", partition }, records(40));
    const expected = [2, 3, 4].flatMap((p) => Array.from({ length: 40 }, (_, i) => `growing[${p}]@${i}`));
    const [even = [], odd = []] = await Promise.all(
      readers.map((reader, slot) => readUntil(reader, (found) => found.length >= (slot === 0 ? 80 : 40))),
    );
    expect(placesOf([...even, ...odd])).toEqual(expected.toSorted());
    expect(new Set(even.map((r) => r.split))).toEqual(new Set([2, 4]));
    expect(readers.map((reader) => reader.added?.().map((split) => split.id))).toEqual([
      ["growing-2", "growing-4"],
      ["growing-3"],
    ]);
    expect(readers[1]?.positions().get("growing-3")).toMatchObject({ offset: 40, partitions: 5 });
    await Promise.all(readers.map((reader) => reader.close()));
  });

  it("a deleted topic is said, and ends the job when it comes back with fewer records than were read", async () => {
    await kafka.createTopic("deleted", 1);
    await kafka.produce({ topic: "deleted" }, records(50));
    const context = connectorContext();
    const reader = await open({ topics: ["deleted"] }, { context });
    await readUntil(reader, (found) => found.length >= 50);
    await kafka.deleteTopic("deleted");
    await context.reported((p) => p?.message.includes('topic "deleted" does not exist') === true);
    await kafka.createTopic("deleted", 1);
    await kafka.produce({ topic: "deleted" }, records(5));
    await expect(readUntil(reader, () => false)).rejects.toMatchObject({ code: "OFFSET_OUT_OF_RANGE" });
    await reader.close();
  });
});

describe("an offset that retention has overtaken", () => {
  async function overtaken(name: string): Promise<Map<string, Position>> {
    await kafka.createTopic(name, 2);
    for (const partition of [0, 1]) await kafka.produce({ topic: name, partition }, records(100));
    await kafka.deleteRecordsBefore(name, 0, 60);
    return new Map([0, 1].map((p) => [`${name}-${p}`, { offset: 10, partitions: 2 }]));
  }

  it("with offsetReset: Earliest goes on at what is left, and counts what is not, once", async () => {
    const positions = await overtaken("overtaken");
    const context = connectorContext();
    const reader = await open({ topics: ["overtaken"], offsetReset: "Earliest" }, { context, positions });
    const found = await readUntil(reader, (all) => all.length >= 130);
    expect(valuesOf(found.filter((r) => r.split === 0))).toEqual(records(40, 60).map((r) => r.value));
    expect(valuesOf(found.filter((r) => r.split === 1))).toEqual(records(90, 10).map((r) => r.value));
    expect(context.losses).toEqual([
      {
        records: 50,
        message:
          "Kafka has no offset 10 in overtaken[0] any more; reading goes on at offset 60 (offsetReset: Earliest), and 50 offsets were never read",
      },
    ]);
    await expect.poll(() => reader.lag(), { timeout: 60_000 }).toMatchObject({ records: 0 });
    expect(reader.positions().get("overtaken-0")).toMatchObject({ offset: 100, partitions: 2 });
    await reader.close();
  });

  it("with offsetReset: Latest goes on with what comes, and its position is there at once", async () => {
    const positions = await overtaken("overtaken-latest");
    const context = connectorContext();
    const reader = await open({ topics: ["overtaken-latest"], offsetReset: "Latest" }, { context, positions });
    await readUntil(reader, () => reader.positions().get("overtaken-latest-0")?.["offset"] === 100);
    expect(context.losses.map((loss) => loss.records)).toEqual([90]);
    await kafka.produce({ topic: "overtaken-latest", partition: 0 }, records(3, 500));
    const found = await readUntil(reader, (all) => all.some((r) => r.value === "502"));
    expect(valuesOf(found.filter((r) => r.split === 0))).toEqual(["500", "501", "502"]);
    await reader.close();
  });

  it("that is behind the end of a topic reads from where the policy says, and says so", async () => {
    await kafka.createTopic("anew", 1);
    await kafka.produce({ topic: "anew" }, records(5));
    const context = connectorContext();
    const positions = new Map([["anew-0", { offset: 10, partitions: 1 }]]);
    const reader = await open({ topics: ["anew"], offsetReset: "Earliest" }, { context, positions });
    expect(valuesOf(await readUntil(reader, (all) => all.length >= 5))).toEqual(["0", "1", "2", "3", "4"]);
    expect(context.losses).toEqual([
      { records: 0, message: expect.stringContaining("ends before offset 10, so it was cut") as string },
    ]);
    await reader.close();
  });
});

describe("a topic that was deleted and created anew, with more records than were read of the old one", () => {
  const again = async (topic: string): Promise<void> => {
    await kafka.deleteTopic(topic);
    await kafka.createTopic(topic, 1);
    await kafka.produce({ topic }, records(20, 100));
  };
  const readHalf = async (topic: string): Promise<{ reader: SourceReader; context: TestContext }> => {
    await kafka.createTopic(topic, 1);
    await kafka.produce({ topic }, records(10));
    const context = connectorContext();
    const reader = await open({ topics: [topic], offsetReset: "Earliest" }, { context });
    await readUntil(reader, (all) => all.length >= 10);
    return { reader, context };
  };
  const anew = (topic: string): object => ({
    records: 0,
    message: `${topic}[0] was deleted at offset 10 or later, and created anew; reading goes on at offset 0 (offsetReset: Earliest)`,
  });

  it("is read from its start while the job runs, and said so", async () => {
    const { reader, context } = await readHalf("renewed");
    await again("renewed");
    const found = await readUntil(reader, (all) => all.length >= 20);
    expect(valuesOf(found).slice(-20)).toEqual(records(20, 100).map((r) => r.value));
    expect(context.losses).toEqual([anew("renewed")]);
    await reader.close();
  });

  it("is read from its start after a restore, and its positions are its own from then on", async () => {
    const first = await readHalf("restored");
    const positions = first.reader.positions();
    await first.reader.close();
    await again("restored");
    const context = connectorContext();
    const reader = await open({ topics: ["restored"], offsetReset: "Earliest" }, { context, positions });
    expect(reader.positions()).toEqual(positions);
    await readUntil(reader, (all) => all.length >= 20);
    expect(context.losses).toEqual([anew("restored")]);
    const later = connectorContext();
    const last = await open({ topics: ["restored"] }, { context: later, positions: reader.positions() });
    await kafka.produce({ topic: "restored" }, records(1, 500));
    expect(valuesOf(await readUntil(last, (all) => all.length >= 1))).toEqual(["500"]);
    await reader.close();
    await last.close();
  });

  it("ends the job where nothing else was asked for, with the reason", async () => {
    const { reader } = await readHalf("refused");
    const positions = reader.positions();
    await reader.close();
    await again("refused");
    const restored = await open({ topics: ["refused"] }, { positions });
    await expect(readUntil(restored, (all) => all.length >= 1)).rejects.toMatchObject({
      code: "OFFSET_OUT_OF_RANGE",
      message: expect.stringMatching(/^The topic of offset 10 in refused\[0\] was deleted and created anew/) as string,
    });
    await restored.close();
  });
});

describe("a record", () => {
  it("of several megabytes is read and written", async () => {
    await kafka.createTopic("large", 1, { "max.message.bytes": `${16 * 1024 * 1024}` });
    const writer = await kafkaSink.open({ brokers: kafka.brokers, topic: "large" }, connectorContext().sink);
    const values = [5_000_000, 10, 3_000_000].map((size, i) => String(i).repeat(size));
    for (const value of values) writer.append(outRecord("k", value, 1));
    await writer.flush();
    await writer.close();
    const reader = await open({ topics: ["large"] });
    const found = await readUntil(reader, (all) => all.length >= 3);
    expect(found.map((r) => r.value === values[r.place.endsWith("@0") ? 0 : r.place.endsWith("@1") ? 1 : 2])).toEqual([
      true,
      true,
      true,
    ]);
    await reader.close();
  });

  it("has the broker's time where the topic says LogAppendTime", async () => {
    await kafka.createTopic("stamped", 1, { "message.timestamp.type": "LogAppendTime" });
    const before = Date.now();
    await kafka.produce({ topic: "stamped" }, [
      { key: "a", value: "1", timestamp: 5, headers: { trace: "x", empty: "" } },
      { key: null, value: "2", timestamp: 6 },
    ]);
    const reader = await open({ topics: ["stamped"] });
    const found = await readUntil(reader, (all) => all.length >= 2);
    expect(found.map(({ key, value }) => [key, value])).toEqual([
      ["a", "1"],
      [null, "2"],
    ]);
    const written = await kafka.consumeAll("stamped");
    expect(found.map((r) => r.timestamp)).toEqual(written.map((r) => r.timestamp));
    for (const { timestamp } of found) expect(timestamp).toBeGreaterThanOrEqual(before - 1000);
    await reader.close();
  });
});
