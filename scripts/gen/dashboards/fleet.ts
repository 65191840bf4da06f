import type { Dashboard } from "./panel.ts";

const BY_JOB = "by (job_namespace, job_name)";
const JOB = "{{job_namespace}}/{{job_name}}";
/** The operator's processes among all that Prometheus scrapes. */
const OF_OPERATORS = "and on (instance) weir_leader";

export const fleet: Dashboard = {
  uid: "weir-fleet",
  title: "Weir / Fleet",
  description: "All StreamingJobs and the operator that looks after them.",
  variables: [],
  rows: [
    {
      title: "Now",
      panels: [
        {
          title: "Jobs by state",
          type: "stat",
          width: 10,
          height: 5,
          queries: [
            { expr: `sum by (state) (max by (job_namespace, job_name, state) (weir_job_state))`, legend: "{{state}}" },
          ],
        },
        {
          title: "Failed",
          type: "stat",
          width: 3,
          height: 5,
          redAbove: 1,
          queries: [{ expr: `count(max ${BY_JOB} (weir_job_state{state="FAILED"}) == 1) or vector(0)` }],
        },
        {
          title: "Behind their objective",
          type: "stat",
          width: 4,
          height: 5,
          redAbove: 1,
          queries: [
            {
              expr: `count(max ${BY_JOB} (weir_job_lag_seconds) > on (job_namespace, job_name) max ${BY_JOB} (weir_job_slo_max_lag_seconds)) or vector(0)`,
            },
          ],
        },
        {
          title: "State not safe",
          description: "Jobs without a verified, durable place to resume from.",
          type: "stat",
          width: 4,
          height: 5,
          redAbove: 1,
          queries: [
            { expr: `count(max ${BY_JOB} (weir_job_condition{condition="StateSafe", status="False"})) or vector(0)` },
          ],
        },
        {
          title: "Leaders",
          description: "1 in each installation of Weir.",
          type: "stat",
          width: 3,
          height: 5,
          queries: [{ expr: "sum(weir_leader) or vector(0)" }],
        },
      ],
    },
    {
      title: "Jobs",
      panels: [
        {
          title: "Lag, the ten longest",
          unit: "s",
          width: 12,
          queries: [{ expr: `topk(10, max ${BY_JOB} (weir_job_lag_seconds))`, legend: JOB }],
        },
        {
          title: "Records read",
          unit: "rps",
          width: 12,
          queries: [
            { expr: `topk(10, sum ${BY_JOB} (rate(weir_worker_records_in_total[$__rate_interval])))`, legend: JOB },
          ],
        },
        {
          title: "Age of checkpoints, as a share of what is allowed",
          description: "Above 1, checkpoints do not complete in time.",
          unit: "percentunit",
          redAbove: 1,
          queries: [
            {
              expr: `topk(10, max ${BY_JOB} (weir_job_checkpoint_age_seconds) / on (job_namespace, job_name) max ${BY_JOB} (weir_job_checkpoint_max_age_seconds))`,
              legend: JOB,
            },
          ],
        },
        {
          title: "Failures of workers in 15 minutes",
          queries: [{ expr: `max ${BY_JOB} (increase(weir_job_restarts_total[15m])) > 0`, legend: JOB }],
        },
        {
          title: "Workers",
          queries: [
            {
              expr: "sum by (kind) (max by (job_namespace, job_name, kind) (weir_job_parallelism))",
              legend: "{{kind}}",
            },
          ],
        },
        {
          title: "Busiest workers",
          description: "1 is a worker that has no time left.",
          unit: "percentunit",
          redAbove: 0.9,
          queries: [{ expr: `topk(10, max ${BY_JOB} (weir_job_busy_ratio))`, legend: JOB }],
        },
        {
          title: "Operations in flight",
          unit: "s",
          width: 12,
          queries: [
            {
              expr: "max by (job_namespace, job_name, operation) (weir_job_operation_seconds)",
              legend: `${JOB} {{operation}}`,
            },
          ],
        },
        {
          title: "Conditions that are not as they should be",
          type: "table",
          width: 12,
          queries: [
            {
              expr: 'max by (job_namespace, job_name, condition, status) (weir_job_condition{condition=~"Ready|StateSafe|Checkpointing|SLOMet", status!="True"} or weir_job_condition{condition=~"Stalled|ScalingLimited", status="True"})',
            },
          ],
        },
      ],
    },
    {
      title: "Operator",
      panels: [
        {
          title: "CPU",
          unit: "percentunit",
          queries: [
            { expr: `rate(process_cpu_seconds_total[$__rate_interval]) ${OF_OPERATORS}`, legend: "{{instance}}" },
          ],
        },
        {
          title: "Memory",
          unit: "bytes",
          queries: [{ expr: `process_resident_memory_bytes ${OF_OPERATORS}`, legend: "{{instance}}" }],
        },
        {
          title: "Event loop in use",
          unit: "percentunit",
          redAbove: 0.8,
          queries: [{ expr: "rate(weir_event_loop_busy_seconds_total[$__rate_interval])", legend: "{{instance}}" }],
        },
        {
          title: "Time a key waits, 99th percentile",
          unit: "s",
          queries: [
            {
              expr: "histogram_quantile(0.99, sum by (le, queue) (rate(weir_queue_wait_seconds_bucket[$__rate_interval])))",
              legend: "{{queue}}",
            },
          ],
        },
        {
          title: "Reconciles and retries",
          unit: "ops",
          queries: [
            { expr: "sum by (queue) (rate(weir_queue_work_seconds_count[$__rate_interval]))", legend: "{{queue}}" },
            { expr: "sum by (queue) (rate(weir_queue_retries_total[$__rate_interval]))", legend: "{{queue}} again" },
          ],
        },
        {
          title: "Calls of the API server",
          unit: "ops",
          queries: [
            {
              expr: "sum by (verb, code) (rate(weir_kube_requests_total[$__rate_interval]))",
              legend: "{{verb}} {{code}}",
            },
          ],
        },
        {
          title: "Silence of watches",
          description: "The API server says something at least every minute.",
          unit: "s",
          redAbove: 180,
          queries: [
            {
              expr: "max by (instance, resource) (weir_kube_watch_silence_seconds)",
              legend: "{{instance}} {{resource}}",
            },
          ],
        },
        {
          title: "Watches that ended",
          queries: [
            {
              expr: "sum by (resource, reason) (increase(weir_kube_watch_restarts_total[5m]))",
              legend: "{{resource}} {{reason}}",
            },
          ],
        },
        {
          title: "Objects in the cache",
          queries: [
            {
              expr: "max by (resource) (sum by (instance, resource) (weir_kube_cache_objects))",
              legend: "{{resource}}",
            },
          ],
        },
      ],
    },
  ],
};
