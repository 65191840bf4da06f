import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Plan } from "../../src/engine/plan.ts";
import { countedTopic, countingJob } from "../builders/counted-topic.ts";
import { someOf } from "../builders/some-of.ts";
import { podWorkers } from "../builders/pod-workers.ts";
import { startDocumentOf, type WorkerProcess } from "../builders/worker-process.ts";
import { startKafka, type KafkaServer } from "../servers/kafka.ts";
import { javaSequences } from "../servers/kafka-java.ts";

const LONG = process.env["WEIR_LONG"] === "1";
const KEYS = 60;
const SLOTS = 2;
/** So many that some of them can be killed, and not all. */
const KILLED_SLOTS = 3;
const chaos = LONG
  ? { records: 1_000_200, kills: 100, atLeast: 950_000, longestMs: 6_000, perSecond: 1_700 }
  : { records: 60_000, kills: 12, atLeast: 1, longestMs: 2_000, perSecond: 1_000 };
const bounced = LONG ? { times: 20, records: 600_000 } : { times: 2, records: 40_000 };
/** How long a worker is out beyond its replacement. */
const FROZEN_MS = LONG ? 60_000 : 3_000;

let kafka: KafkaServer;

beforeAll(async () => {
  kafka = await startKafka();
});
afterAll(() => kafka.close());
const pod = podWorkers();

interface Who {
  readonly lineage: string;
  readonly slots?: number;
  readonly slot: number;
  readonly attempt: number;
}

const launch = (plan: Plan, { lineage, slots = SLOTS, ...at }: Who): Promise<WorkerProcess> =>
  pod.launch({ plan, start: startDocumentOf({ lineage, slots }), ...at });

async function killed(worker: WorkerProcess): Promise<void> {
  worker.kill("SIGKILL");
  await worker.exited;
}

/** Reads all that is left, commits it, and ends. */
async function toTheEnd(plan: Plan, who: Who): Promise<void> {
  const worker = await launch(plan, who);
  await worker.event((e) => e.type === "metrics" && e.metrics.lag === 0);
  await worker.call("POST", "/v1/stop", { mode: "Checkpoint" });
  const { code } = await worker.exited;
  expect(code, worker.log.join("\n")).toBe(0);
}

/** A worker whose container is started again whenever it ends. */
function kept(plan: Plan, who: Who) {
  let [isOver, restarts] = [false, 0];
  let current: WorkerProcess | undefined;
  const running = (async () => {
    while (!isOver) {
      current = await launch(plan, who);
      if (isOver) current.kill("SIGKILL");
      await current.exited;
      if (!isOver) restarts++;
    }
  })();
  return {
    end: async (): Promise<number> => {
      isOver = true;
      current?.kill("SIGKILL");
      await running;
      return restarts;
    },
  };
}

