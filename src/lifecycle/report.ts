import { LABEL } from "../api/group.ts";
import { catalogue } from "../errors.ts";
import { observed } from "../api/observed.ts";
import type { JobOperation } from "../api/streaming-job-status.schema.ts";
import { OPERATION_REASON, READY_AT_REST, READY_THROUGH, setCondition, setWhileTrue } from "./conditions.ts";
import type { Draft } from "./draft.ts";
import type { LifecycleSpec, Refusal } from "./input.ts";
import { nextEpoch } from "./launch.ts";
import { askedBy, refusalOf, wantedOf } from "./overrides.ts";
import { reportLosses } from "./report-losses.ts";
import { reportObjectives } from "./report-objectives.ts";
import { isPaused, reportState } from "./report-state.ts";
import { describeRestore, resolveRestore } from "./restore-point.ts";
import type { SlotView } from "./slots.ts";
import { isUp, slotViews } from "./slots.ts";
import { OPERATIONS } from "./transitions.ts";
import type { OperationType } from "./transitions.ts";
import { troubleOf } from "./trouble.ts";

const PAUSED = { reason: "Paused", message: "the sources are stopped; workers and state stay" };

/** Writes what everybody may read: conditions, health, parallelism. Runs on every path, also for a spec that is refused. */
export function report(draft: Draft): void {
  const { input, status, memory } = draft;
  const slots = memory.launched === undefined ? [] : slotViews(draft, memory.launched);
  const trouble = troubleOf(draft, slots);
  Object.assign(status, observed(input.job));
  status.selector = `${LABEL.job}=${input.job.label}`;
  status.readyWorkers = slots.filter(isUp).length;
  const stalled = stalledBy(draft);
  announceStall(draft, stalled);
  setWhileTrue(draft, "Stalled", stalled);
  setWhileTrue(draft, "Reconciling", reconciling(draft, trouble));
  reportReady(draft, slots, trouble ?? (memory.launched === undefined ? stalled : undefined));
  setWhileTrue(draft, "Paused", isPaused(draft, slots) ? PAUSED : undefined);
  setWhileTrue(draft, "ReconciliationPaused", undefined);
  if (input.spec !== undefined) {
    const desired = wantedOf(draft, input.spec).parallelism;
    status.engine = input.spec.engine;
    status.specHash = input.spec.specHash;
    status.delivery = input.spec.delivery;
    status.parallelism = { desired, effective: memory.launched?.slots ?? 0, ready: status.readyWorkers };
    reportState(draft, input.spec, slots);
    reportObjectives(draft, input.spec, slots);
    reportLosses(draft, slots);
  }
  setWhileTrue(draft, "DeliveryAtRisk", deliveryAtRisk(draft));
  status.health = healthOf(draft, slots, trouble ?? stalled);
  status.internal = memory;
}

/** Why something that should be does not happen by itself: the user must act. */
function stalledBy(draft: Draft): Refusal | undefined {
  const { refusal, spec } = draft.input;
  if (draft.status.operation?.type === "Delete") return undefined;
  if (refusal !== undefined) return refusal;
  if (draft.status.state === "FAILED")
    return { reason: draft.memory.ended?.code ?? "Failed", message: failureText(draft) };
  if (spec === undefined) return undefined;
  return refusalOf(draft, spec) ?? blockedLaunch(draft, spec) ?? refusedScale(draft, spec);
}

/** For as long as the job has failed with it: the user must decide what is written twice, or not at all. */
function deliveryAtRisk({ status }: Draft): Refusal | undefined {
  if (status.state !== "FAILED" || status.failure?.code !== "DELIVERY_AT_RISK") return undefined;
  return { reason: catalogue.DELIVERY_AT_RISK.reason, message: status.failure.message };
}

/** Once for each answer; the failure of a job has an Event of its own. */
function announceStall({ status, events }: Draft, stalled: Refusal | undefined): void {
  if (stalled === undefined || status.state === "FAILED") return;
  const before = status.conditions?.find((c) => c.type === "Stalled");
  if (before?.message !== stalled.message) events.push({ type: "Warning", ...stalled });
}

