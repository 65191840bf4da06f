import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Plan } from "../../src/engine/plan.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import { someOf } from "../builders/some-of.ts";
import { podRoot, startDocumentOf, startWorkerProcess, type WorkerProcess } from "../builders/worker-process.ts";
import { javaProduce, javaSequences } from "../servers/kafka-java.ts";
import { startKafka, type KafkaServer } from "../servers/kafka.ts";

const LONG = process.env["WEIR_LONG"] === "1";
const KEYS = 60;
const WINDOW_MS = 500;
/** Of the source: no power of the number of keys, so that every partition has records of every key. */
const PARTITIONS = 7;
const chaos = LONG
  ? { records: 600_000, kills: 60, longestMs: 6_000, perSecond: 2_500 }
  : { records: 15_000, kills: 4, longestMs: 2_000, perSecond: 1_500 };

let kafka: KafkaServer;
let root: Awaited<ReturnType<typeof podRoot>>;
const alive = new Set<WorkerProcess>();

beforeAll(async () => {
  kafka = await startKafka();
});
afterAll(() => kafka.close());
beforeEach(async () => {
  root = await podRoot();
});
afterEach(async () => {
  for (const worker of alive) worker.kill("SIGKILL");
  await Promise.all([...alive].map((w) => w.exited));
  await root.remove();
});

interface Topics {
  readonly from: string;
  readonly counts: string;
  readonly windows: string;
}

/** Records of each key are spread over all partitions, so that all workers read some of them. */
async function topicsOf(name: string, records = chaos.records): Promise<Topics> {
  const topics = { from: `${name}.in`, counts: `${name}.counts`, windows: `${name}.windows` };
  await kafka.createTopic(topics.from, PARTITIONS);
  await kafka.createTopic(topics.counts, 4);
  await kafka.createTopic(topics.windows, 3);
  const lines = Array.from({ length: records }, (_, i) => {
    const at = 1_700_000_000_000 + i;
    return { key: `p${i % 211}`, value: JSON.stringify({ key: `k${i % KEYS}`, at }), timestamp: at };
  });
  await javaProduce(kafka.brokers[0] ?? "", topics.from, ["lz4"], lines);
  return topics;
}

/** Each key counted one by one, and by windows of its records' time, into two topics. */
function jobOf(topics: Topics, perSecond: number): Plan {
  const slowly = perSecond === 0 ? { peek: { every: 1_000_000 } } : { rateLimit: { perSecond, burst: perSecond / 10 } };
  const to = (topic: string) => ({ connection: "main", kafka: { topic, key: "event.key" } });
  return planPipeline(
    {
      connections: [{ name: "main", kafka: { brokers: [...kafka.brokers] } }],
      nodes: [
        {
          name: "events",
          source: { connection: "main", kafka: { topics: [topics.from] } },
          schema: { key: "string", at: "timestamp_ms" },
          eventTime: { field: "event.at", maxOutOfOrderness: "0s" },
        },
        { name: "slowly", from: ["events"], ...slowly },
        { name: "counted", from: ["slowly"], keyBy: "event.key", aggregate: { n: "count()" } },
        {
          name: "windows",
          from: ["slowly"],
          keyBy: "event.key",
          window: { tumbling: { size: `${WINDOW_MS}ms` } },
          aggregate: { n: "count()" },
        },
        { name: "counts-out", from: ["counted"], sink: to(topics.counts) },
        { name: "windows-out", from: ["windows"], sink: to(topics.windows) },
      ],
    },
    { parameters: {}, maxParallelism: 8, delivery: "ExactlyOnce" },
  );
}

/** Of the records alone: how many of each key are in each window. */
function expectedWindows(): Map<string, number> {
  const found = new Map<string, number>();
  for (let i = 0; i < chaos.records; i++) {
    const at = 1_700_000_000_000 + i;
    const id = `k${i % KEYS} ${at - (at % WINDOW_MS)}`;
    found.set(id, (found.get(id) ?? 0) + 1);
  }
  return found;
}

async function windowsOf({ windows }: Topics): Promise<{ found: Map<string, number>; rows: number }> {
  const records = await kafka.consumeAll(windows);
  const rows = records.map((r) => JSON.parse(r.value) as { key: string; n: number; windowStart: number });
  return { found: new Map(rows.map((r) => [`${r.key} ${r.windowStart}`, r.n])), rows: rows.length };
}

interface Who {
  readonly lineage: string;
  readonly slots: number;
  readonly slot: number;
  readonly attempt: number;
}

