import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Admin } from "@platformatic/kafka";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { RestorePoint } from "../../src/api/worker-protocol.ts";
import { completeSavepoint } from "../../src/engine/checkpoint/savepoint.ts";
import { openStorage } from "../../src/engine/checkpoint/storage.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import type { RunningSlot } from "../../src/engine/runtime/slot.ts";
import { countedTopic, countingJob, type CountedTopic } from "../builders/counted-topic.ts";
import { crashing, CRASH_POINTS, type CrashPoint } from "../builders/crashing-sink.ts";
import { runSlot } from "../builders/running-slot.ts";
import { javaSequences } from "../servers/kafka-java.ts";
import { startKafka, type KafkaServer } from "../servers/kafka.ts";

const ROUNDS = process.env["WEIR_LONG"] === "1" ? 10 : 1;
const RECORDS = 30_000;
const KEYS = 60;

let kafka: KafkaServer;
let folder = "";
beforeAll(async () => {
  kafka = await startKafka();
});
/** Over all tests of the file, and what an independent consumer found at the end of each. */
const figures = { deaths: 0, topics: 0, records: 0, lost: 0, duplicated: 0, outOfOrder: 0 };
afterAll(async () => {
  const { deaths, topics, records, lost, duplicated, outOfOrder } = figures;
  console.log(
    `kafka: ${deaths} deaths around a commit, ${records} records in ${topics} topics: ${lost} lost, ${duplicated} twice, ${outOfOrder} out of order`,
  );
  await kafka?.close();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-crash-"));
});
afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

interface Epoch {
  readonly epoch: number;
  readonly slots: number;
  readonly restore: RestorePoint;
}

type Started = RunningSlot & { crash(): void };

interface Way {
  readonly point?: CrashPoint;
  readonly perSecond?: number;
}

/** All slots of an epoch, and why one did not start. */
async function launch(
  topic: CountedTopic,
  { epoch, slots, restore }: Epoch,
  { point, perSecond = 3_000 }: Way,
): Promise<PromiseSettledResult<Started>[]> {
  const started = Array.from({ length: slots }, async (_, slot) => {
    const { connectors, crash } = crashing(slot === 0 ? point : undefined);
    const running = await runSlot({
      plan: countingJob(kafka, topic, perSecond),
      connectors,
      build: compile,
      uri: `file://${folder}/state`,
      slot,
      slots,
      epoch,
      restore,
      checkpoint: { intervalMs: 50 },
      start: { lineage: topic.to, job: topic.to, exchange: { generation: 1 } },
    });
    return { ...running, crash };
  });
  return await Promise.allSettled(started);
}

/** Those of the slots that did not die at their start. */
async function start(topic: CountedTopic, epoch: Epoch, way: Way = {}): Promise<Started[]> {
  const settled = await launch(topic, epoch, way);
  return settled.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
}

/** Slot 0 dies at the point; then all the others, wherever they are. */
async function die(topic: CountedTopic, epoch: Epoch, point: CrashPoint): Promise<void> {
  const running = await start(topic, epoch, { point });
  if (running.length === epoch.slots) await expect(running[0]?.done).rejects.toThrow();
  for (const slot of running) slot.crash();
  await Promise.all(running.map((slot) => slot.stop("Cancel", false)));
  figures.deaths++;
}

async function toTheEnd(topic: CountedTopic, epoch: Epoch): Promise<void> {
  const running = await start(topic, epoch, { perSecond: 0 });
  const left = (): number => running.reduce((sum, slot) => sum + (slot.measure().lag ?? Infinity), 0);
  await expect.poll(left, { timeout: 120_000 }).toBe(0);
  // What is between workers is read when it is committed: only a drain waits for it.
  await Promise.all(running.map((slot) => slot.stop("Checkpoint", topic.repartitioned === true)));
  for (const to of [topic.to, ...(topic.also === undefined ? [] : [topic.also])]) {
    const seen = await javaSequences(kafka.brokers[0] ?? "", to, to === topic.also ? "n" : undefined);
    figures.topics++;
    for (const of of ["records", "lost", "duplicated", "outOfOrder"] as const) figures[of] += seen[of];
    expect(seen, to).toEqual({ records: RECORDS, keys: KEYS, lost: 0, duplicated: 0, outOfOrder: 0 });
  }
}

