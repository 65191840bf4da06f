import type { Dashboard } from "./panel.ts";

const OF = 'job_namespace="$namespace", job_name="$job"';

/** Only the leader has figures of a job; the maximum is that one. */
const max = (metric: string): string => `max(${metric}{${OF}})`;
const rate = (metric: string): string => `sum(rate(${metric}{${OF}}[$__rate_interval]))`;

export const job: Dashboard = {
  uid: "weir-job",
  title: "Weir / Job",
  description: "One StreamingJob: what it does, how far behind it is, and how safe its state is.",
  variables: [
    { name: "namespace", label: "Namespace", query: "label_values(weir_job_state, job_namespace)" },
    { name: "job", label: "Job", query: 'label_values(weir_job_state{job_namespace="$namespace"}, job_name)' },
  ],
  rows: [
    {
      title: "State",
      panels: [
        {
          title: "State",
          type: "state-timeline",
          width: 12,
          height: 6,
          queries: [{ expr: `max by (state) (weir_job_state{${OF}}) == 1`, legend: "{{state}}" }],
        },
        {
          title: "Conditions",
          type: "table",
          width: 12,
          height: 6,
          queries: [{ expr: `max by (condition, status) (weir_job_condition{${OF}})` }],
        },
        {
          title: "Workers",
          queries: [{ expr: `max by (kind) (weir_job_parallelism{${OF}})`, legend: "{{kind}}" }],
        },
        {
          title: "Failures of workers in 15 minutes",
          queries: [{ expr: `max(increase(weir_job_restarts_total{${OF}}[15m]))`, legend: "failures" }],
        },
        {
          title: "Operation in flight",
          unit: "s",
          queries: [{ expr: `max by (operation) (weir_job_operation_seconds{${OF}})`, legend: "{{operation}}" }],
        },
      ],
    },
    {
      title: "Progress",
      panels: [
        {
          title: "Lag against the objective",
          unit: "s",
          queries: [
            { expr: max("weir_job_lag_seconds"), legend: "oldest unread record" },
            { expr: max("weir_job_slo_max_lag_seconds"), legend: "objective" },
          ],
        },
        { title: "Lag", queries: [{ expr: max("weir_job_lag_records"), legend: "records not read" }] },
        {
          title: "Records",
          unit: "rps",
          queries: [
            { expr: rate("weir_worker_records_in_total"), legend: "read" },
            { expr: rate("weir_worker_records_out_total"), legend: "given to sinks" },
          ],
        },
        {
          title: "Lag by worker",
          unit: "s",
          queries: [{ expr: `max by (slot) (weir_worker_lag_seconds{${OF}})`, legend: "worker {{slot}}" }],
        },
        {
          title: "Event time behind now",
          description: "For generated or old data this is far away; watch how it moves.",
          unit: "s",
          queries: [
            {
              expr: `time() - min by (slot) (weir_worker_watermark_timestamp_seconds{${OF}})`,
              legend: "worker {{slot}}",
            },
          ],
        },
        {
          title: "Records left out",
          unit: "rps",
          queries: [
            { expr: rate("weir_worker_records_late_total"), legend: "late" },
            { expr: rate("weir_worker_records_malformed_total"), legend: "malformed" },
          ],
        },
      ],
    },
    {
      title: "Checkpoints",
      panels: [
        {
          title: "Age against what is allowed",
          unit: "s",
          queries: [
            { expr: max("weir_job_checkpoint_age_seconds"), legend: "age" },
            { expr: max("weir_job_checkpoint_max_age_seconds"), legend: "late from here on" },
          ],
        },
        {
          title: "Duration",
          unit: "s",
          queries: [{ expr: max("weir_job_checkpoint_duration_seconds"), legend: "longest of the workers" }],
        },
        { title: "Size", unit: "bytes", queries: [{ expr: max("weir_job_checkpoint_bytes"), legend: "all workers" }] },
        {
          title: "Failed",
          queries: [
            {
              expr: `sum by (slot) (increase(weir_worker_checkpoints_failed_total{${OF}}[5m]))`,
              legend: "worker {{slot}}",
            },
          ],
        },
      ],
    },
    {
      title: "Workers",
      panels: [
        {
          title: "Busy",
          description: "1 is a worker that has no time left: more workers help, up to the number of splits.",
          unit: "percentunit",
          redAbove: 0.9,
          queries: [{ expr: `max by (slot) (weir_worker_busy_ratio{${OF}})`, legend: "worker {{slot}}" }],
        },
        {
          title: "Splits",
          description: "0 is a worker too many.",
          queries: [{ expr: `max by (slot) (weir_worker_splits{${OF}})`, legend: "worker {{slot}}" }],
        },
        { title: "Keys", queries: [{ expr: `max by (slot) (weir_worker_keys{${OF}})`, legend: "worker {{slot}}" }] },
        {
          title: "Held up by something outside",
          queries: [{ expr: `max by (slot) (weir_worker_problem{${OF}})`, legend: "worker {{slot}}" }],
        },
      ],
    },
  ],
};
