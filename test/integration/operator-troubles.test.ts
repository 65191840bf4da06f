import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import { callRecorder } from "../../src/kube/call.ts";
import { pods } from "../../src/kube/resource.ts";
import { datagenJob, kafkaJob } from "../builders/datagen-job.ts";
import { granted, permissionsUsed } from "../builders/operator-role.ts";
import type { ControlPlane } from "../servers/kubernetes.ts";
import { applyCrds, startControlPlane } from "../servers/kubernetes.ts";
import type { WeirCluster } from "../servers/weir-cluster.ts";
import { startWeir } from "../servers/weir-cluster.ts";

const recorder = callRecorder();
let plane: ControlPlane;
let weir: WeirCluster;

beforeAll(async () => {
  plane = await startControlPlane();
  await applyCrds(plane);
  weir = await startWeir(plane.server, { interceptors: [recorder.intercept] });
});
afterAll(async () => {
  await weir.stop();
  await plane.stop();
});

const create = (job: JobObject): Promise<JobObject> => weir.client.create(streamingJobs, job);
const condition = (job: JobObject, type: string) => job.status?.conditions?.find((c) => c.type === type);
const remove = (name: string): Promise<void> => weir.client.delete(streamingJobs, { namespace: "default", name });

describe("a job in trouble", () => {
  it("stays CREATED while its broker is unreachable, and says when it tries again", async () => {
    await create(kafkaJob("no-broker", "127.0.0.1:1"));
    const job = await weir.until(
      "no-broker",
      "waiting for its broker",
      (j) => condition(j, "Ready")?.reason === "SourceUnreachable",
    );
    expect(job.status?.state).toBe("CREATED");
    expect(condition(job, "Ready")?.message).toMatch(/127\.0\.0\.1:1.*next try/s);
    expect(condition(job, "Stalled")).toBeUndefined();
    await remove("no-broker");
  });

  it("names the Secret that is missing, without reading Secrets", async () => {
    const env = [{ name: "USER_NAME", valueFrom: { secretKeyRef: { name: "gone", key: "user" } } }];
    await create(datagenJob("no-secret", { worker: { env } }));
    const job = await weir.until(
      "no-secret",
      "waiting for its Secret",
      (j) => condition(j, "Ready")?.reason === "SecretMissing",
    );
    expect(condition(job, "Ready")?.message).toContain('secret "gone" not found');
    await remove("no-secret");
  });

  it("fails with the place's name when it should start from a savepoint that does not exist", async () => {
    const savepoint = "file:///var/lib/weir/state/nothing-here";
    await create(datagenJob("no-savepoint", { startFrom: { savepoint } }));
    const job = await weir.until("no-savepoint", "failed", (j) => j.status?.state === "FAILED");
    expect(job.status?.failure).toMatchObject({ code: "SAVEPOINT_NOT_FOUND", restartable: false });
    expect(condition(job, "Ready")?.message).toContain("nothing-here");
    await remove("no-savepoint");
  });

  it("refuses more workers than its keys allow, and leaves the others alone", async () => {
    const job = datagenJob("too-wide", { parallelism: 2 });
    const { pipeline } = job.spec as { pipeline: { nodes: { partitionedBy?: string }[] } };
    delete pipeline.nodes[0]?.partitionedBy;
    await create(job);
    const refused = await weir.until(
      "too-wide",
      "refused",
      (j) => condition(j, "Stalled")?.reason === "NotImplemented",
    );
    expect(refused.status?.state).toBe("CREATED");
    expect(condition(refused, "Stalled")?.message).toContain("partitionedBy");
    await remove("too-wide");
  });

  it("says that workers have nothing to read where there are more of them than splits, and what would do", async () => {
    const job = datagenJob("too-many", { parallelism: 3 });
    const { pipeline } = job.spec as { pipeline: { nodes: { source?: { datagen: { splits: number } } }[] } };
    for (const { source } of pipeline.nodes) if (source !== undefined) source.datagen.splits = 2;
    await create(job);
    const limited = await weir.until(
      "too-many",
      "limited",
      (j) => condition(j, "ScalingLimited")?.status === "True" && condition(j, "Ready")?.status === "True",
    );
    expect(condition(limited, "ScalingLimited")).toMatchObject({ reason: "NotEnoughSplits" });
    expect(condition(limited, "ScalingLimited")?.message).toContain("1 of 3 workers have no split to read");
    await weir.client.patch(streamingJobs, limited.metadata, { spec: { parallelism: 2 } });
    await weir.until(
      "too-many",
      "not limited any more",
      (j) => condition(j, "ScalingLimited") === undefined && j.status?.parallelism?.ready === 2,
    );
    await remove("too-many");
  });

  it("goes on as it was while its state does not fit the changed program, and changes once it does", async () => {
    const { spec } = datagenJob("misfit") as { spec: { pipeline: { nodes: [object, object, object] } } };
    const [events, , out] = spec.pipeline.nodes;
    const program = (name: string, size: string): object => {
      const counted = {
        name,
        from: ["events"],
        keyBy: "event.tenant",
        window: { tumbling: { size } },
        aggregate: { n: "count()" },
      };
      return { nodes: [events, counted, { ...out, from: [name] }] };
    };
    const { metadata } = await create(datagenJob("misfit"));
    const change = (over: object) => weir.client.patch(streamingJobs, metadata, { spec: over });
    await weir.until(
      "misfit",
      "running with state",
      (j) => condition(j, "Ready")?.status === "True" && j.status?.lineage?.hadState === true,
    );
    await change({ pipeline: program("per-tenant", "2s") });
    const refused = await weir.until("misfit", "refused", (j) => condition(j, "Stalled")?.reason === "RestoreRefused");
    expect(condition(refused, "Stalled")?.message).toContain(
      "node per-tenant keeps other state now (saved window=tumbling/1000/0, now window=tumbling/2000/0)",
    );
    expect(refused.status).toMatchObject({ state: "RUNNING", epoch: 1 });
    await change({ pipeline: program("per-tenant-2s", "2s"), startFrom: { allowNonRestoredState: true } });
    await weir.until(
      "misfit",
      "running as the new program",
      (j) => j.status?.epoch === 2 && condition(j, "Ready")?.status === "True" && condition(j, "Stalled") === undefined,
    );
    await remove("misfit");
  });

  it("replaces a worker whose pod is deleted, with the next attempt of the same slot", async () => {
    await create(datagenJob("bereft", { restart: { strategy: "FixedDelay", delay: "100ms", maxAttempts: -1 } }));
    await weir.until(
      "bereft",
      "running",
      (j) => condition(j, "Ready")?.status === "True" && condition(j, "Checkpointing")?.status === "True",
    );
    await weir.client.delete(pods, { namespace: "default", name: "bereft-1-0-0" }, { gracePeriodSeconds: 0 });
    const job = await weir.until(
      "bereft",
      "recovered",
      (j) => (j.status?.restarts?.count ?? 0) > 0 && condition(j, "Ready")?.status === "True",
    );
    expect(job.status?.state).toBe("RUNNING");
    expect(await weir.client.find(pods, { namespace: "default", name: "bereft-1-0-1" })).toBeDefined();
    await remove("bereft");
    await expect
      .poll(() => weir.client.find(streamingJobs, { namespace: "default", name: "bereft" }), { timeout: 90_000 })
      .toBeUndefined();
  });

  it("made no call that its Role does not allow", () => {
    expect(permissionsUsed(recorder.calls).filter((call) => !granted.includes(call))).toEqual([]);
  });
});