/** No place to start the next epoch from is known: also after the workers of the one before are gone. */
function blockedLaunch(draft: Draft, spec: LifecycleSpec): Refusal | undefined {
  const { launched } = draft.memory;
  if (draft.status.operation?.step !== "Launch" || (launched !== undefined && launched.ending !== true))
    return undefined;
  const resolved = resolveRestore(draft, spec, nextEpoch(draft));
  return "blocked" in resolved ? resolved.blocked : undefined;
}

function refusedScale(draft: Draft, spec: LifecycleSpec): Refusal | undefined {
  const { refused } = draft.memory;
  if (refused?.generation !== draft.input.job.generation) return undefined;
  return refused.slots === wantedOf(draft, spec).parallelism
    ? { reason: "ScaledBack", message: refused.message }
    : undefined;
}

function failureText(draft: Draft): string {
  const failure = draft.status.failure;
  return `${failure?.message ?? "the job gave up"}; change the spec or set weir.dev/start to try again`;
}

function reportReady(draft: Draft, slots: readonly SlotView[], trouble: Refusal | undefined): void {
  const { operation, state = "CREATED" } = draft.status;
  const type = operation?.type as OperationType | undefined;
  if (operation !== undefined && type !== undefined && !READY_THROUGH.includes(type)) {
    const { reason, message } = trouble ?? { reason: OPERATION_REASON[type], message: progress(operation) };
    setCondition(draft, "Ready", { status: "False", reason, message });
  } else if (trouble !== undefined && (state === "RUNNING" || state === "CREATED")) {
    setCondition(draft, "Ready", { status: "False", ...trouble });
  } else {
    const { status, reason } = READY_AT_REST[state];
    setCondition(draft, "Ready", {
      status,
      reason: reasonAtRest(draft, slots) ?? reason,
      message: MESSAGE_AT_REST[state](draft),
    });
  }
}

/** Present while Weir is at work on it and needs nobody. */
function reconciling(draft: Draft, trouble: Refusal | undefined): Refusal | undefined {
  const { operation, conditions = [] } = draft.status;
  if (operation === undefined || operation.type === "Savepoint") return undefined;
  if (draft.memory.launched === undefined && conditions.some((c) => c.type === "Stalled")) return undefined;
  const message = trouble === undefined ? progress(operation) : `${progress(operation)}: ${trouble.message}`;
  return { reason: OPERATION_REASON[operation.type as OperationType], message };
}

function progress(operation: JobOperation): string {
  const steps: readonly string[] = OPERATIONS[operation.type as OperationType];
  const step = `step ${steps.indexOf(operation.step) + 1} of ${steps.length}, ${operation.step}`;
  return `${operation.type}, asked for by ${operation.trigger ?? "spec"}: ${step}`;
}

function reasonAtRest(draft: Draft, slots: readonly SlotView[]): string | undefined {
  if (draft.status.state === "STOPPED") return draft.memory.ended?.reason;
  if (draft.status.state === "FAILED") return draft.memory.ended?.code;
  return isPaused(draft, slots) ? "Paused" : undefined;
}

type State = keyof typeof READY_AT_REST;

const MESSAGE_AT_REST: Readonly<Record<State, (draft: Draft) => string>> = {
  CREATED: () => "the job has not started yet",
  SCALING: () => "the job moves to another parallelism",
  RUNNING: ({ memory, status }) => `${memory.launched?.slots ?? 0} workers run epoch ${status.epoch ?? 0}`,
  STOPPED: (draft) => {
    if (draft.memory.ended?.reason === "Completed") return "the bounded input is done";
    const point = describeRestore(draft.memory.restorePoint);
    return `stopped, asked for by ${askedBy(draft, "desiredState")}; the next start resumes from ${point}`;
  },
  FAILED: failureText,
};

/** The seed's words: DOWN does no work that it should; DEGRADED does some, or is at risk. */
function healthOf(draft: Draft, slots: readonly SlotView[], trouble: Refusal | undefined): "UP" | "DEGRADED" | "DOWN" {
  const { state, checkpoint } = draft.status;
  if (state === "FAILED") return "DOWN";
  if (state === "STOPPED") return "UP";
  const up = slots.filter(isUp).length;
  if (state !== "RUNNING") return "DEGRADED";
  if (up === 0) return "DOWN";
  const failing = (checkpoint?.failures ?? 0) > 0;
  return trouble !== undefined || up < slots.length || failing ? "DEGRADED" : "UP";
}
