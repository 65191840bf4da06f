/** A job on a secured broker: what it needs comes from Secrets, by the kubelet, and is found nowhere else. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import { callRecorder } from "../../src/kube/call.ts";
import { fixedServer } from "../../src/kube/credentials.ts";
import { configMaps, events, pods, secrets } from "../../src/kube/resource.ts";
import { startApiServer } from "../../src/local/api-server/start.ts";
import type { PodObject } from "../../src/local/kubelet/pod-feed.ts";
import { createObject, crdObjects } from "../servers/crd-objects.ts";
import { startKafka, type KafkaServer } from "../servers/kafka.ts";
import { makeBrokerPki, saslSettings, setScramPassword, type BrokerPki } from "../servers/kafka-security.ts";
import { startWeir, type WeirCluster } from "../servers/weir-cluster.ts";

const PASSWORD = "canary-5d1e77ab90";
const WRONG = "canary-wrong-31c0";
const namespace = "default";

const logged: string[] = [];
const recorder = callRecorder();
let dir: string;
let pki: BrokerPki;
let kafka: KafkaServer;
let api: Awaited<ReturnType<typeof startApiServer>>;
let weir: WeirCluster;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "weir-kafka-pki-"));
  pki = await makeBrokerPki(dir);
  [kafka, api] = await Promise.all([
    startKafka({ ...pki.settings, ...saslSettings("SASL_SSL", {}) }, ["SASL_SSL"]),
    startApiServer(),
  ]);
  for (const crd of crdObjects()) await createObject(api, crd);
  weir = await startWeir(fixedServer(api.url), {
    interceptors: [recorder.intercept],
    log: (level, message, error) => void logged.push(`${level} ${message} ${String(error)}`),
  });
  await setScramPassword(kafka.brokers[0] ?? "", "etl", PASSWORD);
  await kafka.createTopic("in", 2);
  await kafka.createTopic("out", 1);
});
afterAll(async () => {
  await weir?.stop();
  await api?.stop();
  await kafka?.close();
  rmSync(dir, { recursive: true, force: true });
});

const encoded = (data: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString("base64")]));

async function createSecret(name: string, data: Readonly<Record<string, string>>): Promise<void> {
  const object = { apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, data: encoded(data) };
  await weir.client.create(secrets, object as never);
}

/** Everything that anybody can read of Weir. */
async function outputs(): Promise<string> {
  const objects = [streamingJobs, pods, configMaps, events].map(async (resource) =>
    JSON.stringify((await weir.client.list(resource, { namespace })).items),
  );
  const workers = (await weir.client.list<PodObject>(pods, { namespace })).items.map(async (pod) => {
    const metrics = await fetch(`http://${pod.status?.podIP}:8080/metrics`).then((r) => r.text());
    return `${await weir.logs(pod.metadata.name)}${metrics}`;
  });
  return [...logged, ...(await Promise.all([...objects, ...workers]))].join("\n");
}

describe("a job on a secured Kafka", () => {
  it("says what is wrong with its credentials, goes on when the Secret is corrected, and shows none of them", async () => {
    await createSecret("kafka-ca", { "ca.crt": pki.ca });
    await createSecret("kafka-user", { username: "etl", password: WRONG });
    const connection = {
      brokers: [kafka.listeners.get("SASL_SSL") ?? ""],
      tls: { caSecretRef: { name: "kafka-ca", key: "ca.crt" } },
      sasl: { mechanism: "ScramSha512", secretRef: { name: "kafka-user" } },
    };
    const nodes = [
      { name: "events", source: { connection: "main", kafka: { topics: ["in"] } } },
      { name: "hot", from: ["events"], filter: "event.n % 2 == 0" },
      { name: "out", from: ["hot"], sink: { connection: "main", kafka: { topic: "out", compression: "Lz4" } } },
    ];
    await weir.client.create(streamingJobs, {
      apiVersion: "weir.dev/v1alpha1",
      kind: "StreamingJob",
      metadata: { name: "secured", namespace },
      spec: { pipeline: { connections: [{ name: "main", kafka: connection }], nodes } },
    });
    const ready = (job: Awaited<ReturnType<WeirCluster["job"]>>) =>
      job.status?.conditions?.find((condition) => condition.type === "Ready");
    const refused = await weir.until(
      "secured",
      "refused by the broker",
      (job) => ready(job)?.message.includes('refuses the user and password of Secret "kafka-user"') === true,
    );
    expect(ready(refused)).toMatchObject({
      status: "False",
      reason: expect.stringMatching(/^(Source|Sink)Unreachable$/) as string,
      message: expect.stringContaining("Correct the Secret or the user's credentials in Kafka") as string,
    });
    const before = await outputs();

    const data = encoded({ password: PASSWORD });
    await weir.client.patch(secrets, { namespace, name: "kafka-user" }, { data } as never);
    await kafka.produce(
      { topic: "in" },
      Array.from({ length: 1000 }, (_, n) => ({ key: `${n}`, value: JSON.stringify({ n }) })),
    );
    await weir.until("secured", "ready", (job) => ready(job)?.status === "True");
    await expect.poll(() => kafka.endOffsets("out"), { timeout: 90_000, interval: 200 }).toEqual([500]);

    const found = before + (await outputs());
    expect(found).toContain("secured");
    for (const secret of [PASSWORD, WRONG])
      for (const form of ["utf8", "base64", "hex"] as const)
        expect(found.includes(Buffer.from(secret).toString(form)), `${secret} as ${form}`).toBe(false);
    expect(found).not.toContain("PRIVATE KEY");
    expect(recorder.calls.filter((call) => call.resource === "secrets")).toEqual([]);
  });
});
