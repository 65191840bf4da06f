import { Consumer } from "@platformatic/kafka";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Position, SourceReader } from "../../src/engine/connectors/connector.ts";
import type { KafkaSourceConfig } from "../../src/engine/connectors/kafka/config.ts";
import { kafkaSource } from "../../src/engine/connectors/kafka/source.ts";
import { connectorContext } from "../builders/connector-context.ts";
import { readUntil, type ReadRecord } from "../builders/read-records.ts";
import { startKafka, type KafkaRecord, type KafkaServer } from "../servers/kafka.ts";

let kafka: KafkaServer;
beforeAll(async () => {
  kafka = await startKafka();
});
afterAll(() => kafka.close());

let topics = 0;
async function topic(partitions: number, settings: Readonly<Record<string, string>> = {}): Promise<string> {
  const name = `events.v${topics++}`;
  await kafka.createTopic(name, partitions, settings);
  return name;
}

const records = (count: number, from = 0): KafkaRecord[] =>
  Array.from({ length: count }, (_, i) => ({
    key: i % 7 === 0 ? null : `key-${(from + i) % 50}`,
    value: `{"n":${from + i},"text":"${"é".repeat(i % 40)}"}`,
    timestamp: 1_700_000_000_000 + from + i * 10,
  }));

interface Opening {
  readonly context?: ReturnType<typeof connectorContext>;
  readonly positions?: ReadonlyMap<string, Position>;
  readonly slot?: readonly [number, number];
}

async function open(config: Omit<KafkaSourceConfig, "brokers">, opening: Opening = {}): Promise<SourceReader> {
  const { context = connectorContext(), positions, slot: [slot, of] = [0, 1] } = opening;
  const full = { brokers: kafka.brokers, ...config };
  const splits = await kafkaSource.splits(full, context.source);
  const mine = splits.filter((split) => split.index % of === slot);
  return kafkaSource.open(
    full,
    mine.map((split) => {
      const position = positions?.get(split.id);
      return { split, position, ...(position === undefined ? { readBefore: [...(positions?.keys() ?? [])] } : {}) };
    }),
    context.source,
  );
}

async function read(reader: SourceReader, count: number): Promise<ReadRecord[]> {
  const found = await readUntil(reader, (r) => r.length >= count);
  await reader.close();
  return found;
}

/** What the other client sees, in the reader's form. */
async function expected(name: string, isolation: "committed" | "uncommitted" = "committed"): Promise<ReadRecord[]> {
  const all = await kafka.consumeAll(name, { isolation });
  return all.map((r) => ({
    split: r.partition,
    place: `${name}[${r.partition}]@${r.offset}`,
    key: r.key,
    value: r.value,
    timestamp: r.timestamp,
  }));
}

const inOrder = (found: readonly ReadRecord[]): ReadRecord[] => found.toSorted((a, b) => a.split - b.split);

