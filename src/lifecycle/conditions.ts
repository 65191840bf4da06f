import type { Condition, ConditionType, Reason } from "../api/conditions.ts";
import type { Draft } from "./draft.ts";
import { instant } from "./draft.ts";
import type { OperationType } from "./transitions.ts";

/** The reason that an operation gives to Ready and Reconciling while it runs. */
export const OPERATION_REASON: Readonly<Record<OperationType, Reason>> = {
  Start: "Starting",
  Stop: "Stopping",
  Savepoint: "Savepointing",
  Scale: "Scaling",
  Upgrade: "Upgrading",
  Restart: "Upgrading",
  Recover: "Recovering",
  Delete: "Deleting",
};

/**
 * Ready by state, where no operation changes it. A job that is stopped because that was asked for is ready: every GitOps
 * wait would hang on it otherwise.
 */
export const READY_AT_REST = {
  CREATED: { status: "False", reason: "Created" },
  RUNNING: { status: "True", reason: "Running" },
  SCALING: { status: "False", reason: "Scaling" },
  STOPPED: { status: "True", reason: "Stopped" },
  FAILED: { status: "False", reason: "Failed" },
} as const satisfies Record<string, { status: "True" | "False"; reason: Reason }>;

/** A running job stays ready through these: its workers go on meanwhile. */
export const READY_THROUGH: readonly OperationType[] = ["Savepoint"];

export interface ConditionValue {
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
}

/** Sets a condition; the transition time moves only with the status. */
export function setCondition(draft: Draft, type: ConditionType, value: ConditionValue): void {
  const { now, job } = draft.input;
  const list = draft.status.conditions ?? [];
  const old = list.find((c) => c.type === type);
  const fresh: Condition = {
    type,
    status: value.status,
    observedGeneration: job.generation,
    lastTransitionTime: old?.status === value.status ? old.lastTransitionTime : instant(now),
    reason: value.reason,
    message: value.message.slice(0, 32_768),
  };
  draft.status.conditions = old === undefined ? [...list, fresh] : list.map((c) => (c.type === type ? fresh : c));
}

export function clearCondition(draft: Draft, type: ConditionType): void {
  draft.status.conditions = (draft.status.conditions ?? []).filter((c) => c.type !== type);
}

/** For kstatus: present only while true. */
export function setWhileTrue(
  draft: Draft,
  type: ConditionType,
  value: { reason: string; message: string } | undefined,
): void {
  if (value === undefined) clearCondition(draft, type);
  else setCondition(draft, type, { status: "True", ...value });
}