describe("a job with an exactly-once Kafka sink", () => {
  it("loses and repeats nothing wherever around a commit it dies", async () => {
    const topic = await countedTopic(kafka, { name: "crashed", records: RECORDS, keys: KEYS });
    const epoch: Epoch = { epoch: 1, slots: 1, restore: { kind: "none" } };
    for (let round = 0; round < ROUNDS; round++) {
      for (const point of CRASH_POINTS) await die(topic, epoch, point);
    }
    await toTheEnd(topic, epoch);
  });

  it("loses and repeats nothing when it is rescaled from the checkpoints of a job that died", async () => {
    const topic = await countedTopic(kafka, { name: "rescaled", records: RECORDS, keys: KEYS });
    let restore: RestorePoint = { kind: "none" };
    let number = 1;
    for (const [slots, point] of [
      [2, "after manifest"],
      [4, "in recovery"],
      [2, "after pre-commit"],
      [4, "after commit"],
    ] as const) {
      const epoch = { epoch: number, slots, restore };
      await die(topic, epoch, point);
      await die(topic, epoch, "after manifest");
      restore = { kind: "checkpoint", epoch: number, slots };
      number++;
    }
    await toTheEnd(topic, { epoch: number, slots: 3, restore });
  });

  it("loses and repeats nothing in either of two sinks, also where it dies between them, and rescaled", async () => {
    const topic = await countedTopic(kafka, { name: "both", records: RECORDS, keys: KEYS, twoSinks: true });
    const first: Epoch = { epoch: 1, slots: 1, restore: { kind: "none" } };
    for (let round = 0; round < ROUNDS; round++) {
      for (const point of CRASH_POINTS) await die(topic, first, point);
    }
    const second: Epoch = { epoch: 2, slots: 2, restore: { kind: "checkpoint", epoch: 1, slots: 1 } };
    await die(topic, second, "after commit");
    await toTheEnd(topic, { epoch: 3, slots: 3, restore: { kind: "checkpoint", epoch: 2, slots: 2 } });
  });

  it("loses and repeats nothing where keys go through Kafka to two workers, wherever the first of them dies", async () => {
    const topic = await countedTopic(kafka, { name: "crossed", records: RECORDS, keys: KEYS, twoSinks: true });
    const repartitioned = { ...topic, repartitioned: true };
    const epoch: Epoch = { epoch: 1, slots: 2, restore: { kind: "none" } };
    for (let round = 0; round < ROUNDS; round++) {
      for (const point of CRASH_POINTS) await die(repartitioned, epoch, point);
    }
    const next: Epoch = { epoch: 2, slots: 3, restore: { kind: "checkpoint", epoch: 1, slots: 2 } };
    await die(repartitioned, next, "after commit");
    await toTheEnd(repartitioned, next);
  });

  it("goes on with two sinks from the checkpoints of a job that had one", async () => {
    const topic = await countedTopic(kafka, { name: "joined", records: RECORDS, keys: KEYS, twoSinks: true });
    const { also: _, ...one } = topic;
    await die(one, { epoch: 1, slots: 2, restore: { kind: "none" } }, "after manifest");
    await die(one, { epoch: 1, slots: 2, restore: { kind: "none" } }, "after commit");
    const next: Epoch = { epoch: 2, slots: 2, restore: { kind: "checkpoint", epoch: 1, slots: 2 } };
    await die(topic, next, "after commit");
    await toTheEnd(one, { epoch: 3, slots: 2, restore: { kind: "checkpoint", epoch: 2, slots: 2 } });
  });

  it("does not start where Kafka has forgotten what was committed, names the transaction, and starts when told to", async () => {
    const topic = await countedTopic(kafka, { name: "forgotten", records: RECORDS, keys: KEYS });
    const epoch: Epoch = { epoch: 1, slots: 1, restore: { kind: "none" } };
    await die(topic, epoch, "after manifest");
    const id = `weir.${topic.to}.1.0`;
    const admin = new Admin({ clientId: "weir-test", bootstrapBrokers: [...kafka.brokers] });
    await admin.deleteGroups({ groups: [id] });
    await admin.close();
    const next: Epoch = { epoch: 2, slots: 1, restore: { kind: "checkpoint", epoch: 1, slots: 1 } };
    for (const tried of [epoch, next]) {
      const [refused] = await launch(topic, tried, {});
      expect(refused).toMatchObject({
        status: "rejected",
        reason: {
          code: "DELIVERY_AT_RISK",
          message: expect.stringMatching(`sink out {"transactionalId":"${id}".*acceptReplay`) as string,
        },
      });
    }
    // Its transaction was never committed, and has been aborted by now: nothing comes twice.
    await toTheEnd(topic, { ...next, epoch: 3, restore: { ...next.restore, acceptReplay: true } as RestorePoint });
  });

  it("commits what a savepoint covers once, also when it dies right behind it", async () => {
    const topic = await countedTopic(kafka, { name: "saved", records: RECORDS, keys: KEYS });
    let restore: RestorePoint = { kind: "none" };
    for (const number of [1, 2, 3]) {
      const uri = `file://${folder}/savepoint-${number}`;
      const running = await start(topic, { epoch: number, slots: 2, restore });
      await expect.poll(() => Math.min(...running.map((slot) => slot.measure().totalIn))).toBeGreaterThan(0);
      const parts = await Promise.all(
        running.map((slot) => slot.savepoint({ id: "s", uri, pause: true, drain: false })),
      );
      await completeSavepoint(
        openStorage(uri, (path) => path),
        parts,
      );
      if (number !== 2) for (const slot of running) slot.crash();
      await Promise.all(running.map((slot) => slot.stop(number === 2 ? "Savepoint" : "Cancel", false)));
      restore = { kind: "savepoint", uri, allowNonRestoredState: false };
    }
    await toTheEnd(topic, { epoch: 4, slots: 2, restore });
  });
});
