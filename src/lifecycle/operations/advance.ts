import type { JobOperation } from "../../api/streaming-job-status.schema.ts";
import type { Draft } from "../draft.ts";
import { act, enter, finish, goTo, targetOf, tell } from "../draft.ts";
import { stopped } from "../ending.ts";
import type { LifecycleSpec } from "../input.ts";
import type { OperationType, Step } from "../transitions.ts";
import { stepAfter } from "../transitions.ts";
import { deleteTopics, TOPICS_TIMEOUT_MS } from "./delete-topics.ts";
import { awaitRunning, launch, settle, verify } from "./arrive.ts";
import { awaitGone, terminate } from "./leave.ts";
import { relaunch, waitToRecover } from "./recover.ts";
import { awaitSavepoint, triggerSavepoint } from "./save.ts";
import type { StepHandler } from "./step.ts";

const HANDLERS: Readonly<Record<Step, StepHandler>> = {
  ResolveState: () => "Done", // launch resolves and records in one write
  Savepoint: triggerSavepoint,
  Trigger: triggerSavepoint,
  AwaitSavepoint: awaitSavepoint,
  Await: awaitSavepoint,
  Terminate: terminate,
  AwaitGone: awaitGone,
  DeleteTopics: deleteTopics,
  Launch: launch,
  AwaitRunning: awaitRunning,
  Verify: verify,
  Wait: waitToRecover,
  Relaunch: relaunch,
};

/** Workers get this long to end by themselves before their pods are deleted, which gives them their grace once more. */
const END_TIMEOUT_MS = 10_000;

/** Before a deletion ends anyway: to say why. */
const LEAVE_MS = 5_000;

/** Takes as many steps as the world already allows; the last one is the one that is written and acted on. */
export function advance(draft: Draft, spec: LifecycleSpec): void {
  for (let taken = 0; taken < 16; taken++) {
    const { operation } = draft.status;
    if (operation === undefined) return;
    const result = HANDLERS[operation.step as Step]({ draft, operation, spec });
    if (result !== "Done") return;
    const next = stepAfter(operation.type as OperationType, operation.step as Step);
    if (next === undefined) {
      complete(draft, operation);
      return;
    }
    goTo(draft, operation, next, deadlineOf(draft, spec, next, operation));
  }
}

/** A step keeps the deadline of the one before, unless it brings its own. */
function deadlineOf(draft: Draft, spec: LifecycleSpec, step: Step, operation: JobOperation): number | undefined {
  if (step === "Terminate") {
    const saving = targetOf(operation).leave === "Checkpoint" ? spec.checkpoint.timeoutMs : 0;
    return draft.input.now + saving + END_TIMEOUT_MS;
  }
  if (step === "AwaitGone") return operation.type === "Delete" ? deleteDeadline(draft, spec) : undefined;
  if (step === "DeleteTopics") return Math.min(draft.input.now + TOPICS_TIMEOUT_MS, deleteEnd(draft, spec) - LEAVE_MS);
  if (step === "Launch" || operation.deadline === undefined) return undefined;
  return Date.parse(operation.deadline);
}

export function deleteDeadline(draft: Draft, spec: LifecycleSpec | undefined): number {
  return (draft.input.job.deletedAt ?? draft.input.now) + (spec?.deletion.timeoutMs ?? 300_000);
}

/** When a deletion goes on whatever still hangs. */
export function deleteEnd(draft: Draft, spec: LifecycleSpec): number {
  return deleteDeadline(draft, spec) + 30_000;
}

/** What is told when an operation that leaves the job running is complete. */
const RUNNING_AGAIN: Readonly<
  Partial<Record<OperationType, { reason: string; message: (epoch: number, slots: number) => string }>>
> = {
  Start: { reason: "Started", message: (epoch, slots) => `epoch ${epoch} runs with ${slots} workers` },
  Scale: { reason: "Scaled", message: (_, slots) => `the job runs with ${slots} workers` },
  Upgrade: { reason: "Upgraded", message: (epoch) => `epoch ${epoch} runs` },
  Restart: { reason: "Restarted", message: (epoch) => `epoch ${epoch} runs` },
  Recover: { reason: "Recovered", message: () => "every worker runs again" },
};

function complete(draft: Draft, operation: JobOperation): void {
  const type = operation.type as OperationType;
  finish(draft);
  if (type === "Stop") stopped(draft);
  if (type === "Delete") act(draft, { kind: "RemoveFinalizer" });
  const told = RUNNING_AGAIN[type];
  if (told === undefined) return;
  settle(draft);
  tell(draft, "Normal", told.reason, told.message(draft.status.epoch ?? 0, draft.memory.launched?.slots ?? 0));
  enter(draft, "RUNNING");
}
