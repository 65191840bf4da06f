import { JOB_STATES } from "../../api/streaming-job-status.schema.ts";
import type { LifecycleSpec } from "../../lifecycle/input.ts";
import { wantedOf } from "../../lifecycle/overrides.ts";
import type { LiveFigures } from "../workers/registry.ts";
import type { JobObject } from "../weir-resources.ts";
import { identityOf } from "./pod-view.ts";
import type { PodObject } from "./pod-view.ts";

/** Workers of the running epoch that have figures: of a bounded input, some may be through already. */
export function workersAtWork({ status }: JobObject, pods: readonly PodObject[]): number {
  const isDone = (pod: PodObject): boolean =>
    pod.status?.phase === "Succeeded" && identityOf(pod)?.epoch === status?.epoch;
  return Math.max(0, (status?.parallelism?.effective ?? 0) - pods.filter(isDone).length);
}

/** A job as a scrape sees it. */
export interface JobReading {
  readonly job: JobObject;
  /** The spec in force; undefined before the first reconcile, and for one that cannot be read. */
  readonly spec: LifecycleSpec | undefined;
  readonly live: LiveFigures;
  readonly now: number;
}

export interface JobSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface JobMetric {
  readonly type: "gauge" | "counter";
  /** Besides those of the job. */
  readonly labels: readonly string[];
  readonly help: string;
  /** No sample: not known, or not so now. */
  readonly read: (reading: JobReading) => readonly JobSample[];
}

/** What the operator says of each job. Read from the cache when somebody looks, so that a job that is gone has no series. */
export const jobMetrics = {
  job_state: {
    type: "gauge",
    labels: ["state"],
    help: "1 for the state that the job is in, 0 for the others.",
    read: ({ job }) => JOB_STATES.map((state) => ({ labels: { state }, value: job.status?.state === state ? 1 : 0 })),
  },
  job_parallelism: {
    type: "gauge",
    labels: ["kind"],
    help: "Workers by kind: wanted (with what verbs and policies ask for), effective (launched), ready.",
    read: ({ job }) => {
      const { desired = 0, effective = 0, ready = 0 } = job.status?.parallelism ?? {};
      return Object.entries({ wanted: desired, effective, ready }).map(([kind, value]) => ({
        labels: { kind },
        value,
      }));
    },
  },
  job_lag_records: {
    type: "gauge",
    labels: [],
    help: "Records not read yet, over all workers; absent while one worker's figure is missing or old.",
    read: ({ live }) => one(live.lag),
  },
  job_lag_seconds: {
    type: "gauge",
    labels: [],
    help: "Age of the oldest unread record of all workers; absent while one worker's figure is missing or old.",
    read: ({ live }) => seconds(live.lagMs),
  },
  job_slo_max_lag_seconds: {
    type: "gauge",
    labels: [],
    help: "The objective spec.slo.maxLag; absent without one, and while the job is stopped or paused.",
    read: (reading) => seconds(objectiveOf(reading)),
  },
  job_checkpoint_age_seconds: {
    type: "gauge",
    labels: [],
    help: "Seconds since the oldest of the workers' newest good checkpoints, from a worker's start while it has none; absent while nothing runs.",
    read: ({ live, now }) => seconds(live.savedAt === undefined ? undefined : now - live.savedAt),
  },
  job_checkpoint_max_age_seconds: {
    type: "gauge",
    labels: [],
    help: "Age at which a checkpoint is late, by spec.checkpoint: the interval and the timeout. Absent where checkpoints are off.",
    read: ({ spec }) => {
      const { intervalMs = 0, maxAgeMs } = spec?.checkpoint ?? {};
      return seconds(intervalMs > 0 ? maxAgeMs : undefined);
    },
  },
  job_checkpoint_duration_seconds: {
    type: "gauge",
    labels: [],
    help: "How long the workers' newest checkpoints took, the longest of them; absent while one has none or failed.",
    read: ({ live }) => seconds(live.checkpointMs),
  },
  job_checkpoint_bytes: {
    type: "gauge",
    labels: [],
    help: "Size of the workers' newest checkpoints together; absent while one has none or failed.",
    read: ({ live }) => one(live.checkpointBytes),
  },
  job_busy_ratio: {
    type: "gauge",
    labels: [],
    help: "Share of time that the busiest worker was busy, 0 to 1; absent while one worker's figure is missing or old.",
    read: ({ live }) => one(live.busy),
  },
  job_restarts_total: {
    type: "counter",
    labels: [],
    help: "Failures of workers since the job was started.",
    read: ({ job }) => one(job.status?.restarts?.count ?? 0),
  },
  job_operation_seconds: {
    type: "gauge",
    labels: ["operation"],
    help: "How long the operation in flight has taken so far; absent while there is none.",
    read: ({ job, now }) => {
      const { operation } = job.status ?? {};
      if (operation === undefined) return [];
      const value = Math.max(0, now - Date.parse(operation.startedAt)) / 1000;
      return [{ labels: { operation: operation.type }, value }];
    },
  },
  job_condition: {
    type: "gauge",
    labels: ["condition", "status"],
    help: "1 for each condition that the job has, with its status: True, False or Unknown.",
    read: ({ job }) =>
      (job.status?.conditions ?? []).map((c) => ({ labels: { condition: c.type, status: c.status }, value: 1 })),
  },
  job_reconciliation_paused: {
    type: "gauge",
    labels: [],
    help: "1 while Weir leaves the job alone, as asked.",
    read: ({ job }) => one(job.status?.conditions?.some((c) => c.type === "ReconciliationPaused") === true ? 1 : 0),
  },
} as const satisfies Record<string, JobMetric>;

const one = (value: number | undefined): readonly JobSample[] => (value === undefined ? [] : [{ labels: {}, value }]);

const seconds = (ms: number | undefined): readonly JobSample[] => one(ms === undefined ? undefined : ms / 1000);

function objectiveOf({ job, spec }: JobReading): number | undefined {
  const { status } = job;
  if (spec === undefined || status?.state === "STOPPED" || status?.state === "FAILED") return undefined;
  const isRunWanted = wantedOf({ status: status ?? {} }, spec).desiredState === "Running";
  return isRunWanted ? (spec.maxLagMs ?? undefined) : undefined;
}

/** Not "namespace" and "job": a scrape gives those two their own meaning, and would rename ours. */
export const JOB_LABELS = ["job_namespace", "job_name"] as const;

/** The same as metrics of a registry, over the jobs of the moment. */
export function jobScrapes(readings: () => readonly JobReading[]): readonly JobScrape[] {
  return Object.entries<JobMetric>(jobMetrics).map(([name, { type, labels, help, read }]) => ({
    name: `weir_${name}`,
    type,
    labels: [...JOB_LABELS, ...labels],
    help,
    samples: () => readings().flatMap((reading) => read(reading).map((sample) => named(reading.job, sample))),
  }));
}

export interface JobScrape extends Omit<JobMetric, "read"> {
  readonly name: string;
  readonly samples: () => readonly JobSample[];
}

function named({ metadata }: JobObject, { labels, value }: JobSample): JobSample {
  return { labels: { job_namespace: metadata.namespace ?? "", job_name: metadata.name, ...labels }, value };
}
