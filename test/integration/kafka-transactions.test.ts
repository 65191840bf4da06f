import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SinkContext, SinkWriter, Writing } from "../../src/engine/connectors/connector.ts";
import { openConnection } from "../../src/engine/connectors/kafka/connection.ts";
import { kafkaSink, kafkaSinkWith } from "../../src/engine/connectors/kafka/sink.ts";
import { addOffsets, commitOffsetIn } from "../../src/engine/connectors/kafka/transaction-calls.ts";
import { connectorContext, outRecord } from "../builders/connector-context.ts";
import { startKafka, type KafkaServer } from "../servers/kafka.ts";

let kafka: KafkaServer;
beforeAll(async () => {
  kafka = await startKafka();
});
afterAll(() => kafka.close());

type Transactional = SinkWriter & Required<Pick<SinkWriter, "prepare" | "commit" | "committed">>;

let lines = 0;
/** A topic, and writers of one line of state to it. */
async function line(partitions = 3): Promise<{
  readonly topic: string;
  open(who?: Partial<SinkContext>, to?: string): Promise<Transactional>;
  /** What read_committed shows. */
  values(): Promise<string[]>;
}> {
  const lineage = `line-${lines++}`;
  const topic = `${lineage}.out`;
  await kafka.createTopic(topic, partitions);
  return {
    topic,
    open: async (who = {}, to = topic) => {
      const context = { ...connectorContext().sink, lineage, delivery: "ExactlyOnce" as const, ...who };
      return (await kafkaSink.open({ brokers: kafka.brokers, topic: to }, context)) as Transactional;
    },
    values: async () => (await kafka.consumeAll(topic)).map((r) => r.value).toSorted(),
  };
}

const OWN: Writing = { epoch: 1, slot: 0 };

function append(writer: SinkWriter, ...values: readonly string[]): void {
  for (const value of values) writer.append(outRecord(value, value, 1));
}

/** Barrier, manifest: everything up to the commit. */
async function preCommit(writer: Transactional, n: number): Promise<unknown> {
  const [handle] = await Promise.all([(writer.flush(), writer.prepare(n)), writer.flush()]);
  return handle;
}

/** An answer to EndTxn comes before the brokers of all partitions have heard of it. */
const shown = (values: () => Promise<string[]>, wanted: readonly string[]): Promise<void> =>
  expect.poll(values, { timeout: 60_000 }).toEqual(wanted);

async function checkpoint(writer: Transactional, n: number): Promise<void> {
  await writer.commit(n, await preCommit(writer, n));
}

