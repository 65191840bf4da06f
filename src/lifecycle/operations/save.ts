import type { StreamingJobStatus } from "../../api/streaming-job-status.schema.ts";
import type { ErrorCode } from "../../errors.ts";
import type { Draft } from "../draft.ts";
import { act, begin, instant, overdue, targetOf, tell, timeOf, wakeAt } from "../draft.ts";
import type { Launched } from "../memory.ts";
import { answerRequest } from "../requests.ts";
import type { SlotView } from "../slots.ts";
import { isDone, isUp, slotViews } from "../slots.ts";
import type { OperationType } from "../transitions.ts";
import { OPERATIONS } from "../transitions.ts";
import { forced } from "./leave.ts";
import type { StepContext, StepResult } from "./step.ts";

/** Looking again while workers write their parts; their events usually come first. */
const POLL_MS = 1_000;
/** What a worker says that can take its part in another savepoint only. */
const INTERRUPTED: ErrorCode = "SAVEPOINT_INTERRUPTED";
/** What one says that has nothing left to take its part with. */
const REFUSED: ErrorCode = "WORKER_REFUSED";

/** Savepoint, Trigger: every worker has been told the id. */
export function triggerSavepoint(context: StepContext): StepResult {
  const { draft, operation } = context;
  const launched = draft.memory.launched;
  const { savepoint: uri } = targetOf(operation);
  if (uri === undefined || launched === undefined) return "Done";
  const slots = slotViews(draft, launched);
  const trouble = failedPart(context, slots) ?? obstacle(context, slots);
  if (trouble !== undefined) return trouble;
  if (!tellUntold(context, slots, uri)) return "Done";
  wakeAt(draft, draft.input.now + POLL_MS);
  return "Wait";
}

/** A worker that is told an id twice takes one savepoint; false when all know it. */
function tellUntold({ draft, operation }: StepContext, slots: readonly SlotView[], uri: string): boolean {
  const untold = slots.filter((s) => s.worker?.savepoint === undefined);
  const pods = untold.flatMap((s) => (s.pod === undefined ? [] : [s.pod.name]));
  if (pods.length === 0) return false;
  const { drain = false } = targetOf(operation);
  act(draft, { kind: "TriggerSavepoint", pods, id: operation.id, uri, pause: operation.type !== "Savepoint", drain });
  return true;
}

/** AwaitSavepoint, Await: all parts are durable, and the metadata that ties them together is written last. */
export function awaitSavepoint(context: StepContext): StepResult {
  const { draft, operation } = context;
  const launched = draft.memory.launched;
  const { savepoint: uri } = targetOf(operation);
  if (uri === undefined || launched === undefined) return "Done";
  if (draft.input.observed.sealed.includes(operation.id)) return recordSavepoint(context, launched, uri);

  const slots = slotViews(draft, launched);
  const trouble = failedPart(context, slots) ?? obstacle(context, slots);
  if (trouble !== undefined) return trouble;
  const parts = slots.flatMap((s) => s.worker?.savepoint?.part ?? []);
  const pod = slots[0]?.pod?.name;
  if (parts.length === slots.length && pod !== undefined) {
    act(draft, { kind: "SealSavepoint", pod, id: operation.id, uri, parts });
  } else tellUntold(context, slots, uri); // one that was restarted since knows nothing of it
  wakeAt(draft, draft.input.now + POLL_MS);
  return "Wait";
}

function failedPart(context: StepContext, slots: readonly SlotView[]): StepResult | undefined {
  const failed = slots.filter((s) => s.worker?.savepoint?.state === "Failed");
  const final = failed.find((s) => !isInterrupted(s) && !isLate(s)) ?? failed.find(isLate);
  const [first] = final === undefined ? failed : [final];
  if (first === undefined) return undefined;
  if (isLate(first)) return giveUp(context, endedBefore(slots), "Ended");
  const why = `worker ${first.slot}: ${first.worker?.savepoint?.error ?? "its part failed"}`;
  return final === undefined && mayBeginAnew(context) ? beginAnew(context, why) : giveUp(context, why);
}

const isInterrupted = ({ worker }: SlotView): boolean => worker?.savepoint?.code === INTERRUPTED;

/** It has read all of its input and stays for a moment only: it takes no part any more. */
const isLate = ({ worker }: SlotView): boolean => worker?.phase === "Finished" && worker.savepoint?.code === REFUSED;

/** Workers that have drained have closed their windows: they start again once the savepoint is given up. */
const mayBeginAnew = ({ draft, operation }: StepContext): boolean =>
  targetOf(operation).drain !== true && !overdue(draft, operation);

/** Another id and place, in the time that is left: what workers have written for the one before says nothing of this one. */
function beginAnew({ draft, operation }: StepContext, why: string): StepResult {
  const type = operation.type as OperationType;
  const { savepoint: uri = "", ...target } = targetOf(operation);
  tell(draft, "Warning", "SavepointInterrupted", `savepoint ${uri} is begun anew: ${why}`);
  const deadline = operation.deadline === undefined ? undefined : timeOf(operation.deadline);
  const next = begin(draft, { type, step: OPERATIONS[type][0], by: operation.trigger ?? "spec", target, deadline });
  next.startedAt = operation.startedAt;
  next.attempt = (operation.attempt ?? 1) + 1;
  targetOf(next).savepoint = `${uri.slice(0, -operation.id.length)}${next.id}`;
  wakeAt(draft, draft.input.now + POLL_MS);
  return "Ended";
}