describe("a Kafka sink with ExactlyOnce", () => {
  it("loses nothing, repeats nothing and keeps the order of each key while workers are killed at random", async () => {
    const topic = await countedTopic(kafka, { name: "killed", records: chaos.records, keys: KEYS });
    const slow = countingJob(kafka, topic, chaos.perSecond);
    const attempts = Array.from({ length: KILLED_SLOTS }, () => 0);
    const at = (slot: number): Who => ({ lineage: "killed", slots: KILLED_SLOTS, slot, attempt: attempts[slot] ?? 0 });
    const slots = attempts.map((_, slot) => slot);
    const workers = await Promise.all(slots.map((slot) => launch(slow, at(slot))));
    const startedAt = performance.now();
    let kills = 0;
    const struck = attempts.map(() => 0);
    const written = async (): Promise<number> => (await kafka.endOffsets(topic.to)).reduce((sum, end) => sum + end, 0);
    const goesOn = async (): Promise<boolean> => kills < chaos.kills || (await written()) < chaos.atLeast;
    for (let round = 0; await goesOn(); round++) {
      // Bursts now and then: the next one meets workers that are still recovering.
      await delay(Math.random() < 0.2 ? Math.random() * 300 : Math.random() * chaos.longestMs);
      // On a busy machine a worker may need longer to start than it is left alone: now and then all get to a commit.
      const committed = (w: WorkerProcess) => w.event((e) => e.type === "checkpoint" && e.checkpoint.ok);
      if (round % 3 === 2) await Promise.all(workers.map(committed));
      const chosen = someOf(slots);
      struck[chosen.length - 1] = (struck[chosen.length - 1] ?? 0) + 1;
      await Promise.all(
        chosen.map(async (slot) => {
          await killed(workers[slot] as WorkerProcess);
          // A container that is started again, or another pod.
          attempts[slot] = at(slot).attempt + Math.round(Math.random());
          workers[slot] = await launch(slow, at(slot));
        }),
      );
      kills += chosen.length;
    }
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
    const during = await javaSequences(kafka.brokers[0] ?? "", topic.to);
    await Promise.all(workers.map(killed));
    await Promise.all(slots.map((slot) => toTheEnd(countingJob(kafka, topic, 0), at(slot))));
    const seen = await javaSequences(kafka.brokers[0] ?? "", topic.to);
    console.log(
      `${kills} kills in ${seconds} s (${struck.join(", ")} times one, two or all), ${during.records} of ${seen.records} records until the last: ` +
        `lost ${seen.lost}, duplicated ${seen.duplicated}, out of order per key ${seen.outOfOrder}`,
    );
    expect(during.records).toBeGreaterThan(0);
    expect(during).toMatchObject({ lost: 0, duplicated: 0, outOfOrder: 0 });
    expect(seen).toEqual({ records: chaos.records, keys: KEYS, lost: 0, duplicated: 0, outOfOrder: 0 });
  });

  it("takes nothing from a worker that wakes up after it was replaced", async () => {
    const topic = await countedTopic(kafka, { name: "frozen", records: 30_000, keys: KEYS });
    const slow = countingJob(kafka, topic, 1_500);
    const at = (slot: number, attempt: number) => ({ lineage: "frozen", slot, attempt });
    const [frozen, other] = await Promise.all([launch(slow, at(0, 0)), launch(slow, at(1, 0))]);
    await frozen.event((e) => e.type === "metrics" && e.metrics.totalOut > 0);
    frozen.kill("SIGSTOP");
    const replacement = await launch(slow, at(0, 1));
    await replacement.event((e) => e.type === "checkpoint" && e.checkpoint.ok);
    await delay(FROZEN_MS);
    frozen.kill("SIGCONT");
    const { code } = await frozen.exited;
    expect(code, frozen.log.join("\n")).toBe(1);
    expect(frozen.log.join("\n")).toMatch(/TRANSACTION_LOST|WORKER_REFUSED/);
    // Its container is started again, as a kubelet does that has not heard of the replacement.
    const again = await launch(slow, at(0, 0));
    expect((await again.exited).code).toBe(1);
    expect(again.log.join("\n")).toContain("WORKER_REFUSED");
    await Promise.all([replacement, other].map(killed));
    await Promise.all([0, 1].map((slot) => toTheEnd(countingJob(kafka, topic, 0), at(slot, 1))));
    const seen = await javaSequences(kafka.brokers[0] ?? "", topic.to);
    console.log(`${seen.duplicated} records accepted from a worker that was replaced`);
    expect(seen).toEqual({ records: 30_000, keys: KEYS, lost: 0, duplicated: 0, outOfOrder: 0 });
  });

  it("delivers everything once while its broker goes and comes back, in good order and by kill -9", async () => {
    const { times, records } = bounced;
    const topic = await countedTopic(kafka, { name: "bounced", records, keys: KEYS });
    const slots = Array.from({ length: SLOTS }, (_, slot) => ({ lineage: "bounced", slot, attempt: 0 }));
    const workers = slots.map((who) => kept(countingJob(kafka, topic, 1_000), who));
    const written = async (): Promise<number> => (await kafka.endOffsets(topic.to)).reduce((sum, end) => sum + end, 0);
    let before = 0;
    for (let bounce = 0; bounce < times; bounce++) {
      const enough = Math.min(before + 500, records);
      await expect.poll(written, { timeout: 180_000 }).toBeGreaterThanOrEqual(enough);
      await delay(Math.random() * 1_000);
      if (bounce % 2 === 0) await kafka.kill();
      else await kafka.stop();
      await delay(Math.random() * 3_000);
      await kafka.restart();
      before = await written();
    }
    const restarts = await Promise.all(workers.map((worker) => worker.end()));
    await Promise.all(slots.map((who) => toTheEnd(countingJob(kafka, topic, 0), who)));
    const seen = await javaSequences(kafka.brokers[0] ?? "", topic.to);
    console.log(
      `a broker that was killed ${Math.ceil(times / 2)} times and stopped ${Math.floor(times / 2)}, ` +
        `${restarts.reduce((a, b) => a + b)} restarts of workers: of ${seen.records} records ` +
        `lost ${seen.lost}, duplicated ${seen.duplicated}, out of order per key ${seen.outOfOrder}`,
    );
    expect(seen).toEqual({ records, keys: KEYS, lost: 0, duplicated: 0, outOfOrder: 0 });
  });
});
