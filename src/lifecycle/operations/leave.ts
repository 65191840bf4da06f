import { ANNOTATION } from "../../api/group.ts";
import type { JobOperation } from "../../api/streaming-job-status.schema.ts";
import type { Draft } from "../draft.ts";
import { act, overdue, targetOf } from "../draft.ts";
import { deletePod } from "../launch.ts";
import { restoreAfter } from "../restore-point.ts";
import { slotViews, standing } from "../slots.ts";
import type { StepContext, StepResult } from "./step.ts";

/** Terminate: workers end by themselves, with a last checkpoint where no savepoint was taken. */
export function terminate({ draft, operation }: StepContext): StepResult {
  const launched = draft.memory.launched;
  if (launched === undefined) return "Done";
  launched.ending = true;
  const target = targetOf(operation);
  const slots = slotViews(draft, launched);
  const running = slots.filter(
    (s) => s.pod !== undefined && s.pod.phase !== "Succeeded" && s.worker?.reachable === true,
  );
  if (running.length === 0 || overdue(draft, operation) || forced(draft)) {
    if (target.savepoint === undefined) draft.memory.restorePoint = restoreAfter(launched);
    return "Done";
  }
  const untold = running.filter((s) => s.worker?.phase !== "Stopping" && s.worker?.phase !== "Finished");
  const pods = untold.flatMap((s) => (s.pod === undefined ? [] : [s.pod.name]));
  if (pods.length > 0) {
    const how = { mode: target.leave ?? "Cancel", drain: target.drain ?? false } as const;
    act(draft, { kind: "StopWorkers", pods, ...how, ...(isForGood(operation) ? { discard: true } : {}) });
  }
  return "Wait";
}

/**
 * Nobody goes on from what workers keep for each other: a savepoint has nothing of it, and who starts from it has new topics.
 * What is launched again at once deletes them with its first checkpoint; a job that is stopped may be so for months.
 */
const isForGood = (operation: JobOperation): boolean =>
  operation.type === "Delete" || (operation.type === "Stop" && targetOf(operation).savepoint !== undefined);

/** AwaitGone: no pod of any epoch is left that could still write. */
export function awaitGone({ draft, operation }: StepContext): StepResult {
  const pods = standing(draft);
  for (const pod of pods) if (!pod.deleting || forced(draft)) deletePod(draft, pod, forced(draft));
  if (pods.length === 0) return "Done";
  if (operation.type === "Delete" && overdue(draft, operation)) return "Done";
  return "Wait";
}

export function forced(draft: Draft): boolean {
  return draft.input.job.annotations[ANNOTATION.forceDelete] === "true";
}
