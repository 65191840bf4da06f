/** The quickstart on Kafka, on any cluster: every result once, as computed from the events, and what could not be read kept. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compatibilityPartitioner } from "@platformatic/kafka";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { random } from "./random.ts";
import { type TenantEvent, canonical, tenantWindows, windowId } from "./tenant-windows.ts";
import type { KafkaRecord, KafkaServer } from "../servers/kafka.ts";
import type { ConsumedRecord } from "../servers/kafka-reading.ts";
import { type StoryCluster, actorOn, maintenance } from "../servers/story-cluster.ts";

const samples = join(import.meta.dirname, "../../config/samples/kafka");
const JOB = "realtime-etl";
const START = Date.parse("2026-03-01T00:00:00Z");
const PARTITIONS = 6;
const BACKLOG = 200_000;
const MORE = 60_000;
/**
 * Bytes that the broker hands out a second until the job is scaled: it must lag on any machine. The broker counts over ten
 * seconds, so it lets ten times this pass at once, which must be much less than the backlog of 26 MB.
 */
const SLOW = 500_000;
/** Ten seconds of event time are 20,000 events. */
const MS_PER_EVENT = 0.5;

/** Events in the order of their time, up to 0.9 s early; now and then one that no filter can read. */
function events(from: number, count: number): { good: TenantEvent[]; broken: object[]; records: KafkaRecord[] } {
  const { below } = random(from + 1);
  const good: TenantEvent[] = [];
  const broken: object[] = [];
  const records: KafkaRecord[] = [];
  for (let i = from; i < from + count; i++) {
    const ts = START + 1000 + Math.floor(i * MS_PER_EVENT) - below(901);
    const tenant = `tenant-${below(40)}`;
    const event = { ts, tenant, payload: { lag: below(20_000), host: `host-${i % 10}` } };
    if (i % 10_000 === 7) broken.push(event);
    else good.push({ type: below(5) < 3 ? "metrics" : "heartbeat", ...event });
    records.push({ key: tenant, value: JSON.stringify(i % 10_000 === 7 ? event : good.at(-1)), timestamp: ts });
  }
  return { good, broken, records };
}

/** From windows that were written long ago. */
const late: TenantEvent[] = Array.from({ length: 12 }, (_, i) => ({
  type: "metrics",
  ts: START + 5_000,
  tenant: `tenant-${i}`,
  payload: { lag: 1 },
}));

const recordsOf = (list: readonly TenantEvent[]): KafkaRecord[] =>
  list.map((event) => ({ key: event.tenant, value: JSON.stringify(event), timestamp: event.ts }));

async function untilWritten(kafka: KafkaServer, topic: string, count: number): Promise<void> {
  const written = async (): Promise<number> => (await kafka.endOffsets(topic)).reduce((a, b) => a + b, 0);
  await expect.poll(written, { timeout: 120_000, interval: 200 }).toBeGreaterThanOrEqual(count);
}

export interface KafkaStoryTarget {
  readonly name: string;
  /** A broker that the cluster's workers reach by its own address, and the cluster. */
  start(): Promise<{ readonly kafka: KafkaServer; readonly cluster: StoryCluster }>;
}

