import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import type { KubeObject } from "../../src/kube/resource.ts";
import { events, secrets } from "../../src/kube/resource.ts";
import { remove, rests, runs, scaleTo, stop } from "../builders/crash-scenarios.ts";
import type { Act } from "../builders/crash-story.ts";
import { createExchanged, failing, topicsBetween } from "../builders/exchanged-story.ts";
import { JOB } from "../builders/job-facts.ts";
import { startEmbeddedGround } from "../servers/embedded-ground.ts";
import { startKafka, type KafkaServer } from "../servers/kafka.ts";
import type { Ground } from "../servers/weir-ground.ts";

let kafka: KafkaServer;
let ground: Ground;
let end: () => Promise<void>;
beforeAll(async () => {
  const [embedded, started] = await Promise.all([startEmbeddedGround(), startKafka()]);
  kafka = started;
  ({ ground, stop: end } = embedded);
});
afterAll(async () => {
  await end?.();
  await kafka?.close();
});

interface Event extends KubeObject {
  readonly reason?: string;
  readonly note?: string;
}

async function play(namespace: string, acts: readonly Act[]): Promise<void> {
  for (const act of acts) {
    await act.do(ground, namespace);
    const job = (): JobObject | undefined => ground.jobs.get(`${namespace}/${JOB}`);
    await ground.until("there", () => act.arrived(job()), job);
  }
}

/** What is told of the topics between workers. */
async function told(namespace: string): Promise<Event[]> {
  const { items } = await ground.client.list<Event>(events, { namespace });
  return items.filter(({ reason }) => reason?.startsWith("Topics"));
}

const pair = (over: object = {}): Act => createExchanged({ kafka }, over);
const bounded = (): Act => ({
  ...createExchanged({ kafka, count: 400 }),
  arrived: (job) => rests(job, "STOPPED") && job?.status?.operation === undefined,
});
const scaling: Act = {
  do: scaleTo(3).do,
  arrived: (job) => job?.status?.state === "SCALING" || job?.status?.parallelism?.effective === 3,
};

/** Kubernetes ends the workers at once. */
const removeInForeground: Act = {
  do: ({ client }, namespace) =>
    client.delete(streamingJobs, { namespace, name: JOB }, { propagationPolicy: "Foreground" }),
  arrived: remove.arrived,
};

/** With how many topics it may be, before it is deleted. */
const BEFORE: readonly [string, string, () => readonly Act[], readonly number[]][] = [
  ["runs", "runs", () => [pair()], [1]],
  ["has failed", "failed", () => [pair({ restart: { strategy: "Never" } }), failing], [1]],
  ["has come to its end", "bounded", () => [bounded()], [1]],
  ["was stopped by Cancel", "cancelled", () => [pair({ stop: { mode: "Cancel" } }), stop], [1]],
  // Its worker deletes them at the stop, where Kafka answers in time.
  ["was stopped with a savepoint", "stopped", () => [pair(), stop], [0, 1]],
  ["scales", "scaling", () => [pair(), scaling], [1]],
  ["its pods go first, as with --cascade=foreground", "foreground", () => [pair()], [1]],
];

describe("a job with topics between its workers", () => {
  it.concurrent.for(BEFORE)(
    "leaves none of them on the broker when it is deleted and %s",
    async (story, { expect }) => {
      const [, namespace, before, left] = story;
      const happened = await ground.open(namespace);
      const operator = await ground.operator(namespace);
      await play(namespace, before());
      const count = async (): Promise<number> => (await topicsBetween(kafka, namespace)).length;
      await expect.poll(count, { timeout: 60_000 }).toSatisfy((topics: number) => left.includes(topics));
      await play(namespace, [namespace === "foreground" ? removeInForeground : remove]);
      await expect.poll(() => topicsBetween(kafka, namespace), { timeout: 60_000 }).toEqual([]);
      await expect.poll(() => told(namespace), { timeout: 60_000 }).toMatchObject([{ reason: "TopicsDeleted" }]);
      const nothing = (): boolean =>
        [...ground.pods.list(), ...ground.plans.list()].every((o) => o.metadata.namespace !== namespace);
      await ground.until("collected", nothing, () => happened);
      await operator.stop();
    },
  );

  it.concurrent("keeps them while it is only stopped by Cancel, and goes on with them", async ({ expect }) => {
    const namespace = "kept";
    await ground.open(namespace);
    const operator = await ground.operator(namespace);
    await play(namespace, [pair({ stop: { mode: "Cancel" } }), stop]);
    const topics = await topicsBetween(kafka, namespace);
    expect(topics).toHaveLength(1);
    const annotations = { "weir.dev/start": "1" };
    const again = ground.client.patch(streamingJobs, { namespace, name: JOB }, { metadata: { annotations } });
    await play(namespace, [{ do: () => again, arrived: runs }]);
    expect(await topicsBetween(kafka, namespace)).toEqual(topics);
    await operator.stop();
    await ground.clear(namespace);
  });
});

it("is gone at once where a Secret of its workers is gone, too, and says so", async () => {
  const namespace = "bereft";
  await ground.open(namespace);
  const operator = await ground.operator(namespace);
  const secret = { namespace, name: "of-workers" };
  await ground.client.create<KubeObject>(secrets, { apiVersion: "v1", kind: "Secret", metadata: secret });
  const volumes = [{ name: "extra", secret: { secretName: secret.name } }];
  const worker = { volumes, volumeMounts: [{ name: "extra", mountPath: "/extra" }] };
  await play(namespace, [pair({ restart: { strategy: "Never" }, worker }), failing]);
  await ground.client.delete(secrets, secret);
  await play(namespace, [remove]);
  await expect.poll(() => told(namespace), { timeout: 60_000 }).toMatchObject([{ reason: "TopicsRemain" }]);
  expect((await told(namespace))[0]?.note).toMatch(/of-workers.*not found/);
  await operator.stop();
});

it("is gone all the same where Kafka is out of reach, and says how to delete its topics", async () => {
  const namespace = "unreached";
  await ground.open(namespace);
  const operator = await ground.operator(namespace);
  await play(namespace, [pair({ restart: { strategy: "Never" }, deletion: { timeout: "1s" } }), failing]);
  const [topic = ""] = await topicsBetween(kafka, namespace);
  await kafka.stop();
  await play(namespace, [remove]);
  await expect.poll(() => told(namespace), { timeout: 60_000 }).toMatchObject([{ reason: "TopicsRemain" }]);
  const [{ note = "" } = {}] = await told(namespace);
  console.log(note);
  const pattern = / --bootstrap-server (\S+) --delete --topic '(.+)':/.exec(note);
  expect(pattern?.[1]).toBe(kafka.brokers[0]);
  expect(topic).toMatch(new RegExp(`^${pattern?.[2] ?? ""}$`));
  await operator.stop();
});
