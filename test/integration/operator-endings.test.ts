import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import type { KubeObject, Resource } from "../../src/kube/resource.ts";
import { configMaps, pods } from "../../src/kube/resource.ts";
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
  weir = await startWeir(plane.server, { probes: { host: "127.0.0.1", port: 0 } });
});
afterAll(async () => {
  await weir.stop();
  await plane.stop();
});

const namespace = "default";
const condition = (job: JobObject, type: string) => job.status?.conditions?.find((c) => c.type === type);
const isRunning = (job: JobObject): boolean =>
  job.status?.state === "RUNNING" && condition(job, "Ready")?.status === "True";
const ofJob = async (resource: Resource, name: string): Promise<KubeObject[]> =>
  (await weir.client.list(resource, { labelSelector: `weir.dev/job=${name}` })).items;
const isGone = (name: string): Promise<void> =>
  expect
    .poll(() => weir.client.find(streamingJobs, { namespace, name }), { timeout: 90_000 })
    .toBeUndefined() as Promise<void>;
const metricsOf = async (job: string): Promise<string[]> => {
  const answer = await fetch(`http://127.0.0.1:${weir.operator.probePort}/metrics`);
  const text = await answer.text();
  return text.split("\n").filter((line) => line.includes(`job_name="${job}"`));
};

describe("a job with bounded input", () => {
  it("ends in STOPPED with reason Completed, has written every result, and does not start again by itself", async () => {
    const name = "bounded";
    const job = datagenJob(name);
    const { pipeline } = job.spec as { pipeline: { nodes: { source?: { datagen: object } }[] } };
    Object.assign(pipeline.nodes[0]?.source?.datagen ?? {}, { rate: 0, count: 20_000, eventRate: 1_000 });
    await weir.client.create(streamingJobs, job);
    const done = await weir.until(name, "completed", (j) => condition(j, "Ready")?.reason === "Completed");
    expect(done.status).toMatchObject({ state: "STOPPED", health: "UP" });
    expect(condition(done, "Ready")).toMatchObject({ status: "True", message: "the bounded input is done" });

    const folder = join(weir.claims, namespace, "weir-state", "results", name);
    const lines = readdirSync(folder, { recursive: true, encoding: "utf8", withFileTypes: true })
      .filter((entry) => entry.isFile())
      .flatMap((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8").trim().split("\n"));
    const counted = lines.reduce((sum, line) => sum + (JSON.parse(line) as { n: number }).n, 0);
    expect(counted).toBe(20_000);

    await expect.poll(() => ofJob(pods, name), { timeout: 90_000 }).toEqual([]);
    expect((await weir.job(name)).status?.state).toBe("STOPPED");
    await weir.client.delete(streamingJobs, { namespace, name });
    await isGone(name);
  });
});

describe("a job that is deleted with deletion.mode Orphan", () => {
  it("leaves its workers running with what they mount, and nothing of it in the operator's metrics", async () => {
    const name = "orphaned";
    await weir.client.create(streamingJobs, datagenJob(name, { deletion: { mode: "Orphan" } }));
    await weir.until(name, "running", isRunning);
    await weir.client.patch(
      streamingJobs,
      { namespace, name },
      { metadata: { annotations: { "weir.dev/scale": "2@1" } } },
    );
    await weir.until(name, "scaled", (j) => j.status?.epoch === 2 && isRunning(j));
    await expect
      .poll(() => metricsOf(name), { timeout: 60_000 })
      .toEqual(
        expect.arrayContaining([
          `weir_job_state{job_namespace="default",job_name="${name}",state="RUNNING"} 1`,
          `weir_job_state{job_namespace="default",job_name="${name}",state="FAILED"} 0`,
          `weir_job_parallelism{job_namespace="default",job_name="${name}",kind="ready"} 2`,
          `weir_job_restarts_total{job_namespace="default",job_name="${name}"} 0`,
          expect.stringContaining("weir_job_lag_records{"),
          expect.stringContaining("weir_job_checkpoint_age_seconds{"),
        ]),
      );
    const before = await ofJob(pods, name);

    await weir.client.delete(streamingJobs, { namespace, name });
    await isGone(name);
    await expect.poll(() => metricsOf(name), { timeout: 60_000 }).toEqual([]);
    const left = [...(await ofJob(pods, name)), ...(await ofJob(configMaps, name))];
    expect(left.map((o) => o.metadata.ownerReferences)).toEqual(left.map(() => undefined));
    expect(left.map((o) => o.metadata.name)).toEqual(
      expect.arrayContaining([...before.map((p) => p.metadata.name), `${name}-2`]),
    );
    expect(left.filter((o) => o.metadata.deletionTimestamp !== undefined)).toEqual([]);
    for (const pod of before) await weir.client.delete(pods, { namespace, name: pod.metadata.name });
  });
});