describe("the Kafka source", () => {
  it("hands out every record with its key, timestamp and place, in order per partition, whatever its compression", async () => {
    const name = await topic(3);
    await kafka.produce({ topic: name }, records(3000));
    await kafka.produce({ topic: name, compression: "gzip" }, records(2000, 3000));
    await kafka.produce({ topic: name, compression: "zstd" }, records(2000, 5000));
    const found = await read(await open({ topics: [name] }), 7000);
    expect(inOrder(found)).toEqual(await expected(name));
  });

  it("goes on from a position in the middle of a batch, losing and repeating nothing", async () => {
    const name = await topic(2);
    await kafka.produce({ topic: name }, records(2500));
    const reader = await open({ topics: [name] });
    const first = await readUntil(reader, (r) => r.length >= 1);
    const positions = reader.positions();
    await reader.close();
    expect(first.length).toBeLessThan(2500);
    const rest = await read(await open({ topics: [name] }, { positions }), 2500 - first.length);
    expect(inOrder([...first, ...rest])).toEqual(await expected(name));
  });

  it("deals the partitions of several topics over the slots, each to exactly one", async () => {
    const names = [await topic(3), await topic(2)];
    for (const name of names) await kafka.produce({ topic: name }, records(300));
    const all = [...(await expected(names[0] ?? "")), ...(await expected(names[1] ?? ""))].map((r) => r.place);
    const found: ReadRecord[] = [];
    for (const slot of [0, 1]) {
      const reader = await open({ topics: names }, { slot: [slot, 2] });
      found.push(...(await readUntil(reader, () => reader.lag()?.records === 0)));
      await reader.close();
    }
    expect(found.map((r) => r.place).toSorted()).toEqual(all.toSorted());
    expect(new Set(found.map((r) => r.split))).toEqual(new Set([0, 1, 2, 3, 4]));
  });

  it("starts at a time, or with what comes after the start", async () => {
    const name = await topic(1);
    await kafka.produce({ topic: name }, records(100));
    const from = new Date(1_700_000_000_000 + 500).toISOString();
    const later = await read(await open({ topics: [name], startFrom: from }), 50);
    expect(later.map((r) => r.timestamp)).toEqual((await expected(name)).slice(50).map((r) => r.timestamp));
    const latest = await open({ topics: [name], startFrom: "Latest" });
    await kafka.produce({ topic: name }, records(10, 100));
    expect((await read(latest, 10)).map((r) => r.place)).toEqual(
      Array.from({ length: 10 }, (_, i) => `${name}[0]@${100 + i}`),
    );
  });

  it("reads a partition that was added from its start, also where it was told to start at the end", async () => {
    const name = await topic(1);
    await kafka.produce({ topic: name }, records(10));
    const before = await open({ topics: [name], startFrom: "Latest" });
    const positions = before.positions();
    await before.close();
    await kafka.addPartitions(name, 8);
    await kafka.produce({ topic: name }, records(200));
    const reader = await open({ topics: [name], startFrom: "Latest" }, { positions });
    const inOrder = (values: readonly unknown[]): string[] => values.map(String).toSorted();
    expect(inOrder((await read(reader, 200)).map((r) => r.value))).toEqual(inOrder(records(200).map((r) => r.value)));
  });

  it("leaves out records of aborted transactions, unless it is told to read uncommitted", async () => {
    const name = await topic(2);
    await kafka.produce({ topic: name }, records(20));
    await kafka.produce({ topic: name, transaction: "abort" }, records(30, 100));
    await kafka.produce({ topic: name, transaction: "commit" }, records(40, 200));
    await kafka.produce({ topic: name, transaction: "abort" }, records(5, 300));
    await kafka.produce({ topic: name }, records(10, 400));
    const reader = await open({ topics: [name] });
    // Not until there is no lag: a broker writes the markers of an ended transaction a moment after it has answered.
    const committed = await readUntil(reader, (r) => r.length >= 70 && reader.lag()?.records === 0);
    expect(inOrder(committed)).toEqual(await expected(name, "committed"));
    expect(committed).toHaveLength(70);
    await reader.close();
    const all = await read(await open({ topics: [name], isolation: "ReadUncommitted" }), 105);
    expect(inOrder(all)).toEqual(await expected(name, "uncommitted"));
  });

  it("knows its lag and its idle splits, and says unknown before the first answer", async () => {
    const name = await topic(2);
    await kafka.produce({ topic: name, partition: 0 }, records(1500));
    const reader = await open({ topics: [name] });
    expect(reader.lag()).toBeUndefined();
    expect(reader.idleSplits()).toEqual([]);
    await readUntil(reader, () => reader.lag() !== undefined && reader.idleSplits().includes(1));
    await readUntil(reader, () => reader.lag()?.records === 0 && reader.idleSplits().length === 2);
    await kafka.produce({ topic: name, partition: 1 }, records(1));
    expect(await readUntil(reader, (r) => r.length === 1)).toHaveLength(1);
    await reader.close();
  });

  it("hands out tombstones as records without a value", async () => {
    const name = await topic(1);
    await kafka.produce({ topic: name }, [{ key: "a", value: null, timestamp: 5 }]);
    expect(await read(await open({ topics: [name] }), 1)).toEqual([
      { split: 0, place: `${name}[0]@0`, key: "a", value: null, timestamp: 5 },
    ]);
  });

  it("shows its progress as offsets of a consumer group", async () => {
    const name = await topic(2);
    await kafka.produce({ topic: name }, records(500));
    const context = connectorContext();
    const inJob = { ...context, source: { ...context.source, job: "ns.job" } };
    const reader = await open({ topics: [name] }, { context: inJob });
    await readUntil(reader, (r) => r.length >= 500);
    await expect
      .poll(
        async () => {
          await reader.checkpointed?.(reader.positions());
          return kafka.committed("weir.ns.job.node");
        },
        { timeout: 60_000 },
      )
      .toEqual(new Map([...reader.positions()].map(([id, position]) => [id, position["offset"]])));
    await reader.close();
  });
});

