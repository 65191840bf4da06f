import { compatibilityPartitioner } from "@platformatic/kafka";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../src/clock.ts";
import type { Position, SinkWriter } from "../../src/engine/connectors/connector.ts";
import { deleteExchanges } from "../../src/engine/connectors/exchange/topics.ts";
import { connectorContext, outRecord } from "../builders/connector-context.ts";
import { exchangeEnds, type Ends, type ExchangeWriter, type Reading } from "../builders/exchange-ends.ts";
import { startKafka, type KafkaServer } from "../servers/kafka.ts";

let kafka: KafkaServer;
beforeAll(async () => {
  kafka = await startKafka();
});
afterAll(() => kafka.close());

let jobs = 0;
const newJob = (): string => `ns.job-${jobs++}`;
const ends = (
  facts: Parameters<typeof exchangeEnds>[2] = {},
  place: Partial<Parameters<typeof exchangeEnds>[1]> = {},
): Ends => exchangeEnds(kafka.brokers, { job: newJob(), ...place }, facts);

const partitionOf = (key: string, partitions: number): number =>
  (compatibilityPartitioner({ topic: "t", value: Buffer.alloc(0) }, Buffer.from(key)) >>> 0) % partitions;

const lowest = ({ reader }: Reading): number => Math.min(...(reader.watermarks?.().values() ?? []));
const passed = ({ reader }: Reading, id: string): boolean => reader.passed?.(id) === true;
const values = ({ received }: Reading): (string | null)[] => received.map((r) => r.value);

async function commit(writer: SinkWriter, n: number): Promise<void> {
  const flushed = writer.flush();
  const handle = await writer.prepare?.(n);
  await flushed;
  await writer.commit?.(n, handle);
}

const closeAll = async (...open: readonly { close(): Promise<void> }[]): Promise<void> => {
  for (const each of open) await each.close();
};

