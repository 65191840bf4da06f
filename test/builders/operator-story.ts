/**
 * Everything that the operator does, once, in one namespace: what a whole life of jobs, policies and windows asks of the API
 * server and of the workers. The Role, the NetworkPolicies and the search for leaked secrets are checked against it.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { load } from "js-yaml";
import { expect } from "vitest";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { controlPolicies, maintenanceWindows, streamingJobs } from "../../src/controllers/weir-resources.ts";
import type { KubeObject, Resource } from "../../src/kube/resource.ts";
import { configMaps, pods } from "../../src/kube/resource.ts";
import type { PodObject } from "../../src/local/kubelet/pod-feed.ts";
import type { WeirCluster } from "../servers/weir-cluster.ts";
import { datagenJob } from "./datagen-job.ts";

const namespace = "default";
const PATIENCE = { timeout: 90_000, interval: 200 };
const QUICK = { restart: { strategy: "FixedDelay", delay: "100ms", maxAttempts: -1 } };

const conditionOf = (job: JobObject, type: string) => job.status?.conditions?.find((c) => c.type === type);
const isReady = (job: JobObject): boolean =>
  job.status?.state === "RUNNING" && job.status.operation === undefined && conditionOf(job, "Ready")?.status === "True";
const isSteady = (job: JobObject): boolean => isReady(job) && conditionOf(job, "Checkpointing")?.status === "True";

export interface OperatorStory {
  /** Start, scale, savepoint, pause, resume, stop, start again, restart. */
  verbs(name: string, spec?: object): Promise<void>;
  /** The quickstart: a policy scales the job, a window stops and resumes it. */
  policyAndWindow(): Promise<void>;
  /** A worker dies twice, its pod is deleted. */
  failures(name: string): Promise<void>;
  /** A pod of this name that is not ours, and a volume that cannot be mounted. */
  obstacles(): Promise<void>;
  orphan(name: string): Promise<void>;
  remove(...names: readonly string[]): Promise<void>;
}

