import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { load } from "js-yaml";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { controlPolicies, maintenanceWindows, streamingJobs } from "../../src/controllers/weir-resources.ts";
import type { KubeObject } from "../../src/kube/resource.ts";
import { pods } from "../../src/kube/resource.ts";
import { datagenJob } from "../builders/datagen-job.ts";
import type { ControlPlane } from "../servers/kubernetes.ts";
import { applyCrds, startControlPlane } from "../servers/kubernetes.ts";
import type { WeirCluster } from "../servers/weir-cluster.ts";
import { startWeir } from "../servers/weir-cluster.ts";

let plane: ControlPlane;
let weir: WeirCluster;

beforeAll(async () => {
  plane = await startControlPlane();
  await applyCrds(plane);
  weir = await startWeir(plane.server);
});
afterAll(async () => {
  await weir.stop();
  await plane.stop();
});

const state = (job: JobObject): string | undefined => job.status?.state;
const ready = (job: JobObject): boolean =>
  job.status?.conditions?.some((c) => c.type === "Ready" && c.status === "True") ?? false;
const runsWith = (job: JobObject, workers: number): boolean =>
  job.status?.parallelism?.ready === workers && state(job) === "RUNNING";
const annotate = (name: string, annotations: Record<string, string>) =>
  weir.client.patch(streamingJobs, { namespace: "default", name }, { metadata: { annotations } });

describe("a job on a real API server", () => {
  it("goes from CREATED to RUNNING, scales, stops with a savepoint, resumes from it and is deleted", async () => {
    const name = "story";
    await weir.client.create(streamingJobs, datagenJob(name));
    await weir.until(name, "running", (j) => state(j) === "RUNNING" && ready(j));

    await annotate(name, { "weir.dev/scale": "2@1" });
    const scaled = await weir.until(name, "scaled", (j) => j.status?.epoch === 2 && state(j) === "RUNNING" && ready(j));
    expect(scaled.status?.parallelism).toMatchObject({ desired: 2, effective: 2 });

    await annotate(name, { "weir.dev/stop": "1" });
    const stopped = await weir.until(name, "stopped", (j) => state(j) === "STOPPED");
    expect(stopped.status?.savepoint?.uri).toContain(`/default/${name}/savepoints/stop-2-`);
    expect(ready(stopped)).toBe(true);

    await annotate(name, { "weir.dev/start": "1" });
    const resumed = await weir.until(
      name,
      "running again",
      (j) => state(j) === "RUNNING" && ready(j) && j.status?.lineage?.restoredFrom?.verified === true,
    );
    expect(resumed.status?.lineage?.restoredFrom?.uri).toBe(stopped.status?.savepoint?.uri);

    await weir.client.delete(streamingJobs, { namespace: "default", name });
    await expect
      .poll(() => weir.client.find(streamingJobs, { namespace: "default", name }), { timeout: 90_000 })
      .toBeUndefined();
    const { items } = await weir.client.list(pods, { labelSelector: `weir.dev/job=${name}` });
    expect(items.filter((p) => p.metadata.deletionTimestamp === undefined)).toEqual([]);
  });
});

const sample = (file: string): KubeObject => {
  const object = load(
    readFileSync(join(import.meta.dirname, "../../config/samples/quickstart", file), "utf8"),
  ) as KubeObject;
  object.metadata.namespace = "default";
  return object;
};

type Window = KubeObject & { status?: { active?: boolean; conditions?: { type: string; status: string }[] } };

describe("the quickstart", () => {
  it("is scaled by its policy while it lags, stopped for maintenance and resumed afterwards", async () => {
    const name = "realtime-etl";
    await weir.client.create(controlPolicies, sample("policy.yaml"));
    await weir.client.create(streamingJobs, sample("job.yaml"));
    const scaled = await weir.until(name, "scaled by its policy", (j) => runsWith(j, 4));
    expect(scaled.status?.decisions).toContainEqual(
      expect.objectContaining({ rule: "scale-on-lag", outcome: "Applied" }),
    );
    expect(scaled.status?.overrides).toContainEqual(expect.objectContaining({ field: "parallelism", value: "4" }));

    const at = (ms: number): string => new Date(Date.now() + ms).toISOString().slice(0, 19) + "Z";
    const maintenance = { namespace: "default", name: "now" };
    await weir.client.create<KubeObject & { spec: object }>(maintenanceWindows, {
      apiVersion: "weir.dev/v1alpha1",
      kind: "MaintenanceWindow",
      metadata: maintenance,
      spec: { jobs: [name], start: at(2_000), end: at(3_600_000) },
    });
    const stopped = await weir.until(name, "stopped for maintenance", (j) => state(j) === "STOPPED");
    expect(stopped.status?.maintenance?.active).toBe(true);
    expect(ready(stopped)).toBe(true);
    const windowStatus = async () => (await weir.client.get<Window>(maintenanceWindows, maintenance)).status;
    await expect.poll(windowStatus, { timeout: 60_000 }).toMatchObject({
      active: true,
      jobs: [name],
      conditions: expect.arrayContaining([expect.objectContaining({ type: "NoConsumer", status: "False" })]) as unknown,
    });

    await weir.client.patch(maintenanceWindows, maintenance, { spec: { end: at(2_000) } });
    const resumed = await weir.until(name, "running after maintenance", (j) => state(j) === "RUNNING" && ready(j));
    expect(runsWith(resumed, 4)).toBe(true);
    expect(resumed.status).toMatchObject({ lineage: { restoredFrom: { uri: stopped.status?.savepoint?.uri } } });

    await weir.client.delete(streamingJobs, { namespace: "default", name });
    await expect
      .poll(() => weir.client.find(streamingJobs, { namespace: "default", name }), { timeout: 90_000 })
      .toBeUndefined();
  });
});
