import { goTo } from "../draft.ts";
import { fail } from "../ending.ts";
import { examine, replace } from "../recovery.ts";
import { slotViews } from "../slots.ts";
import type { StepContext, StepResult } from "./step.ts";

/** Wait: the restart strategy's pause. A container that came back by itself in the meantime ends the recovery. */
export function waitToRecover({ draft, operation, spec }: StepContext): StepResult {
  const launched = draft.memory.launched;
  if (launched === undefined) return "Ended";
  const health = examine(draft, launched, spec);
  if (health.kind === "Terminal") {
    fail(draft, health.failure, health.exhausted);
    return "Ended";
  }
  if (health.kind === "Sound") {
    goTo(draft, operation, "AwaitRunning");
    return "Wait";
  }
  if (health.slots.length === 0 || draft.input.now < health.nextAt) return "Wait";
  replace(draft, health.slots);
  return "Done";
}

/** Relaunch: the pods of the new attempts have been seen. */
export function relaunch({ draft }: StepContext): StepResult {
  const launched = draft.memory.launched;
  if (launched === undefined) return "Ended";
  return slotViews(draft, launched).every((s) => s.memory.seen) ? "Done" : "Wait";
}