describe("the progress of the Kafka source", () => {
  it("is missing in a group that others consume in, and that is said once", async () => {
    const name = await topic(1);
    await kafka.produce({ topic: name }, records(10));
    const other = new Consumer({ clientId: "other", groupId: "taken", bootstrapBrokers: [...kafka.brokers] });
    const stream = await other.consume({ topics: [name], autocommit: false });
    const reader = await open({ topics: [name], groupId: "taken" });
    await readUntil(reader, (r) => r.length >= 10);
    const said: string[] = [];
    const commit = async (): Promise<readonly string[]> => {
      await reader.checkpointed?.(reader.positions()).catch((e: unknown) => said.push(String(e)));
      return said;
    };
    await expect
      .poll(commit, { timeout: 60_000 })
      .toEqual([expect.stringMatching(/group taken: other consumers are its members; give the source a groupId/)]);
    await commit();
    expect(said).toHaveLength(1);
    await reader.close();
    await stream.close();
    await other.close(true);
  });
});

describe("the Kafka source refuses", () => {
  it("to go on from an offset that retention has removed", async () => {
    const name = await topic(1);
    await kafka.produce({ topic: name }, records(100));
    await kafka.deleteRecordsBefore(name, 0, 60);
    const positions = new Map([[`${name}-0`, { offset: 10, partitions: 1 }]]);
    const reader = await open({ topics: [name] }, { positions });
    await expect(readUntil(reader, () => false)).rejects.toMatchObject({
      code: "OFFSET_OUT_OF_RANGE",
      message: expect.stringContaining(`no offset 10 in ${name}[0]`) as string,
    });
    await reader.close();
  });

  it("partitionedBy over several topics, saying how to do it", async () => {
    const names = [await topic(2), await topic(2)];
    await expect(open({ topics: names }, { context: connectorContext(["tenant"]) })).rejects.toMatchObject({
      code: "SPEC_NOT_IMPLEMENTED",
      message: expect.stringContaining("union") as string,
    });
  });

  it("to restore keyed state when the topic has got more partitions since", async () => {
    const name = await topic(2);
    const positions = new Map([[`${name}-0`, { offset: 0, partitions: 2 }]]);
    await kafka.addPartitions(name, 4);
    await expect(open({ topics: [name] }, { context: connectorContext(["tenant"]), positions })).rejects.toMatchObject({
      code: "RESTORE_REFUSED",
      message: expect.stringContaining("had 2 partitions and has 4 now") as string,
    });
  });

  it("nothing while a topic is missing: it says so and goes on when the topic is there", async () => {
    const context = connectorContext();
    const opening = open({ topics: ["later"] }, { context });
    await context.reported((p) => p?.message.includes('topic "later" does not exist') === true);
    expect(context.problems.at(-1)).toMatchObject({ code: "SOURCE_UNREACHABLE" });
    await kafka.createTopic("later", 1);
    await kafka.produce({ topic: "later" }, records(5));
    expect(await read(await opening, 5)).toHaveLength(5);
    expect(context.problems).toContain(undefined);
  });
});
