/** A Secret's value that the kubelet gives a worker must be found nowhere else. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import { callRecorder } from "../../src/kube/call.ts";
import { fixedServer } from "../../src/kube/credentials.ts";
import { configMaps, events, pods, secrets } from "../../src/kube/resource.ts";
import { startApiServer } from "../../src/local/api-server/start.ts";
import type { PodObject } from "../../src/local/kubelet/pod-feed.ts";
import { datagenJob } from "../builders/datagen-job.ts";
import { filesBelow } from "../builders/files-below.ts";
import { createObject, crdObjects } from "../servers/crd-objects.ts";
import type { WeirCluster } from "../servers/weir-cluster.ts";
import { startWeir } from "../servers/weir-cluster.ts";

const CANARY = "canary-7f3a91c4e2d8";
const FORMS = [CANARY, Buffer.from(CANARY).toString("base64"), Buffer.from(CANARY).toString("hex")];

const logged: string[] = [];
const recorder = callRecorder();
let api: Awaited<ReturnType<typeof startApiServer>>;
let weir: WeirCluster;

beforeAll(async () => {
  api = await startApiServer();
  for (const crd of crdObjects()) await createObject(api, crd);
  weir = await startWeir(fixedServer(api.url), {
    probes: { host: "127.0.0.1", port: 0 },
    interceptors: [recorder.intercept],
    log: (level, message, error) => void logged.push(`${level} ${message} ${String(error)}`),
  });
  const [, data] = FORMS;
  await weir.client.create(secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "canary", namespace: "default" },
    data: { password: data },
  } as never);
});
afterAll(async () => {
  await weir.stop();
  await api.stop();
});

const worker = {
  env: [{ name: "SINK_USER", valueFrom: { secretKeyRef: { name: "canary", key: "password" } } }],
  volumes: [{ name: "credentials", secret: { secretName: "canary" } }],
  volumeMounts: [{ name: "credentials", mountPath: "/etc/credentials" }],
};
const namespace = "default";
const workerPods = async (job: string): Promise<PodObject[]> =>
  (await weir.client.list<PodObject>(pods, { namespace, labelSelector: `weir.dev/job=${job}` })).items;

/** Everything that anybody can read of Weir, by where it is read. */
async function outputs(): Promise<Record<string, string>> {
  const found: Record<string, string> = { "the operator's log": logged.join("\n") };
  for (const resource of [streamingJobs, pods, configMaps, events])
    found[resource.plural] = JSON.stringify((await weir.client.list(resource, { namespace })).items);
  const metrics = await fetch(`http://127.0.0.1:${weir.operator.probePort}/metrics`);
  found["the operator's metrics"] = await metrics.text();
  return { ...found, ...filesBelow(weir.claims) };
}

async function workerOutputs(job: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const pod of await workerPods(job)) {
    const { name } = pod.metadata;
    found[`${name}'s log`] = (await weir.logs(name)) ?? "";
    const address = `http://${pod.status?.podIP}:8080/metrics`;
    found[`${name}'s metrics`] = await fetch(address).then((r) => r.text());
  }
  return found;
}

const leaks = (found: Record<string, string>): string[] =>
  Object.keys(found).filter((where) => FORMS.some((form) => found[where]?.includes(form)));

describe("a Secret's value", () => {
  it("reaches the worker and no status, event, log, metric, plan or checkpoint, and the operator asks for no Secret", async () => {
    await weir.client.create(streamingJobs, datagenJob("keeps", { worker }));
    await weir.until(
      "keeps",
      "checkpointed",
      (j) => j.status?.state === "RUNNING" && j.status.checkpoint !== undefined,
    );
    const [pod] = await workerPods("keeps");
    const pid = pod?.status?.containerStatuses?.[0]?.containerID?.replace("process://", "");
    expect(readFileSync(`/proc/${pid}/environ`, "latin1")).toContain(CANARY);

    const running = await workerOutputs("keeps");
    expect(Object.values(running).every((text) => text !== "")).toBe(true);
    const found = await outputs();
    expect([found["pods"], found["configmaps"], found["events"]].map((text) => text?.includes("keeps"))).toEqual([
      true,
      true,
      true,
    ]);
    expect(leaks(found)).toEqual([]);
    const annotations = { "weir.dev/stop": "1" };
    await weir.client.patch(streamingJobs, { namespace, name: "keeps" }, { metadata: { annotations } });
    await weir.until("keeps", "stopped", (j) => j.status?.state === "STOPPED");

    const all = { ...running, ...(await outputs()) };
    expect(Object.keys(all).filter((where) => where.endsWith("manifest.json")).length).toBeGreaterThan(0);
    expect(leaks(all)).toEqual([]);
    expect(recorder.calls.filter((call) => call.resource === "secrets")).toEqual([]);
  });

  it("is in no words of a job that cannot start with it", async () => {
    const startFrom = { savepoint: "file:///var/lib/weir/state/nothing" };
    await weir.client.create(streamingJobs, datagenJob("fails", { worker, startFrom }));
    const failed = await weir.until("fails", "failed", (j) => j.status?.failure?.code === "SAVEPOINT_NOT_FOUND");
    expect(leaks({ status: JSON.stringify(failed.status), ...(await outputs()) })).toEqual([]);
  });
});