function recordSavepoint({ draft, operation }: StepContext, launched: Launched, uri: string): StepResult {
  const bytes = slotViews(draft, launched).reduce((sum, s) => sum + (s.worker?.savepoint?.part?.bytes ?? 0), 0);
  draft.status.savepoint = { uri, completedAt: instant(draft.input.now), bytes };
  draft.status.lineage = { ...(draft.status.lineage ?? { id: "" }), hadState: true };
  // After a savepoint that pauses nothing is committed any more, so it is the newest state there is.
  if (operation.type !== "Savepoint") {
    draft.memory.restorePoint = { kind: "savepoint", uri, allowNonRestoredState: false };
  }
  const message = `savepoint ${uri} is complete`;
  if (operation.type === "Savepoint") answerRequest(draft, operation.trigger, { outcome: "Succeeded", message });
  tell(draft, "Normal", "Savepoint", message);
  return "Done";
}

/**
 * A savepoint needs every worker. One that is not running fails it at once; one that does not answer is waited for
 * until the deadline, because unreachable is not stopped; unless the deletion is forced.
 */
function obstacle(context: StepContext, slots: readonly SlotView[]): StepResult | undefined {
  const { draft, operation } = context;
  const down = slots.find((s) => !isUp(s)) ?? slots.find(isDone);
  if (overdue(draft, operation)) return giveUp(context, "it did not complete in time");
  if (down === undefined) return undefined;
  if (isDone(down)) return giveUp(context, endedBefore(slots), "Ended");
  if (operation.type === "Delete" && forced(draft)) return giveUp(context, `worker ${down.slot} does not answer`);
  if (draft.memory.launched?.stable === true && isSilent(down)) return "Wait";
  return giveUp(context, `worker ${down.slot} is not running${because(down)}`);
}

/** That input has an end is no fault: who has read it has said all, and is gone. */
function endedBefore(all: readonly SlotView[]): string {
  const ended = all.filter((s) => isDone(s) || s.worker?.phase === "Finished");
  if (ended.length === all.length)
    return "the job has read all of its input and is done; its last checkpoints are its final state";
  const who = ended.length === 1 ? `worker ${ended[0]?.slot}` : `workers ${ended.map(({ slot }) => slot).join(", ")}`;
  const have = ended.length === 1 ? "has read all of its input and has" : "have read all of their input and have";
  return `${who} ${have} ended, and a savepoint needs every worker; the last checkpoints have the whole state`;
}

function because({ pod, worker }: SlotView): string {
  const failure = worker?.failure ?? pod?.exit?.failure;
  return failure === undefined ? "" : `: ${failure.message}`;
}

function isSilent({ pod, worker }: SlotView): boolean {
  return pod?.phase === "Running" && pod.waiting === undefined && !pod.deleting && worker?.failure === undefined;
}

/** Without a savepoint the newest checkpoints are the state: nothing is lost, and sources read again from there. */
function giveUp(context: StepContext, why: string, because: "Failed" | "Ended" = "Failed"): StepResult {
  const { draft, operation, spec } = context;
  const target = targetOf(operation);
  if (because === "Ended") tell(draft, "Normal", "SavepointNotTaken", `no savepoint is taken: ${why}`);
  else tell(draft, "Warning", "SavepointFailed", `savepoint ${target.savepoint ?? ""} failed: ${why}`);
  if (operation.type === "Savepoint") {
    answerRequest(draft, operation.trigger, { outcome: because === "Ended" ? "Refused" : "Failed", message: why });
    delete draft.status.operation;
    return "Ended";
  }
  const relaunch = operation.type === "Scale" || operation.type === "Upgrade" || operation.type === "Restart";
  if (relaunch && !spec.upgrade.fallback) {
    const { job } = draft.input;
    const message = `no savepoint could be taken (${why}) and spec.upgrade.fallback is None`;
    draft.memory.refused = { slots: target.slots ?? spec.parallelism, generation: job.generation, message };
    answerRequest(draft, operation.trigger, { outcome: "Failed", message });
    delete draft.status.operation;
    return "Ended";
  }
  answerRequest(draft, operation.trigger, {
    message: `no savepoint could be taken (${why}): it goes by the newest checkpoints`,
  });
  delete target.savepoint;
  target.leave = "Checkpoint";
  return "Done";
}

/** A part that nobody waits for any more holds sources: all of them, while it waits for a worker that is gone. */
export function abandonUnwanted(draft: Draft): void {
  const { launched } = draft.memory;
  if (launched === undefined) return;
  const wanted = savingOperation(draft.status);
  const saving = slotViews(draft, launched).flatMap(({ pod, worker }) =>
    pod === undefined || worker?.reachable !== true
      ? []
      : worker.saving.filter((id) => id !== wanted).map((id) => ({ id, pod: pod.name })),
  );
  for (const [id, of] of Map.groupBy(saving, (each) => each.id))
    act(draft, { kind: "AbandonSavepoint", pods: of.map(({ pod }) => pod), id });
}

/** The id of the operation that takes a savepoint now. */
export function savingOperation({ operation }: StreamingJobStatus): string | undefined {
  return operation?.target?.["savepoint"] === undefined ? undefined : operation.id;
}
