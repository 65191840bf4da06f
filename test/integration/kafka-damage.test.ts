import { openSync, closeSync, readSync, writeSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readBatchHeader, type BatchHeader } from "../../src/engine/connectors/kafka/record-batch.ts";
import { kafkaSource } from "../../src/engine/connectors/kafka/source.ts";
import { connectorContext } from "../builders/connector-context.ts";
import { readUntil } from "../builders/read-records.ts";
import { startKafka, type KafkaRecord, type KafkaServer } from "../servers/kafka.ts";

let kafka: KafkaServer;
beforeAll(async () => {
  kafka = await startKafka();
});
afterAll(() => kafka.close());

const BATCHES = 5;
const BATCH = 400;
const records = (first: number): KafkaRecord[] =>
  Array.from({ length: BATCH }, (_, i) => ({ key: null, value: `value ${first + i} `.repeat(20) }));

/** Where a bit is turned over, and which. */
interface Damage {
  readonly at: (header: BatchHeader) => number;
  readonly bit: number;
}
const IN_A_RECORD: Damage = { at: ({ end }) => end - 100, bit: 4 };

/** Turns over a bit of the batch with this number, in the broker's file, which its page cache serves; returns what mends it. */
function turnBit(topic: string, number: number, { at, bit }: Damage = IN_A_RECORD): () => void {
  const path = join(kafka.dataDir, `${topic}-0`, "00000000000000000000.log");
  const log = readFileSync(path);
  let header = readBatchHeader(log, 0, log.length);
  for (let i = 0; i < number && header !== undefined; i++) header = readBatchHeader(log, header.end, log.length);
  if (header === undefined) throw new Error(`${path} has no batch ${number}`);
  const place = at(header);
  const turn = (): void => {
    const file = openSync(path, "r+");
    const byte = Buffer.alloc(1);
    readSync(file, byte, 0, 1, place);
    writeSync(file, Buffer.from([(byte[0] as number) ^ bit]), 0, 1, place);
    closeSync(file);
  };
  turn();
  return turn;
}

/** Puts a message of version 1 in the place of the first batch: as long, and with its last offset. */
function overwrite(topic: string): void {
  const path = join(kafka.dataDir, `${topic}-0`, "00000000000000000000.log");
  const log = readFileSync(path);
  const header = readBatchHeader(log, 0, log.length);
  if (header === undefined) throw new Error(`${path} is empty`);
  const message = Buffer.alloc(header.end);
  message.writeBigInt64BE(BigInt(header.nextOffset - 1), 0);
  message.writeInt32BE(header.end - 12, 8);
  message.writeInt8(1, 16);
  message.writeInt32BE(-1, 26);
  message.writeInt32BE(header.end - 34, 30);
  message.writeUInt32BE(crc32(message.subarray(16)), 12);
  const file = openSync(path, "r+");
  writeSync(file, message, 0, message.length, 0);
  closeSync(file);
}

