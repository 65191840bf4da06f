import type { JobObject } from "../../src/controllers/weir-resources.ts";
import type { Pipeline } from "../../src/api/pipeline.schema.ts";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import { pods } from "../../src/kube/resource.ts";
import type { Ground } from "../servers/weir-ground.ts";
import type { Act, Scenario } from "./crash-story.ts";
import { JOB } from "./job-facts.ts";

/** Counts in windows of `size`, in a node of that name. */
const counting = (name: string, size: string): Pipeline => ({
  nodes: [
    {
      name: "events",
      source: {
        datagen: {
          splits: 4,
          rate: 100,
          seed: 1,
          fields: [
            { path: "ts", timestamp: {} },
            { path: "tenant", key: { prefix: "t-", count: 10 } },
          ],
        },
      },
      schema: { ts: "timestamp_ms", tenant: "string" },
      partitionedBy: "event.tenant",
      eventTime: { field: "event.ts", maxOutOfOrderness: "1s" },
    },
    {
      name,
      from: ["events"],
      keyBy: "event.tenant",
      window: { tumbling: { size } },
      aggregate: { n: "count()" },
    },
    { name: "out", from: [name], sink: { blackhole: {} } },
  ],
});

/** A small job with keyed state that never ends and always keeps up. */
export const steadyJob = (spec: object = {}): JobObject["spec"] => ({
  maxParallelism: 4,
  pipeline: counting("per-tenant", "1s"),
  checkpoint: { interval: "250ms", storage: { uri: "file:///var/lib/weir/state" } },
  ...spec,
});

export const condition = (job: JobObject | undefined, type: string): string | undefined =>
  job?.status?.conditions?.find((c) => c.type === type)?.status;
export const rests = (job: JobObject | undefined, state: string): boolean =>
  job?.status?.state === state && job.status.operation === undefined && condition(job, "Ready") === "True";

/** Running, proved by its first checkpoint. */
export const runs = (job: JobObject | undefined): boolean =>
  rests(job, "RUNNING") && job?.status?.lineage?.hadState === true;

export const create = (spec: object = {}): Act => ({
  do: (ground, namespace) => createJob(ground, namespace, steadyJob(spec)),
  arrived: runs,
});
export const createJob = (ground: Ground, namespace: string, spec: JobObject["spec"]): Promise<JobObject> =>
  ground.client.create<JobObject>(streamingJobs, {
    apiVersion: "weir.dev/v1alpha1",
    kind: "StreamingJob",
    metadata: { name: JOB, namespace },
    spec,
  });

const annotate = (annotations: Record<string, string>) => (ground: Ground, namespace: string) =>
  ground.client.patch(streamingJobs, { namespace, name: JOB }, { metadata: { annotations } });

/** Without a new value of the annotation nothing happens: scenarios that scale twice number their wishes. */
export const scaleTo = (workers: number): Act => ({
  do: annotate({ "weir.dev/scale": `${workers}@${workers}` }),
  arrived: (job) => runs(job) && job?.status?.parallelism?.ready === workers,
});
export const stop: Act = { do: annotate({ "weir.dev/stop": "1" }), arrived: (job) => rests(job, "STOPPED") };
export const resume: Act = {
  do: annotate({ "weir.dev/start": "1" }),
  arrived: (job) => runs(job) && job?.status?.lineage?.restoredFrom?.verified === true,
};
export const save: Act = {
  do: annotate({ "weir.dev/savepoint": "1" }),
  arrived: (job) => runs(job) && job?.status?.savepoint !== undefined,
};
const change = (spec: object) => (ground: Ground, namespace: string) =>
  ground.client.patch(streamingJobs, { namespace, name: JOB }, { spec });
const upgrade: Act = {
  do: change({ worker: { env: [{ name: "VERSION", value: "2" }] } }),
  arrived: (job) => runs(job) && job?.status?.epoch === 2,
};
/** A program that the state does not fit: the job goes on as it was. */
const misfit: Act = {
  do: change({ pipeline: counting("per-tenant", "2s") }),
  arrived: (job) =>
    job?.status?.state === "RUNNING" &&
    job.status.operation === undefined &&
    job.status.conditions?.find((c) => c.type === "Stalled")?.reason === "RestoreRefused",
};
/** The same under another name, and the old state may go. */
const fitting: Act = {
  do: change({ pipeline: counting("per-tenant-2s", "2s"), startFrom: { allowNonRestoredState: true } }),
  arrived: (job) => upgrade.arrived(job) && condition(job, "Stalled") === undefined,
};
/** Somebody takes a pod away: its slot comes back with the next attempt. */
export const losePod: Act = {
  do: ({ client }, namespace) => client.delete(pods, { namespace, name: `${JOB}-1-1-0` }),
  arrived: (job) => runs(job) && (job?.status?.restarts?.count ?? 0) === 1 && job?.status?.parallelism?.ready === 2,
};
export const remove: Act = {
  do: ({ client }, namespace) => client.delete(streamingJobs, { namespace, name: JOB }),
  arrived: (job) => job === undefined,
};

const pair = create({ parallelism: 2 });

export const SCENARIOS: readonly Scenario[] = [
  { name: "start", before: [], act: pair },
  { name: "scale-up", before: [pair], act: scaleTo(3) },
  { name: "scale-down", before: [pair], act: scaleTo(1) },
  { name: "upgrade", before: [pair], act: upgrade },
  { name: "refused-upgrade", before: [pair], act: misfit },
  { name: "upgrade-after-refusal", before: [pair, misfit], act: fitting },
  { name: "savepoint", before: [pair], act: save },
  { name: "stop", before: [pair], act: stop },
  { name: "resume", before: [pair, stop], act: resume },
  { name: "recovery", before: [pair], act: losePod },
  { name: "delete", before: [pair], act: remove },
];
