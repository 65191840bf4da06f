import type { InlinePolicy } from "../api/control-policy.schema.ts";
import type { MaintenanceWindowSpec } from "../api/maintenance-window.schema.ts";
import type { Problem } from "../api/problem.ts";
import type { StreamingJobStatus } from "../api/streaming-job-status.schema.ts";

/** CloudEvents' names. `payload` is what the seed calls it: metrics {lag, throughput}, failed {error, restartable}, … */
export interface PolicyEvent {
  readonly type: string;
  /** ms since the epoch. */
  readonly time: number;
  readonly id?: string;
  readonly source?: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

export const MAINTENANCE_START = "maintenance.window.start";
export const MAINTENANCE_END = "maintenance.window.end";

export interface PolicyView {
  /** Name of the ControlPolicy; INLINE_POLICY for `spec.controlPolicy` of the job itself. */
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  readonly spec: InlinePolicy;
}
export const INLINE_POLICY = "spec.controlPolicy";

export interface WindowView {
  readonly name: string;
  readonly spec: MaintenanceWindowSpec;
}

/** What rules may know of the job: the CEL variable `job`, and what the arbiter looks at. */
export interface JobView {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly state: string;
  /** Workers wanted now, overrides included. */
  readonly parallelism: number;
  readonly maxParallelism: number;
  readonly desiredState: "Running" | "Paused" | "Stopped";
  /** Type of the operation in flight. */
  readonly operation: string | undefined;
  readonly overrides: NonNullable<StreamingJobStatus["overrides"]>;
}

/** What the last evaluation left in the job's status. */
export interface PolicyMemory {
  readonly policy: StreamingJobStatus["policy"];
  readonly decisions: StreamingJobStatus["decisions"];
  readonly maintenance: StreamingJobStatus["maintenance"];
}

export interface PolicyInput {
  readonly now: number;
  readonly job: JobView;
  /** The policies that select the job. */
  readonly policies: readonly PolicyView[];
  /** The maintenance windows that select the job. */
  readonly windows: readonly WindowView[];
  readonly memory: PolicyMemory;
  /** Since the last evaluation, oldest first. Maintenance events are made here, from the windows. */
  readonly events: readonly PolicyEvent[];
}

/** What the arbiter chose. Its form is that of a lifecycle intent. */
export type PolicyIntent = (
  | { readonly verb: "start" }
  | { readonly verb: "stop" }
  | { readonly verb: "restart"; readonly from: "LatestSavepoint" | "LatestCheckpoint" }
  | { readonly verb: "scale"; readonly parallelism: number }
  | { readonly verb: "savepoint" }
) & { readonly by: string; readonly reason: string; readonly actionId: string };

/** Something wrong with a policy, for its own conditions. */
export interface PolicyProblem {
  readonly policy: string;
  readonly rule: string;
  readonly code: "EXPRESSION_INVALID" | "EXPRESSION_OVER_BUDGET" | "POLICY_CONFLICT";
  readonly message: string;
  readonly expression?: NonNullable<Problem["expression"]>;
}

export interface PolicyOutput {
  /** At most one. */
  readonly intents: readonly PolicyIntent[];
  /** For people: rules with action Notify that fired. */
  readonly notices: readonly { readonly by: string; readonly message: string }[];
  readonly memory: Required<PolicyMemory>;
  /** Evaluate again at this time even without an event, ms since the epoch. */
  readonly nextEvaluationAt: number | undefined;
  readonly problems: readonly PolicyProblem[];
}