describe("the Kafka sink with ExactlyOnce", () => {
  it("shows records when their checkpoint is committed, and not before", async () => {
    const { open, values } = await line();
    const writer = await open();
    expect(await writer.committed(OWN, 0)).toBe(0);
    append(writer, "a", "b");
    const handle = await preCommit(writer, 1);
    append(writer, "c");
    expect(await values()).toEqual([]);
    await writer.commit(1, handle);
    await shown(values, ["a", "b"]);
    await checkpoint(writer, 2);
    await shown(values, ["a", "b", "c"]);
    await writer.close();
  });

  it("writes to partitions that are added in the transactions of the checkpoints behind", async () => {
    const { topic, values } = await line(1);
    const context = { ...connectorContext().sink, lineage: topic, delivery: "ExactlyOnce" as const };
    const sink = kafkaSinkWith({ refreshMs: 100 });
    const writer = (await sink.open({ brokers: kafka.brokers, topic }, context)) as Transactional;
    await writer.committed(OWN, 0);
    await kafka.addPartitions(topic, 4);
    const sent: string[] = [];
    const some = (n: number): void => {
      const named = Array.from({ length: 20 }, (_, i) => `${n}-${i}`);
      append(writer, ...named);
      sent.push(...named);
    };
    let n = 0;
    const grown = async (): Promise<boolean> => {
      some(++n);
      await checkpoint(writer, n);
      return (await kafka.endOffsets(topic)).every((end) => end > 0);
    };
    some(0);
    await expect.poll(grown, { timeout: 60_000 }).toBe(true);
    some(++n);
    const handle = await preCommit(writer, n);
    const [open, before] = [sent.slice(-20), sent.slice(0, -20)];
    append(writer, "behind");
    await shown(values, before.toSorted());
    await writer.commit(n, handle);
    await shown(values, [...before, ...open].toSorted());
    await checkpoint(writer, n + 1);
    await shown(values, [...sent, "behind"].toSorted());
    await writer.close();
  });

  it("commits a checkpoint without records, and says the same when told twice", async () => {
    const { open, values } = await line();
    const writer = await open();
    await writer.committed(OWN, 0);
    await checkpoint(writer, 1);
    await writer.commit(1, {});
    await writer.close();
    expect(await (await open()).committed(OWN, 0)).toBe(1);
    expect(await values()).toEqual([]);
  });

  it("tells its successor which checkpoint was committed last, and undoes what was not", async () => {
    const { open, values } = await line();
    const first = await open();
    await first.committed(OWN, 0);
    append(first, "a");
    await checkpoint(first, 1);
    append(first, "lost");
    await preCommit(first, 2);
    const second = await open({ attempt: 2 });
    expect(await second.committed(OWN, undefined)).toBe(1);
    append(second, "b");
    await checkpoint(second, 3);
    await shown(values, ["a", "b"]);
    append(second, "undone");
    await preCommit(second, 4);
    await second.close();
    await shown(values, ["a", "b"]);
  });

  it.each([
    { when: "before its commit", first: "close" },
    { when: "amid its commit", first: "commit" },
  ])("that is closed $when never says that a checkpoint was committed whose records were undone", async ({ first }) => {
    for (let wait = 0; wait < 12; wait++) {
      const { open, values } = await line();
      const writer = await open();
      await writer.committed(OWN, 0);
      append(writer, "a", "b");
      const handle = await preCommit(writer, 1);
      const commit = (): Promise<unknown> => writer.commit(1, handle).catch(() => undefined);
      const steps = first === "close" ? [() => writer.close(), commit] : [commit, () => writer.close()];
      const running: Promise<unknown>[] = [];
      for (const step of steps) {
        running.push(step());
        // The other one comes a little later each time: after so many turns of the loop.
        for (let turn = 0; turn < wait; turn++) await new Promise((resolve) => setImmediate(resolve));
      }
      await Promise.all(running);
      const second = await open({ attempt: 2 });
      const marked = await second.committed(OWN, 0);
      await shown(values, marked === 1 ? ["a", "b"] : []);
      await second.close();
    }
  });

  it("waits for no transaction of a worker that died in the middle of its commit", { timeout: 300_000 }, async () => {
    const { topic, open, values } = await line();
    const patient = { commitWithinMs: 600_000 };
    const first = await open(patient);
    await first.committed(OWN, 0);
    append(first, "undone");
    const handle = (await preCommit(first, 1)) as {
      transactionalId: string;
      producerId: string;
      producerEpoch: number;
    };
    const id = handle.transactionalId;
    const producer = { id: BigInt(handle.producerId), epoch: handle.producerEpoch };
    const [host = "", port] = (kafka.brokers[0] ?? "").split(":");
    const settings = { clientId: "dying", silenceMs: 30_000, connectMs: 10_000, signal: new AbortController().signal };
    const connection = await openConnection(host, Number(port), settings);
    expect(await addOffsets(connection, { id, producer }, id)).toBe(0);
    const marker = { group: id, topic, partition: 0, offset: 1, metadata: JSON.stringify({ attempt: 1, n: 1 }) };
    expect(await commitOffsetIn(connection, { id, producer }, marker)).toBe(0);
    connection.close();
    const second = await open({ ...patient, attempt: 2 });
    expect(await second.committed(OWN, undefined)).toBe(0);
    const heir = await open({ ...patient, epoch: 2 });
    expect(await heir.committed(OWN, undefined)).toBe(0);
    expect(await values()).toEqual([]);
    for (const writer of [first, second, heir]) await writer.close();
  });

  it("takes nothing of a writer that was replaced, in a transaction or at its end", async () => {
    const { open, values } = await line();
    const [early, late] = await Promise.all([open(), open()]);
    await early.committed(OWN, 0);
    append(early, "early");
    const handle = await preCommit(early, 1);
    await late.committed(OWN, 0);
    await expect(early.commit(1, handle)).rejects.toMatchObject({ code: "TRANSACTION_LOST" });
    append(late, "late");
    await checkpoint(late, 1);
    const third = await open();
    await third.committed(OWN, undefined);
    append(late, "too late");
    await expect(late.flush()).rejects.toMatchObject({ code: "TRANSACTION_LOST" });
    await shown(values, ["late"]);
    for (const writer of [early, late, third]) await writer.close();
  });

  it("turns away who was replaced before it began, without disturbing its successor", async () => {
    const { open, values } = await line();
    const current = await open({ attempt: 2 });
    await current.committed(OWN, 0);
    append(current, "a");
    const zombie = await open({ attempt: 1 });
    await expect(zombie.committed(OWN, 0)).rejects.toMatchObject({ code: "WORKER_REFUSED" });
    await checkpoint(current, 1);
    await shown(values, ["a"]);
    for (const writer of [current, zombie]) await writer.close();
  });

  it("fences every slot of the epoch before, from all slots of the next at once", async () => {
    const { open, values } = await line();
    const old = await Promise.all([0, 1, 2, 3].map((slot) => open({ slot })));
    await Promise.all(old.map((writer, slot) => writer.committed({ epoch: 1, slot }, 0)));
    for (const [slot, writer] of old.entries()) {
      append(writer, `old-${slot}`);
      if (slot > 0) await checkpoint(writer, slot);
    }
    const next = await Promise.all([0, 1].map((slot) => open({ slot, epoch: 2 })));
    const seen = next.map(async (writer, slot) => {
      await writer.committed({ epoch: 2, slot }, 0);
      const all = [];
      for (const before of [0, 1, 2, 3]) all.push(await writer.committed({ epoch: 1, slot: before }, 0));
      return all;
    });
    expect(await Promise.all(seen)).toEqual([
      [0, 1, 2, 3],
      [0, 1, 2, 3],
    ]);
    for (const writer of old) append(writer, "zombie");
    for (const writer of old) {
      await expect(writer.flush()).rejects.toMatchObject({ code: "TRANSACTION_LOST" });
    }
    const again = await open({ slot: 2 });
    await expect(again.committed({ epoch: 1, slot: 2 }, 2)).rejects.toMatchObject({ code: "WORKER_REFUSED" });
    await shown(values, ["old-1", "old-2", "old-3"]);
    for (const writer of [...old, ...next, again]) await writer.close();
  });

  it("takes the checkpoint's own mark where the brokers have forgotten theirs", async () => {
    const { open } = await line();
    const writer = await open();
    expect(await writer.committed(OWN, 7)).toBe(7);
    const second = await open();
    expect(await second.committed(OWN, undefined)).toBe(7);
    expect(await second.committed({ epoch: 0, slot: 1 }, undefined)).toBeUndefined();
    for (const each of [writer, second]) await each.close();
  });

  it("commits the sinks of a slot together, and keeps one marker for them", async () => {
    const { open, topic, values } = await line();
    const other = `${topic}.other`;
    await kafka.createTopic(other, 2);
    const others = async (): Promise<string[]> => (await kafka.consumeAll(other)).map((r) => r.value).toSorted();
    const both = async (attempt: number): Promise<Transactional[]> => {
      const common = new Map<string, unknown>();
      return [await open({ attempt, common }), await open({ attempt, common }, other)];
    };
    const [a, b] = (await both(1)) as [Transactional, Transactional];
    expect(a.decidesWith).toBe(b.decidesWith);
    await a.committed(OWN, 0);
    append(a, "a1");
    append(b, "b1", "b2");
    const handles = await Promise.all([preCommit(a, 1), preCommit(b, 1)]);
    append(b, "of the next");
    await a.commit(1, handles[0]);
    await shown(values, ["a1"]);
    await shown(others, ["b1", "b2"]);
    append(a, "of the next");
    await b.commit(1, handles[1]);
    await Promise.all([preCommit(a, 2), preCommit(b, 2)]);
    const [c, d] = (await both(2)) as [Transactional, Transactional];
    expect(await d.committed(OWN, undefined)).toBe(1);
    append(c, "a3");
    await Promise.all([preCommit(c, 2), preCommit(d, 2)]);
    await d.commit(2, {});
    await c.commit(2, {});
    await shown(values, ["a1", "a3"]);
    await shown(others, ["b1", "b2"]);
    for (const writer of [a, b, c, d]) await writer.close();
  });

  it("refuses checkpoints that take longer than the brokers let a transaction be open", async () => {
    const { open } = await line();
    const writer = await open({ commitWithinMs: 3_600_000 });
    await expect(writer.committed(OWN, 0)).rejects.toMatchObject({
      code: "SINK_REFUSED",
      message: expect.stringContaining("transaction.max.timeout.ms") as string,
    });
    await writer.close();
  });

  it("goes on through a broker that is killed in the middle of a transaction", async () => {
    const { open, values } = await line();
    const writer = await open();
    await writer.committed(OWN, 0);
    append(writer, "a");
    await preCommit(writer, 1);
    await kafka.kill();
    const committing = writer.commit(1, {});
    append(writer, "b");
    await kafka.restart();
    await committing;
    await checkpoint(writer, 2);
    await shown(values, ["a", "b"]);
    await writer.close();
  });
});
