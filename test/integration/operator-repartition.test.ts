import { afterAll, beforeAll, expect, it } from "vitest";
import { startKafka, type KafkaServer } from "../servers/kafka.ts";
import { actorOn, startEmbeddedStory, type StoryCluster } from "../servers/story-cluster.ts";

const JOB = "per-host";
const START = Date.parse("2026-03-01T00:00:00Z");
const PARTITIONS = 4;
const HOSTS = 30;
const SHARE = 6_000;
/** An event is a millisecond after the one before; windows are of two seconds. */
const WINDOW_MS = 2_000;

let kafka: KafkaServer;
let cluster: StoryCluster;
beforeAll(async () => {
  [kafka, cluster] = await Promise.all([startKafka(), startEmbeddedStory()]);
});
afterAll(async () => {
  await cluster?.stop();
  await kafka?.close();
});

const spec = (broker: string): object => ({
  apiVersion: "weir.dev/v1alpha1",
  kind: "StreamingJob",
  metadata: { name: JOB },
  spec: {
    parallelism: 1,
    maxParallelism: 16,
    checkpoint: { interval: "1s", delivery: "ExactlyOnce", storage: { uri: "file:///var/lib/weir/state" } },
    pipeline: {
      connections: [{ name: "main", kafka: { brokers: [broker] } }],
      nodes: [
        {
          name: "events",
          source: { connection: "main", kafka: { topics: ["events"] } },
          eventTime: { field: "event.ts", maxOutOfOrderness: "1s" },
        },
        {
          name: "windows",
          from: ["events"],
          keyBy: "event.host",
          window: { tumbling: { size: `${WINDOW_MS}ms` } },
          aggregate: { n: "count()", sum: "sum(event.i)" },
        },
        { name: "rows", from: ["windows"], sink: { connection: "main", kafka: { topic: "rows", key: "event.host" } } },
      ],
    },
  },
});

const eventOf = (i: number) => ({ ts: START + i, host: `host-${(i * 7) % HOSTS}`, i });

function expectedRows(count: number): string[] {
  const windows = new Map<string, { host: string; windowStart: number; n: number; sum: number }>();
  for (let i = 0; i < count; i++) {
    const { ts, host } = eventOf(i);
    const windowStart = Math.floor(ts / WINDOW_MS) * WINDOW_MS;
    const id = `${host}/${windowStart}`;
    const row = windows.get(id) ?? { host, windowStart, n: 0, sum: 0 };
    windows.set(id, { ...row, n: row.n + 1, sum: row.sum + i });
  }
  return [...windows.values()].map(({ host, windowStart, n, sum }) => `${host} ${windowStart} ${n} ${sum}`).toSorted();
}

/** The next share of the events: they come in the order of their time, each in any partition. */
async function produce(share: number): Promise<void> {
  const records = Array.from({ length: SHARE }, (_, at) => eventOf(share * SHARE + at));
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const own = records.filter(({ i }) => i % PARTITIONS === partition);
    const sent = own.map((event) => ({ key: "none", value: JSON.stringify(event), timestamp: event.ts }));
    await kafka.produce({ topic: "events", partition }, sent);
  }
}

async function rows(): Promise<string[]> {
  const found = await kafka.consumeAll("rows");
  return found
    .map(({ value }) => JSON.parse(value) as { host: string; windowStart: number; n: number; sum: number })
    .filter(({ host }) => host !== "end")
    .map(({ host, windowStart, n, sum }) => `${host} ${windowStart} ${n} ${sum}`)
    .toSorted();
}

it("scales a job whose keys are not its topic's from one worker to three and back, with the windows of one", async () => {
  await kafka.createTopic("events", PARTITIONS);
  await kafka.createTopic("rows", 3);
  const { act, wait, workers } = actorOn(cluster, JOB);
  await cluster.kubectl(["apply", "-f", "-"], JSON.stringify(spec(kafka.brokers[0] ?? "")));
  await act("started", wait("condition=Ready"));
  await produce(0);
  await act("scaled up", ["scale", `sj/${JOB}`, "--replicas=3"], ...workers(3));
  await produce(1);
  await act("scaled up again", ["scale", `sj/${JOB}`, "--replicas=4"], ...workers(4));
  await produce(2);
  await act("scaled down", ["scale", `sj/${JOB}`, "--replicas=1"], ...workers(1));
  await produce(3);
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const end = { ts: START + 3_600_000, host: "end", i: 0 };
    await kafka.produce({ topic: "events", partition }, [
      { key: "none", value: JSON.stringify(end), timestamp: end.ts },
    ]);
  }
  const expected = expectedRows(4 * SHARE);
  await expect.poll(async () => (await rows()).length, { timeout: 180_000, interval: 500 }).toBe(expected.length);
  expect(await rows()).toEqual(expected);
  console.log(`repartitioned 1 → 3 → 4 → 1 by kubectl scale: ${expected.length} windows equal to the computed ones`);
  await cluster.kubectl(["delete", "sj", JOB, "--timeout=120s"]);
  // Those of all its sizes, although a single worker has run last.
  const between = async (): Promise<string[]> => (await kafka.topics()).filter((topic) => topic.startsWith("weir."));
  await expect.poll(between, { timeout: 60_000 }).toEqual([]);
});
