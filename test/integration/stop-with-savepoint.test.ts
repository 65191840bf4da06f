/** Stops with a savepoint, with and without a drain, whose workers and operator die right after it: on a real Kafka, exactly once. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import { type Interceptor, isWrite } from "../../src/kube/call.ts";
import { fixedServer } from "../../src/kube/credentials.ts";
import { pods } from "../../src/kube/resource.ts";
import { startApiServer } from "../../src/local/api-server/start.ts";
import type { PodObject } from "../../src/local/kubelet/pod-feed.ts";
import type { RunningOperator } from "../../src/main/operator.ts";
import { createObject, crdObjects } from "../servers/crd-objects.ts";
import { type KafkaRecord, type KafkaServer, startKafka } from "../servers/kafka.ts";
import { startWeir, type WeirCluster } from "../servers/weir-cluster.ts";

const namespace = "default";
const TENANTS = 20;
const PARTITIONS = 4;
const EVENTS = 8_000;
const START = Date.parse("2026-03-01T00:00:00Z");

let kafka: KafkaServer;
let api: Awaited<ReturnType<typeof startApiServer>>;
let weir: WeirCluster;
let operator: RunningOperator;
/** What strikes once the savepoint is journalled and before anything is stopped. */
let strike: (() => Promise<void>) | undefined;

const afterSavepoint: Interceptor = async (request, next) => {
  const result = await next(request);
  const isStep = isWrite(request) && JSON.stringify(request.body ?? "").includes('"step":"Terminate"');
  if (isStep && strike !== undefined) {
    const happens = strike;
    strike = undefined;
    await happens();
  }
  return result;
};

beforeAll(async () => {
  [kafka, api] = await Promise.all([startKafka(), startApiServer()]);
  for (const crd of crdObjects()) await createObject(api, crd);
  weir = await startWeir(fixedServer(api.url), { interceptors: [afterSavepoint] });
  ({ operator } = weir);
});
afterAll(async () => {
  await weir?.stop();
  await api?.stop();
  await kafka?.close();
});

/** Two a second and tenant: the last windows of all tenants are whole, and open. */
function events(from: number): KafkaRecord[] {
  return Array.from({ length: EVENTS }, (_, i) => {
    const ts = START + (from + i) * 25;
    const tenant = `t-${i % TENANTS}`;
    return { key: tenant, value: JSON.stringify({ ts, tenant }), timestamp: ts };
  });
}

const counting = (name: string, drain: boolean): JobObject => ({
  apiVersion: "weir.dev/v1alpha1",
  kind: "StreamingJob",
  metadata: { name, namespace },
  spec: {
    parallelism: 2,
    maxParallelism: PARTITIONS,
    stop: { mode: "Savepoint", drain },
    checkpoint: { interval: "500ms", delivery: "ExactlyOnce", storage: { uri: "file:///var/lib/weir/state" } },
    pipeline: {
      connections: [{ name: "main", kafka: { brokers: [...kafka.brokers] } }],
      nodes: [
        {
          name: "events",
          source: { connection: "main", kafka: { topics: [`${name}.in`] } },
          schema: { ts: "timestamp_ms", tenant: "string" },
          partitionedBy: "event.tenant",
          eventTime: { field: "event.ts", maxOutOfOrderness: "1s" },
        },
        {
          name: "counts",
          from: ["events"],
          keyBy: "event.tenant",
          window: { tumbling: { size: "10s" } },
          aggregate: { n: "count()" },
        },
        { name: "out", from: ["counts"], sink: { connection: "main", kafka: { topic: `${name}.out` } } },
      ],
    },
  },
});

async function killWorkers(name: string): Promise<void> {
  const { items } = await weir.client.list<PodObject>(pods, { namespace, labelSelector: `weir.dev/job=${name}` });
  for (const { status } of items) {
    process.kill(Number(status?.containerStatuses?.[0]?.containerID?.replace("process://", "")), "SIGKILL");
  }
}