async function launch(plan: Plan, { lineage, slots, slot, attempt }: Who): Promise<WorkerProcess> {
  const start = startDocumentOf({ job: lineage, lineage, slots, exchange: { generation: 1 } });
  const worker = await startWorkerProcess({ root: root.path, plan, start, slot, attempt });
  alive.add(worker);
  void worker.exited.then(() => alive.delete(worker));
  return worker;
}

async function killed(worker: WorkerProcess): Promise<void> {
  worker.kill("SIGKILL");
  await worker.exited;
}

/** All workers read what is left, close their windows, commit, and end. */
async function toTheEnd(plan: Plan, who: readonly Who[]): Promise<void> {
  const workers = await Promise.all(who.map((each) => launch(plan, each)));
  await Promise.all(workers.map((w) => w.event((e) => e.type === "metrics" && e.metrics.lag === 0)));
  await Promise.all(workers.map((w) => w.call("POST", "/v1/stop", { mode: "Checkpoint", drain: true })));
  for (const worker of workers) {
    const { code } = await worker.exited;
    expect(code, worker.log.join("\n")).toBe(0);
  }
}

describe("a job whose keys go to their workers through Kafka, with ExactlyOnce", () => {
  it.each(LONG ? [2, 3] : [3])(
    "loses nothing and repeats nothing while its %i workers are killed at random",
    async (slots) => {
      const lineage = `killed-${slots}`;
      const topics = await topicsOf(lineage);
      const attempts = Array.from({ length: slots }, () => 0);
      const who = (slot: number): Who => ({ lineage, slots, slot, attempt: attempts[slot] ?? 0 });
      const all = attempts.map((_, slot) => slot);
      const slow = jobOf(topics, chaos.perSecond);
      const workers = await Promise.all(all.map((slot) => launch(slow, who(slot))));
      let kills = 0;
      for (let round = 0; kills < chaos.kills; round++) {
        await delay(Math.random() < 0.2 ? Math.random() * 300 : Math.random() * chaos.longestMs);
        // On a busy machine a worker may need longer to start than it is left alone: now and then all get to a commit.
        const committed = (w: WorkerProcess) => w.event((e) => e.type === "checkpoint" && e.checkpoint.ok);
        if (round % 3 === 2) await Promise.all(workers.map(committed));
        const chosen = someOf(all);
        await Promise.all(
          chosen.map(async (slot) => {
            await killed(workers[slot] as WorkerProcess);
            // A container that is started again, or another pod.
            attempts[slot] = who(slot).attempt + Math.round(Math.random());
            workers[slot] = await launch(slow, who(slot));
          }),
        );
        kills += chosen.length;
      }
      await Promise.all(workers.map(killed));
      await toTheEnd(jobOf(topics, 0), all.map(who));
      const counts = await javaSequences(kafka.brokers[0] ?? "", topics.counts);
      const { found, rows } = await windowsOf(topics);
      console.log(
        `${slots} workers, ${kills} kills, ${chaos.records} records through 2 exchanges: lost ${counts.lost}, ` +
          `duplicated ${counts.duplicated}, out of order per key ${counts.outOfOrder}; ${rows} windows`,
      );
      expect(counts).toEqual({ records: chaos.records, keys: KEYS, lost: 0, duplicated: 0, outOfOrder: 0 });
      expect(found).toEqual(expectedWindows());
      expect(rows).toBe(found.size);
    },
  );

  it("takes its topics with it when it is deleted", async () => {
    const topics = await topicsOf("deleted", 1_000);
    const plan = jobOf(topics, 0);
    const who = [0, 1].map((slot): Who => ({ lineage: "deleted", slots: 2, slot, attempt: 0 }));
    const workers = await Promise.all(who.map((each) => launch(plan, each)));
    await Promise.all(workers.map((w) => w.event((e) => e.type === "checkpoint" && e.checkpoint.ok)));
    const between = async (): Promise<string[]> =>
      (await kafka.topics()).filter((topic) => topic.startsWith("weir.default.deleted."));
    expect(await between()).toEqual(["weir.default.deleted.counted.g1", "weir.default.deleted.windows.g1"]);
    await Promise.all(workers.map((w) => w.call("POST", "/v1/stop", { mode: "Cancel", discard: true })));
    for (const worker of workers) expect((await worker.exited).code, worker.log.join("\n")).toBe(0);
    await expect.poll(between, { timeout: 60_000 }).toEqual([]);
  });
});