export function describeKafkaQuickstart({ name, start }: KafkaStoryTarget): void {
  describe(`the quickstart on Kafka, on ${name}`, () => {
    let kafka: KafkaServer;
    let cluster: StoryCluster;
    beforeAll(async () => {
      ({ kafka, cluster } = await start());
    });
    afterAll(async () => {
      await cluster?.stop();
      await kafka?.close();
    });

    const first = events(0, BACKLOG);
    const second = events(BACKLOG, MORE);
    const windows = tenantWindows();
    for (const event of [...first.good, ...second.good]) windows.add(event);
    const expected = windows.records();
    let results: ConsumedRecord[] = [];

    it("is scaled while it lags, stopped for maintenance and resumed, without losing or repeating a record", async () => {
      await kafka.createTopic("events", PARTITIONS);
      await kafka.createTopic("rollup", 3);
      await kafka.createTopic("dead-letter", 1);
      await kafka.produce({ topic: "events" }, first.records);
      await kafka.limitReads("weir", SLOW);

      const { act, state, wait, workers, times } = actorOn(cluster, JOB);
      const job = readFileSync(join(samples, "job.yaml"), "utf8").replaceAll("kafka:9092", kafka.brokers[0] ?? "");
      await cluster.kubectl(["apply", "-f", "-"], job);
      await act("applied", ["apply", "-f", join(samples, "policy.yaml")], wait("condition=Ready"));
      const scaled = await act("scaled by the policy", ...workers(4));
      expect(scaled.status?.decisions?.map((d) => `${d.policy}/${d.rule} ${d.outcome}`)).toEqual([
        "keep-up/scale-on-lag Applied",
      ]);
      await kafka.limitReads("weir", undefined);
      const closed = [...expected.keys()].filter((id) => Number(id.split("/")[1]) < START + 80_000);
      await untilWritten(kafka, "rollup", closed.length);

      await cluster.kubectl(["apply", "-f", "-"], maintenance.begins(JOB));
      const stopped = await act("stopped for maintenance", state("STOPPED"));
      await kafka.produce({ topic: "events" }, [...recordsOf(late), ...second.records]);
      await cluster.kubectl(maintenance.ends());
      const resumed = await act("resumed", ...workers(4));
      expect(resumed.status?.lineage?.restoredFrom).toEqual({ uri: stopped.status?.savepoint?.uri, verified: true });

      await act("scaled by hand", ["scale", `sj/${JOB}`, "--replicas=2"], ...workers(2));
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const end = { type: "end", ts: START + 3_600_000, tenant: `end-${partition}`, payload: { lag: 0 } };
        await kafka.produce({ topic: "events", partition }, recordsOf([end]));
      }
      await untilWritten(kafka, "rollup", expected.size);
      const ends = await kafka.endOffsets("events");
      await expect
        .poll(async () => (await kafka.committed(`weir.${cluster.namespace}.${JOB}.events`)).size, { timeout: 60_000 })
        .toBe(PARTITIONS);
      expect(cluster.states().join(" ")).toBe(
        "CREATED RUNNING SCALING RUNNING STOPPED CREATED RUNNING SCALING RUNNING",
      );
      await cluster.kubectl(["delete", "sj", JOB, "--timeout=120s"]);
      results = await kafka.consumeAll("rollup");
      console.log(`${name}: ${ends.reduce((a, b) => a + b, 0)} events; ${times.join(", ")}`);
    });

    it("writes each window of each tenant once, as computed from the events", () => {
      const found = results.map((r) => canonical(JSON.parse(r.value) as object)).toSorted();
      const wanted = [...expected.values()].toSorted();
      expect(found.filter((record) => expected.get(windowId(record)) !== record).slice(0, 5)).toEqual([]);
      expect(found.length).toBe(wanted.length);
      expect(found).toEqual(wanted);
      console.log(`${name}: ${found.length} result records equal to the computed ones`);
    });

    it("gives results the key, the partition and the time that other consumers expect", () => {
      for (const { key, partition, timestamp, value } of results) {
        const { tenant, windowEnd } = JSON.parse(value) as { tenant: string; windowEnd: number };
        expect({ key, timestamp }).toEqual({ key: tenant, timestamp: windowEnd - 1 });
        const hash = compatibilityPartitioner({ topic: "rollup", value: Buffer.alloc(0) }, Buffer.from(tenant));
        expect(partition).toBe(hash % 3);
      }
    });

    it("keeps what it cannot read and what comes too late in the dead-letter topic", async () => {
      const letters = (await kafka.consumeAll("dead-letter")).map((r) => canonical(JSON.parse(r.value) as object));
      expect(letters.toSorted()).toEqual([...first.broken, ...second.broken, ...late].map(canonical).toSorted());
      console.log(`${name}: ${letters.length} dead letters as expected`);
    });
  });
}