describe("a batch that a broker's disk has damaged", () => {
  it("is not read: what is before it and other partitions are, the job says where it is, and goes on when it is mended", async () => {
    await kafka.createTopic("readings", 2);
    for (let i = 0; i < BATCHES; i++)
      for (const split of [0, 1]) await kafka.produce({ topic: "readings", partition: split }, records(i * BATCH));
    const expected = await kafka.consumeAll("readings");
    const mend = turnBit("readings", 2);
    const context = connectorContext();
    const config = { brokers: kafka.brokers, topics: ["readings"] };
    const splits = await kafkaSource.splits(config, context.source);
    const said = context.reported((problem) => problem?.code === "SOURCE_UNREACHABLE");
    const reader = await kafkaSource.open(
      config,
      splits.map((split) => ({ split, position: undefined })),
      context.source,
    );
    const before = await readUntil(reader, (found) => found.length >= (BATCHES + 2) * BATCH);
    expect(before.filter(({ split }) => split === 0)).toHaveLength(2 * BATCH);
    // Its problem is said when it is there the second time, and not taken back while it is there.
    await Promise.all([said, readUntil(reader, () => context.problems.length > 0)]);
    expect(context.problems).not.toContain(undefined);
    expect(context.problems[0]?.message).toMatch(
      new RegExp(`readings-0: the batch at offset ${2 * BATCH} fails its checksum\\. .*look at the disk`),
    );
    mend();
    const after = await readUntil(reader, (found) => found.length >= (BATCHES - 2) * BATCH);
    await readUntil(reader, () => context.problems.at(-1) === undefined);
    await reader.close();
    const all = [...before, ...after].toSorted((a, b) => a.split - b.split);
    expect(all.map(({ place, value }) => ({ place, value }))).toEqual(
      expected.map(({ partition, offset, value }) => ({ place: `readings[${partition}]@${offset}`, value })),
    );
  });

  it.each<readonly [what: string, number: number, damage: Damage, said: RegExp]>([
    ["where it ends", BATCHES - 1, { at: ({ start }) => start + 23, bit: 64 }, /fails its checksum/],
    ["how long it is", 2, { at: ({ start }) => start + 11, bit: 4 }, /fails its checksum/],
    [
      "its format",
      2,
      { at: ({ start }) => start + 16, bit: 4 },
      /its-format-0: the batch at offset 800 .*format version 6/,
    ],
    [
      "its format where nothing is before it",
      0,
      { at: ({ start }) => start + 16, bit: 4 },
      /before-it-0: the batch at offset 0 .*format version 6/,
    ],
  ])("so that it says wrongly %s is no end of the job, and no loss", async (what, number, damage, message) => {
    const topic = what.replaceAll(" ", "-");
    await kafka.createTopic(topic, 1);
    for (let i = 0; i < BATCHES; i++) await kafka.produce({ topic }, records(i * BATCH));
    const expected = await kafka.consumeAll(topic);
    const mend = turnBit(topic, number, damage);
    const context = connectorContext();
    const config = { brokers: kafka.brokers, topics: [topic] };
    const splits = await kafkaSource.splits(config, context.source);
    const assigned = splits.map((split) => ({ split, position: undefined }));
    const reader = await kafkaSource.open(config, assigned, context.source);
    // What would be behind it is asked for before anybody has looked at it.
    const said = (): string => context.problems.map((problem) => problem?.message).join();
    if (number === BATCHES - 1) await expect.poll(said, { timeout: 120_000 }).toContain("OFFSET_OUT_OF_RANGE");
    const before = await readUntil(reader, (found) => found.length >= number * BATCH);
    await readUntil(reader, () => message.test(said()));
    mend();
    const after = await readUntil(reader, (found) => found.length >= (BATCHES - number) * BATCH);
    await reader.close();
    expect([...before, ...after].map(({ value }) => value)).toEqual(expected.map(({ value }) => value));
    expect(context.losses).toEqual([]);
  });

  it("is gone past where no replica is whole: what is before the next is deleted, and counts as lost", async () => {
    const topic = "left-out";
    await kafka.createTopic(topic, 1);
    for (let i = 0; i < BATCHES; i++) await kafka.produce({ topic }, records(i * BATCH));
    turnBit(topic, 2);
    const context = connectorContext();
    const config = { brokers: kafka.brokers, topics: [topic], offsetReset: "Earliest" };
    const splits = await kafkaSource.splits(config, context.source);
    const assigned = splits.map((split) => ({ split, position: undefined }));
    const reader = await kafkaSource.open(config, assigned, context.source);
    await readUntil(reader, (found) => found.length >= 2 * BATCH);
    await readUntil(reader, () => context.problems.length > 0);
    await kafka.deleteRecordsBefore(topic, 0, 3 * BATCH);
    const after = await readUntil(reader, (found) => found.length >= 2 * BATCH);
    await reader.close();
    const left = [3, 4].flatMap((batch) => records(batch * BATCH));
    expect(after.map(({ value }) => value)).toEqual(left.map(({ value }) => value));
    expect(context.losses).toHaveLength(1);
  });
});

it("a whole message of the format from before 0.11 ends the job, and says which it is", async () => {
  const topic = "old-format";
  await kafka.createTopic(topic, 1);
  for (let i = 0; i < 2; i++) await kafka.produce({ topic }, records(i * BATCH));
  overwrite(topic);
  const context = connectorContext();
  const config = { brokers: kafka.brokers, topics: [topic] };
  const splits = await kafkaSource.splits(config, context.source);
  const assigned = splits.map((split) => ({ split, position: undefined }));
  const reader = await kafkaSource.open(config, assigned, context.source);
  await expect(readUntil(reader, () => false)).rejects.toMatchObject({
    code: "RECORD_MALFORMED",
    message: expect.stringMatching(/^old-format\[0\]@0: .*format version 1;/) as string,
  });
  await reader.close();
});