interface Written {
  readonly windows: number;
  readonly twice: number;
  /** Events in all windows, of which each has twenty. */
  readonly events: number;
}

async function written(topic: string): Promise<Written> {
  const found = await kafka.consumeAll(topic, { isolation: "committed" });
  const rows = found.map(({ value }) => JSON.parse(value ?? "") as { tenant: string; windowStart: number; n: number });
  const windows = new Set(rows.map(({ tenant, windowStart }) => `${tenant}/${windowStart}`));
  return { windows: windows.size, twice: rows.length - windows.size, events: rows.reduce((sum, { n }) => sum + n, 0) };
}

const annotate = (name: string, annotations: Record<string, string>) =>
  weir.client.patch(streamingJobs, { namespace, name }, { metadata: { annotations } });
const isReady = ({ status }: JobObject): boolean =>
  status?.state === "RUNNING" && status.conditions?.some((c) => c.type === "Ready" && c.status === "True") === true;

const failures = [
  { what: "nothing fails", fails: () => Promise.resolve() },
  { what: "all workers are killed", fails: (name: string) => killWorkers(name) },
  {
    what: "the operator dies and another comes",
    fails: async (): Promise<void> => {
      void operator.stop();
      operator = await weir.startOperator();
      throw new Error("this operator is dead");
    },
  },
];

describe.each([{ drain: false }, { drain: true }])("a stop with drain: $drain", ({ drain }) => {
  it.each(failures)(
    "has its savepoint's path and every window once when $what right after it",
    async ({ what, fails }) => {
      const name = `stop-${drain ? "drain" : "plain"}-${failures.findIndex((f) => f.what === what)}`;
      await kafka.createTopic(`${name}.in`, PARTITIONS);
      await kafka.createTopic(`${name}.out`, 2);
      await kafka.produce({ topic: `${name}.in` }, events(0));
      await weir.client.create(streamingJobs, counting(name, drain));
      await weir.until(name, "ready", isReady);
      const read = async (): Promise<number> =>
        [...(await kafka.committed(`weir.${namespace}.${name}.events`)).values()].reduce((sum, n) => sum + n, 0);
      await expect.poll(read, { timeout: 60_000 }).toBe(EVENTS);
      strike = () => fails(name);
      await annotate(name, { "weir.dev/stop": "1" });
      const stopped = await weir.until(name, "stopped", (j) => j.status?.state === "STOPPED" && !j.status.operation);
      expect(strike).toBeUndefined();
      expect(stopped.status?.savepoint?.uri).toMatch(/^file:\/\/\/var\/lib\/weir\/state\/.*savepoints\//);
      const atStop = await written(`${name}.out`);
      console.log(`E10 drain ${drain}, ${what}: ${JSON.stringify(atStop)} at the stop`);
      expect(atStop.twice).toBe(0);
      if (drain) expect(atStop.events).toBe(EVENTS);
      else expect(atStop.events).toBeLessThan(EVENTS);

      await kafka.produce({ topic: `${name}.in` }, events(EVENTS));
      await annotate(name, { "weir.dev/start": "1" });
      const started = await weir.until(name, "ready again", isReady);
      expect(started.status?.lineage?.restoredFrom).toEqual({ uri: stopped.status?.savepoint?.uri, verified: true });
      await expect.poll(read, { timeout: 60_000 }).toBe(2 * EVENTS);
      await annotate(name, { "weir.dev/stop": "2" });
      await weir.until(
        name,
        "stopped again",
        (j) => j.status?.state === "STOPPED" && j.status.epoch === 2 && !j.status.operation,
      );
      const after = await written(`${name}.out`);
      console.log(`E10 drain ${drain}, ${what}: ${JSON.stringify(after)} after a second start and stop`);
      expect(after).toMatchObject({ twice: 0, events: 20 * after.windows });
      expect(after.events).toBe(atStop.events + EVENTS);
    },
  );
});