export function operatorStory(weir: WeirCluster): OperatorStory {
  const { client, until } = weir;
  const create = (name: string, spec: object = {}): Promise<JobObject> =>
    client.create(streamingJobs, datagenJob(name, { ...QUICK, ...spec }));
  const annotate = (name: string, annotations: Record<string, string>): Promise<unknown> =>
    client.patch(streamingJobs, { namespace, name }, { metadata: { annotations } });
  const isGone = async (resource: Resource, name: string): Promise<void> => {
    await expect.poll(() => client.find(resource, { namespace, name }), PATIENCE).toBeUndefined();
  };
  const remove = async (...names: readonly string[]): Promise<void> => {
    await Promise.all(names.map((name) => client.delete(streamingJobs, { namespace, name })));
    await Promise.all(names.map((name) => isGone(streamingJobs, name)));
  };
  const sample = (file: string): KubeObject => {
    const path = join(import.meta.dirname, "../../config/samples/quickstart", file);
    const object = load(readFileSync(path, "utf8")) as KubeObject;
    return { ...object, metadata: { ...object.metadata, namespace } };
  };
  /** The worker's newest pod: the operator may have replaced it meanwhile. */
  const current = async (name: string): Promise<PodObject | undefined> => {
    const { items } = await client.list<PodObject>(pods, { namespace, labelSelector: `weir.dev/job=${name}` });
    const standing = items.filter((pod) => pod.metadata.deletionTimestamp === undefined);
    return standing.toSorted((a, b) => a.metadata.name.localeCompare(b.metadata.name)).at(-1);
  };
  const kill = async (name: string): Promise<void> => {
    const container = (await current(name))?.status?.containerStatuses?.[0];
    const pid = Number(container?.containerID?.replace("process://", ""));
    if (container?.ready === true && pid > 0) process.kill(pid, "SIGKILL");
    else throw new Error(`no worker of ${name} runs: ${JSON.stringify(container)}`);
  };

  return {
    verbs: async (name, spec) => {
      await create(name, spec);
      await until(name, "running", isSteady, PATIENCE.timeout);
      await annotate(name, { "weir.dev/scale": "2@1" });
      await until(name, "scaled", (j) => j.status?.epoch === 2 && isSteady(j), PATIENCE.timeout);
      await annotate(name, { "weir.dev/savepoint": "1" });
      await until(name, "saved", (j) => j.status?.savepoint !== undefined && isReady(j), PATIENCE.timeout);
      await annotate(name, { "weir.dev/pause": "1" });
      await until(name, "paused", (j) => conditionOf(j, "Paused")?.status === "True", PATIENCE.timeout);
      await annotate(name, { "weir.dev/resume": "1" });
      await until(name, "resumed", (j) => conditionOf(j, "Paused")?.status !== "True" && isReady(j), PATIENCE.timeout);
      await annotate(name, { "weir.dev/stop": "1" });
      await until(name, "stopped", (j) => j.status?.state === "STOPPED", PATIENCE.timeout);
      await annotate(name, { "weir.dev/start": "1" });
      await until(name, "started again", (j) => j.status?.epoch === 3 && isSteady(j), PATIENCE.timeout);
      await annotate(name, { "weir.dev/restart": "1" });
      await until(name, "restarted", (j) => j.status?.epoch === 4 && isSteady(j), PATIENCE.timeout);
    },
    policyAndWindow: async () => {
      const name = "realtime-etl";
      await client.create(controlPolicies, sample("policy.yaml"));
      await client.create(streamingJobs, sample("job.yaml"));
      await until(name, "scaled by its policy", (j) => j.status?.parallelism?.ready === 4 && isReady(j), 90_000);
      const at = (ms: number): string => new Date(Date.now() + ms).toISOString().slice(0, 19) + "Z";
      await client.create<KubeObject & { spec: object }>(maintenanceWindows, {
        apiVersion: "weir.dev/v1alpha1",
        kind: "MaintenanceWindow",
        metadata: { name: "now", namespace },
        spec: { jobs: [name], start: at(1_000), end: at(3_600_000) },
      });
      await until(name, "stopped for maintenance", (j) => j.status?.state === "STOPPED", PATIENCE.timeout);
      await client.patch(maintenanceWindows, { namespace, name: "now" }, { spec: { end: at(2_000) } });
      await until(name, "running after maintenance", isReady, PATIENCE.timeout);
      await remove(name);
    },
    failures: async (name) => {
      await create(name);
      for (const deaths of [1, 2]) {
        await until(name, "steady", isSteady, PATIENCE.timeout);
        await expect.poll(() => kill(name), PATIENCE).toBeUndefined();
        await until(name, "failed", (j) => (j.status?.restarts?.count ?? 0) >= deaths, PATIENCE.timeout);
      }
      await until(name, "steady again", isSteady, PATIENCE.timeout);
      const { metadata } = (await current(name)) ?? { metadata: { name: "" } };
      await client.delete(pods, { namespace, name: metadata.name }, { gracePeriodSeconds: 0 });
      await expect
        .poll(async () => (await current(name))?.metadata.name ?? metadata.name, PATIENCE)
        .not.toBe(metadata.name);
      await until(name, "recovered", isSteady, PATIENCE.timeout);
    },
    obstacles: async () => {
      const container = { name: "c", image: "weir:none", resources: {} };
      await client.create<KubeObject & { spec: object }>(pods, {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "taken-1-0-0", namespace },
        spec: { containers: [container], nodeName: "nowhere" },
      });
      const volumes = [{ name: "v", secret: { secretName: "is-not-there" } }];
      const volumeMounts = [{ name: "v", mountPath: "/v" }];
      await Promise.all([create("taken"), create("unmounted", { worker: { volumes, volumeMounts } })]);
      const message = (j: JobObject): string => conditionOf(j, "Ready")?.message ?? "";
      await until("taken", "in the way", (j) => message(j).includes("is not of this job"), PATIENCE.timeout);
      await until("unmounted", "explained", (j) => message(j).includes("is-not-there"), PATIENCE.timeout);
      await client.delete(pods, { namespace, name: "taken-1-0-0" }, { gracePeriodSeconds: 0 });
      await until("taken", "running after all", isReady, PATIENCE.timeout);
      await remove("taken", "unmounted");
    },
    orphan: async (name) => {
      await create(name, { deletion: { mode: "Orphan" } });
      await until(name, "running", isReady, PATIENCE.timeout);
      await remove(name);
      for (const resource of [pods, configMaps]) {
        const left = await client.list(resource, { namespace, labelSelector: `weir.dev/job=${name}` });
        expect(left.items.map((o) => o.metadata.ownerReferences)).toEqual([undefined]);
        for (const { metadata } of left.items) await client.delete(resource, metadata);
      }
    },
    remove,
  };
}
