import type { JobOperation, JobState, StreamingJobStatus } from "../api/streaming-job-status.schema.ts";
import type { Action, JobEvent } from "./decision.ts";
import type { LifecycleInput } from "./input.ts";
import type { Memory } from "./memory.ts";
import { readMemory } from "./memory.ts";
import type { OperationType, Step } from "./transitions.ts";
import { pastNoReturn } from "./transitions.ts";

/** A decision in the making: a private copy of the status, and what is asked for so far. */
export interface Draft {
  readonly input: LifecycleInput;
  readonly status: StreamingJobStatus;
  readonly memory: Memory;
  readonly actions: Action[];
  readonly events: JobEvent[];
  /** Moments to look again, ms since the epoch. */
  readonly wakes: number[];
}

export function beginDraft(input: LifecycleInput): Draft {
  const status = structuredClone(input.status);
  status.state ??= "CREATED";
  return { input, status, memory: readMemory(status.internal), actions: [], events: [], wakes: [] };
}

export const instant = (ms: number): string => new Date(ms).toISOString();
export const timeOf = (text: string | undefined): number => (text === undefined ? 0 : Date.parse(text));

export function act(draft: Draft, action: Action): void {
  draft.actions.push(action);
}

export function tell(draft: Draft, type: JobEvent["type"], reason: string, message: string): void {
  draft.events.push({ type, reason, message });
}

export function wakeAt(draft: Draft, at: number): void {
  draft.wakes.push(at);
}

export function enter(draft: Draft, state: JobState): void {
  draft.status.state = state;
}

/** What an operation remembers between its steps. */
export interface OperationTarget {
  /** Workers wanted afterwards. */
  slots?: number;
  /** Where the savepoint goes; its id is the operation's. */
  savepoint?: string;
  /** How workers leave. */
  leave?: "Cancel" | "Checkpoint";
  drain?: boolean;
  /** Relaunch what this epoch ran instead of the newest spec. */
  copyOf?: number;
  /** Start without state: the user said so. */
  stateless?: boolean;
  /** Why, for the message afterwards. */
  because?: string;
  /** All workers were seen running at this time. */
  runningSince?: number;
  /** Of the pod that deletes the topics between workers, and whether it has been seen. */
  epoch?: number;
  podAttempt?: number;
  podSeen?: boolean;
  /** A job that gives up on the way ends in FAILED instead of STOPPED. */
  fail?: boolean;
}

export interface Plan {
  readonly type: OperationType;
  readonly step: Step;
  readonly by: string;
  readonly target?: OperationTarget;
  readonly deadline?: number | undefined;
}

/** Puts an operation into the journal. Its id is stored here before any side effect carries it. */
export function begin(draft: Draft, plan: Plan): JobOperation {
  const { now } = draft.input;
  const operation: JobOperation = {
    id: `${plan.type.toLowerCase()}-${draft.status.epoch ?? 0}-${now.toString(36)}`,
    type: plan.type,
    step: plan.step,
    startedAt: instant(now),
    trigger: plan.by.slice(0, 512),
    target: { ...plan.target },
    pointOfNoReturn: pastNoReturn(plan.type, plan.step),
    ...(plan.deadline === undefined ? {} : { deadline: instant(plan.deadline) }),
  };
  draft.status.operation = operation;
  return operation;
}

export function targetOf(operation: JobOperation): OperationTarget {
  operation.target ??= {};
  return operation.target as OperationTarget;
}

export function goTo(draft: Draft, operation: JobOperation, step: Step, deadline?: number): void {
  operation.step = step;
  operation.pointOfNoReturn = pastNoReturn(operation.type as OperationType, step);
  if (deadline === undefined) delete operation.deadline;
  else operation.deadline = instant(deadline);
}

export function finish(draft: Draft): void {
  delete draft.status.operation;
}

/** True once the deadline passed; otherwise asks to be woken at it. */
export function overdue(draft: Draft, operation: JobOperation): boolean {
  if (operation.deadline === undefined) return false;
  const at = timeOf(operation.deadline);
  if (draft.input.now >= at) return true;
  wakeAt(draft, at);
  return false;
}
