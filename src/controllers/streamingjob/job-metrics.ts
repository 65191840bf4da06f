import { JOB_STATES } from "../../api/streaming-job-status.schema.ts";
import type { LiveFigures } from "../workers/registry.ts";
import type { JobObject } from "../weir-resources.ts";

/** A job as a scrape sees it. */
export interface JobReading {
  readonly job: JobObject;
  readonly live: LiveFigures;
  readonly now: number;
}

export interface JobSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface JobMetric {
  readonly type: "gauge" | "counter";
  /** Besides namespace and job. */
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
  job_checkpoint_age_seconds: {
    type: "gauge",
    labels: [],
    help: "Seconds since the oldest of the workers' newest checkpoints; absent while nothing runs or none completed.",
    read: ({ live, now }) => one(live.checkpointAt === undefined ? undefined : (now - live.checkpointAt) / 1000),
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
  job_reconciliation_paused: {
    type: "gauge",
    labels: [],
    help: "1 while Weir leaves the job alone, as asked.",
    read: ({ job }) => one(job.status?.conditions?.some((c) => c.type === "ReconciliationPaused") === true ? 1 : 0),
  },
} as const satisfies Record<string, JobMetric>;

const one = (value: number | undefined): readonly JobSample[] => (value === undefined ? [] : [{ labels: {}, value }]);

const OF_JOB = ["namespace", "job"];

/** The same as metrics of a registry, over the jobs of the moment. */
export function jobScrapes(readings: () => readonly JobReading[]): readonly JobScrape[] {
  return Object.entries<JobMetric>(jobMetrics).map(([name, { type, labels, help, read }]) => ({
    name: `weir_${name}`,
    type,
    labels: [...OF_JOB, ...labels],
    help,
    samples: () => readings().flatMap((reading) => read(reading).map((sample) => named(reading.job, sample))),
  }));
}

export interface JobScrape extends Omit<JobMetric, "read"> {
  readonly name: string;
  readonly samples: () => readonly JobSample[];
}

function named({ metadata }: JobObject, { labels, value }: JobSample): JobSample {
  return { labels: { namespace: metadata.namespace ?? "", job: metadata.name, ...labels }, value };
}
