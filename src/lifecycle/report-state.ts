import type { ConditionValue } from "./conditions.ts";
import { clearCondition, setCondition } from "./conditions.ts";
import type { Draft } from "./draft.ts";
import type { LifecycleSpec } from "./input.ts";
import { wantedOf } from "./overrides.ts";
import { failureOf } from "./recovery.ts";
import { describeRestore } from "./restore-point.ts";
import type { SlotView } from "./slots.ts";
import { isDone } from "./slots.ts";

/** Is the state safe, and does it go on being saved? */
export function reportState(draft: Draft, spec: LifecycleSpec, slots: readonly SlotView[]): void {
  setCondition(draft, "StateSafe", stateSafe(draft, spec));
  if (slots.length === 0) clearCondition(draft, "Checkpointing");
  else setCondition(draft, "Checkpointing", checkpointing(draft, spec, slots));
}

function stateSafe(draft: Draft, spec: LifecycleSpec): ConditionValue {
  if (spec.checkpoint.uri.startsWith("memory:")) {
    const message =
      "checkpoints are kept in memory: a stop or restart begins without state; set spec.checkpoint.storage.uri";
    return { status: "False", reason: "NotDurable", message };
  }
  if (draft.status.lineage?.hadState !== true) {
    return { status: "Unknown", reason: "NoCheckpointYet", message: "no checkpoint completed yet" };
  }
  const point = draft.memory.restorePoint;
  if (point === undefined || point.kind === "none") {
    return { status: "False", reason: "RestorePointMissing", message: "no place to resume from is recorded" };
  }
  return {
    status: "True",
    reason: "RestorePointVerified",
    message: `the job resumes from the ${describeRestore(point)}`,
  };
}

function checkpointing(draft: Draft, spec: LifecycleSpec, slots: readonly SlotView[]): ConditionValue {
  const failing = slots.find((s) => s.worker?.checkpoint?.ok === false);
  if (failing !== undefined) {
    const why = failing.worker?.checkpoint?.error ?? "the last checkpoint failed";
    const message = `worker ${failing.slot}: ${why}; tried again every ${spec.checkpoint.intervalMs} ms`;
    return { status: "False", reason: "CheckpointFailing", message };
  }
  for (const slot of slots) {
    const why = unwritable(slot);
    if (why === undefined) continue;
    return { status: "False", reason: "CheckpointUnwritable", message: `worker ${slot.slot}: ${why}` };
  }
  if (slots.some((s) => s.worker?.checkpoint === undefined)) {
    const message = "not every worker has completed a checkpoint in this epoch";
    return { status: "Unknown", reason: "NoCheckpointYet", message };
  }
  const oldest = draft.input.now - spec.checkpoint.maxAgeMs;
  const late = slots.find((s) => !isDone(s) && (s.worker?.checkpoint?.completedAt ?? 0) < oldest);
  if (late !== undefined && !isPaused(draft, slots)) {
    const message = `worker ${late.slot} completed no checkpoint within its interval and timeout`;
    return { status: "False", reason: "CheckpointLate", message };
  }
  return { status: "True", reason: "CheckpointCurrent", message: "every worker checkpoints in time" };
}

/** A worker that cannot write at its start takes no checkpoint that could fail. */
function unwritable(slot: SlotView): string | undefined {
  return [slot.worker?.problem, failureOf(slot)].find((f) => f?.code === "CHECKPOINT_UNWRITABLE")?.message;
}

export function isPaused(draft: Draft, slots: readonly SlotView[]): boolean {
  const { spec } = draft.input;
  if (spec === undefined || slots.length === 0 || wantedOf(draft, spec).desiredState !== "Paused") return false;
  return slots.every((s) => s.worker?.phase === "Paused" || isDone(s));
}