describe("an exchange between slots", () => {
  it("brings every record once to the shard of its key, in order, with its very event time", async () => {
    const { write, read, config } = ends({ slots: 3, partitions: 7 });
    const writers = await Promise.all([0, 1, 2].map((slot) => write({ slot })));
    const readers = await Promise.all([0, 1].map((slot) => read({ slot, slots: 2 })));
    const perWriter = 8_000;
    const timeOf = (i: number): number => (i % 3 === 0 ? -i - 0.25 : 1e12 + i / 3);
    for (let i = 0; i < perWriter; i++) {
      for (const [w, writer] of writers.entries()) {
        const record = outRecord(`key-${i % 50}`, `${w}:${i}`, timeOf(i));
        writer.append(i % 1000 === 7 ? { ...record, end: -1 } : record);
      }
    }
    for (const writer of writers) writer.end();
    await Promise.all(writers.map((writer) => writer.flush()));
    for (const each of readers) await each.until(() => each.reader.finished(), "the end");
    const all = readers.flatMap((each) => each.received);
    expect(all).toHaveLength(3 * perWriter);
    expect(all.every((r) => r.split === partitionOf(r.key, config.partitions))).toBe(true);
    for (const [slot, { received }] of readers.entries()) {
      expect(received.every((r) => r.split % 2 === slot)).toBe(true);
    }
    const tombstones = all.filter((r) => r.value === null);
    expect(tombstones).toHaveLength((3 * perWriter) / 1000);
    expect(tombstones.every((r) => Number.isInteger(Math.abs(r.ts) * 12))).toBe(true);
    const newest = new Map<string, number>();
    for (const { key, value, ts } of all) {
      if (value === null) continue;
      const [writer = "", i = ""] = value.split(":");
      expect(ts).toBe(timeOf(Number(i)));
      const line = `${writer} ${key}`;
      expect(Number(i)).toBeGreaterThan(newest.get(line) ?? -1);
      newest.set(line, Number(i));
    }
    await closeAll(...writers, ...readers.map((each) => each.reader));
  });

  it("says how far time is when all writers have, and as the slowest of them", async () => {
    const { write, read } = ends({ slots: 2 });
    const [a, b] = (await Promise.all([0, 1].map((slot) => write({ slot })))) as [ExchangeWriter, ExchangeWriter];
    const readers = await Promise.all([0, 1].map((slot) => read({ slot, slots: 2 })));
    const all = async (wanted: number): Promise<void> => {
      for (const each of readers) await each.until(() => lowest(each) === wanted, `watermark ${wanted}`);
    };
    a.append(outRecord("k", "before", 90));
    a.watermark(100);
    await a.flush();
    const [one, two] = readers as [Reading, Reading];
    const owner = partitionOf("k", 4) % 2 === 0 ? one : two;
    await owner.until(() => values(owner).includes("before"), "the record");
    expect(Math.min(lowest(one), lowest(two))).toBe(-Infinity);
    b.watermark(50);
    await all(50);
    b.watermark(170);
    await all(100);
    a.idle(true);
    await all(170);
    b.idle(true);
    for (const each of readers) await each.until(() => each.reader.idleSplits().length === 2, "idle");
    a.idle(false);
    a.watermark(Infinity);
    b.end();
    await all(Infinity);
    expect(readers.some((each) => each.reader.finished())).toBe(false);
    a.end();
    for (const each of readers) await each.until(() => each.reader.finished(), "the end");
    await closeAll(a, b, ...readers.map((each) => each.reader));
  });

  it("takes a slot's next attempt for the same slot, and another number of slots in the next epoch", async () => {
    const job = newJob();
    const { write, read } = ends({ slots: 2 }, { job });
    const [a, b] = (await Promise.all([0, 1].map((slot) => write({ slot })))) as [ExchangeWriter, ExchangeWriter];
    const reading = await read();
    for (const writer of [a, b]) writer.watermark(10);
    await reading.until(() => lowest(reading) === 10, "watermark 10");
    await a.close();
    const again = await write({ slot: 0, attempt: 2 });
    b.watermark(30);
    again.watermark(20);
    await reading.until(() => lowest(reading) === 20, "watermark 20");
    const next = ends({ slots: 3 }, { job });
    const later = await Promise.all([0, 1, 2].map((slot) => next.write({ slot, epoch: 2 })));
    const [c, d, e] = later as [ExchangeWriter, ExchangeWriter, ExchangeWriter];
    for (const writer of [d, e]) writer.watermark(40);
    await Promise.all([d, e].map((writer) => writer.flush()));
    d.append(outRecord("k", "of the new epoch", 41));
    await d.flush();
    await reading.until(() => values(reading).length === 1, "the record");
    expect(lowest(reading)).toBe(20);
    c.watermark(15);
    await c.flush();
    c.append(outRecord("k", "behind it", 41));
    await c.flush();
    await reading.until(() => values(reading).length === 2, "the record behind the watermark");
    expect(lowest(reading)).toBe(20);
    c.watermark(35);
    await reading.until(() => lowest(reading) === 35, "watermark 35");
    await closeAll(again, b, ...later, reading.reader);
  });

  it("shows records, time and endings of a transaction when it is committed, and never what was aborted", async () => {
    const { write, read, config } = ends({ committed: true });
    const first = await write();
    const reading = await read();
    first.append(outRecord("a", "1", 1));
    first.watermark(5);
    await first.flush();
    first.watermark(10);
    await commit(first, 1);
    await reading.until(() => lowest(reading) === 10, "watermark 10");
    expect(values(reading)).toEqual(["1"]);
    first.append(outRecord("a", "lost", 2));
    first.watermark(99);
    first.barrier("lost");
    first.end();
    await first.flush();
    const second = await write({ attempt: 2 });
    second.append(outRecord("a", "2", 3));
    second.watermark(20);
    await commit(second, 2);
    await reading.until(() => lowest(reading) === 20, "watermark 20");
    expect(values(reading)).toEqual(["1", "2"]);
    expect([passed(reading, "lost"), reading.reader.finished()]).toEqual([false, false]);
    // Of each transaction one marker a partition, with two that were said at once in the one that was aborted.
    const markers = (isolation: "committed" | "uncommitted") =>
      kafka.consumeAll(config.topic, { isolation }).then((all) => all.filter((r) => r.key === null).length);
    expect(await markers("committed")).toBe(3 * config.partitions);
    expect(await markers("uncommitted")).toBeGreaterThan(3 * config.partitions);
    await closeAll(first, second, reading.reader);
  });

  it("ends no batch behind a barrier, and goes on from every position with what was heard before", async () => {
    const { write, read } = ends({ slots: 2, partitions: 2 });
    const writers = await Promise.all([0, 1].map((slot) => write({ slot })));
    const append = (text: string): void => {
      for (let i = 0; i < 20; i++) for (const writer of writers) writer.append(outRecord(`k${i}`, `${text}-${i}`, i));
    };
    append("before");
    for (const writer of writers) writer.watermark(7);
    for (const writer of writers) writer.barrier("s#1");
    append("behind");
    for (const writer of writers) writer.end();
    await Promise.all(writers.map((writer) => writer.flush()));
    const first = await read();
    await first.until(() => passed(first, "s#1"), "the barrier");
    expect(passed(first, "s#2")).toBe(false);
    expect(lowest(first)).toBe(7);
    const before = values(first).filter((value) => value?.startsWith("before"));
    expect(before).toHaveLength(40);
    let positions: ReadonlyMap<string, Position> = first.reader.positions();
    const all = [...first.received];
    await first.reader.close();
    for (let round = 0; all.length < 80; round++) {
      const more = await read({
        positions: new Map(JSON.parse(JSON.stringify([...positions])) as [string, Position][]),
      });
      expect(passed(more, "s#1")).toBe(true);
      await more.until(() => more.received.length > 0 || all.length + more.received.length === 80, "more");
      positions = more.reader.positions();
      all.push(...more.received);
      await more.reader.close();
      expect(round).toBeLessThan(80);
    }
    expect(new Set(all.map((r) => `${r.split} ${r.key} ${r.value}`)).size).toBe(40);
    expect(all).toHaveLength(80);
    const last = await read({ positions });
    await last.until(() => last.reader.finished(), "the end");
    const later = await read({ positions: last.reader.positions(), epoch: 2 });
    expect(later.reader.finished()).toBe(false);
    await closeAll(...writers, last.reader, later.reader);
  });

  it("passes records, time, barriers and endings on through a second exchange", async () => {
    const job = newJob();
    const [one, two] = [ends({}, { job, node: "one" }), ends({}, { job, node: "two" })];
    const [from, into] = [await one.write(), await two.write()];
    const [middle, last] = [await one.read(), await two.read()];
    for (let i = 0; i < 100; i++) from.append(outRecord(`k${i}`, `${i}`, i));
    from.watermark(50);
    from.barrier("s");
    from.end();
    await from.flush();
    await middle.until(() => passed(middle, "s"), "the first barrier");
    for (const { key, value, ts } of middle.received) into.append(outRecord(`other-${key}`, value ?? "", ts));
    into.watermark(lowest(middle));
    into.barrier("s");
    await middle.until(() => middle.reader.finished(), "the first end");
    into.end();
    await into.flush();
    await last.until(() => passed(last, "s"), "the second barrier");
    expect(lowest(last)).toBe(50);
    await last.until(() => last.reader.finished(), "the second end");
    expect(last.received.map((r) => r.ts).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    await closeAll(from, into, middle.reader, last.reader);
  });
});

describe("the topics of exchanges", () => {
  const topicsOf = async (job: string): Promise<string[]> =>
    (await kafka.topics()).filter((t) => t.startsWith(`weir.${job}.`));

  it("are emptied up to what the oldest kept checkpoint has read, and older generations go with the first", async () => {
    const job = newJob();
    const old = ends({}, { job, generation: 3 });
    const other = ends({}, { job: `${job}.other`, generation: 1 });
    const namesake = ends({}, { job, generation: 2, owner: "3f2a9c1b" });
    const reader = ends({ retain: 2, partitions: 2 }, { job, generation: 12 });
    for (const each of [old, other, namesake, reader]) await closeAll(await each.write());
    const writer = await reader.write();
    let hours = 0;
    const reading = await reader.read({ clock: { ...systemClock, now: () => Date.now() + hours * 3_600_000 } });
    const positions: ReadonlyMap<string, Position>[] = [];
    for (const round of [1, 2, 3]) {
      for (let i = 0; i < 10; i++) writer.append(outRecord(`k${i}`, `${i}`, i));
      await writer.flush();
      await reading.until(() => reading.received.length === 10 * round, "ten more");
      positions.push(reading.reader.positions());
      await reading.reader.checkpointed?.(reading.reader.positions());
      hours++;
    }
    const begins = await kafka.beginOffsets(reader.config.topic);
    expect(begins).toEqual([...(positions[1]?.values() ?? [])].map(({ offset }) => offset));
    await expect
      .poll(() => topicsOf(job), { timeout: 60_000 })
      .toEqual([reader.config.topic, other.config.topic, namesake.config.topic].toSorted());
    expect(await deleteExchanges(reader.config, connectorContext().sink, { job })).toEqual([reader.config.topic]);
    await expect
      .poll(() => topicsOf(job), { timeout: 60_000 })
      .toEqual([other.config.topic, namesake.config.topic].toSorted());
    const { config } = namesake;
    const deleted = await deleteExchanges(config, connectorContext().sink, { job, owner: "3f2a9c1b" });
    expect(deleted).toEqual([config.topic]);
    await closeAll(writer, reading.reader);
  });

  it("are refused when somebody else made them with other partitions", async () => {
    const { write, read, config } = ends({ partitions: 4 });
    await kafka.createTopic(config.topic, 3);
    await expect(write()).rejects.toThrow(/has 3 partitions.*hand each other records in 4/);
    await expect(read()).rejects.toThrow(/has 3 partitions/);
  });

  it("end the job when they lose what was not read", async () => {
    const { write, read, config } = ends({ partitions: 1 });
    const writer = await write();
    for (let i = 0; i < 10; i++) writer.append(outRecord("k", `${i}`, i));
    await writer.flush();
    await kafka.deleteRecordsBefore(config.topic, 0, 5);
    const reading = await read();
    await expect(reading.until(() => false, "an error")).rejects.toThrow(/has no offset 0 .* any more/);
    await closeAll(writer, reading.reader);
  });
});
