import type { Draft } from "../draft.ts";
import { begin, finish, goTo, overdue, targetOf, tell, wakeAt } from "../draft.ts";
import { fail, stopped } from "../ending.ts";
import { nextEpoch, openEpoch } from "../launch.ts";
import type { Launched } from "../memory.ts";
import { refusalOf, wantedOf } from "../overrides.ts";
import { examine, replace } from "../recovery.ts";
import { answerGivenUp } from "../requests.ts";
import { describeRestore, resolveRestore } from "../restore-point.ts";
import { isUp, slotViews } from "../slots.ts";
import type { StepContext, StepResult } from "./step.ts";

/** A scale or upgrade that is not up after this goes back. */
const LAUNCH_TIMEOUT_MS = 300_000;
/** Workers that were told to end are deleted after this. */
const END_TIMEOUT_MS = 10_000;
/** A new epoch counts as good after its first checkpoints, or this long without a failure. */
const VERIFY_MS = 30_000;

/** Launch: the epoch is in the journal, and every slot's pod has been seen. */
export function launch(context: StepContext): StepResult {
  const { draft, operation } = context;
  let { launched } = draft.memory;
  if (launched === undefined || launched.ending === true) {
    if (endsHere(context)) return "Ended";
    const opened = open(context);
    if (opened === undefined) return "Wait";
    launched = opened;
    if (operation.type !== "Start") goTo(draft, operation, "Launch", draft.input.now + LAUNCH_TIMEOUT_MS);
  }
  return slotViews(draft, launched).every((s) => s.memory.seen) ? "Done" : "Wait";
}

/** Between the old epoch and the new one everything may have changed: nothing is launched that is not wanted any more. */
function endsHere({ draft, operation, spec }: StepContext): boolean {
  if (operation.type === "Start") {
    if (refusalOf(draft, spec) !== undefined) finish(draft);
    return draft.status.operation === undefined;
  }
  if (wantedOf(draft, spec).desiredState !== "Stopped") return false;
  answerGivenUp(draft, operation, "the job stops");
  stopped(draft);
  return true;
}

function open({ draft, operation, spec }: StepContext): Launched | undefined {
  const target = targetOf(operation);
  const epoch = nextEpoch(draft);
  const before = draft.memory.launched;
  if (refusalOf(draft, spec) !== undefined && before !== undefined) {
    // The newest spec cannot run, and the old workers are gone: what ran before comes back.
    target.copyOf = before.epoch;
    target.slots = before.slots;
  } else if (target.copyOf === undefined) target.slots = wantedOf(draft, spec).parallelism;
  if (target.stateless === true) {
    return openEpoch(draft, spec, {
      operation,
      restore: { kind: "none" },
      lineage: `${draft.input.job.uid.slice(0, 8)}-${epoch}`,
    });
  }
  const resolved = resolveRestore(draft, spec, epoch);
  if ("blocked" in resolved) return undefined;
  const { restorePoint, used } = draft.memory;
  draft.memory.used = { ...used, ...resolved.used };
  draft.memory.restorePoint = resolved.restore;
  const launched = openEpoch(draft, spec, { operation, ...resolved });
  if (resolved.named === true) launched.replaced = { restorePoint, used };
  tell(
    draft,
    "Normal",
    "Launching",
    `epoch ${launched.epoch} with ${launched.slots} workers from ${describeRestore(resolved.restore)}`,
  );
  return launched;
}

/** AwaitRunning: every worker is up. Failures on the way are answered by the restart strategy. */
export function awaitRunning(context: StepContext): StepResult {
  const { draft, operation } = context;
  const launched = draft.memory.launched;
  if (launched === undefined) return "Ended";
  const trouble = tend(context, launched);
  if (trouble !== undefined) return trouble;
  if (!slotViews(draft, launched).every(isUp)) {
    return overdue(draft, operation) ? goBack(context, launched, "its workers did not come up in time") : "Wait";
  }
  targetOf(operation).runningSince = draft.input.now;
  draft.status.state = "RUNNING";
  return "Done";
}

/** Verify: the new epoch holds. */
export function verify(context: StepContext): StepResult {
  const { draft, operation, spec } = context;
  const launched = draft.memory.launched;
  if (launched === undefined) return "Ended";
  const trouble = tend(context, launched);
  if (trouble !== undefined) return trouble;
  const since = targetOf(operation).runningSince ?? draft.input.now;
  const until = since + Math.min(VERIFY_MS, spec.checkpoint.intervalMs);
  const saved = slotViews(draft, launched).every((s) => s.worker?.checkpoint?.ok === true);
  if (saved || draft.input.now >= until) return "Done";
  wakeAt(draft, until);
  return "Wait";
}

function tend(context: StepContext, launched: Launched): StepResult | undefined {
  const { draft, operation, spec } = context;
  const health = examine(draft, launched, spec);
  if (health.kind === "Sound") return undefined;
  if (health.kind === "Terminal") {
    if (canGoBack(context)) return goBack(context, launched, health.failure.message);
    fail(draft, health.failure, health.exhausted);
    return "Ended";
  }
  if (overdue(draft, operation)) return goBack(context, launched, health.reason);
  if (health.slots.length > 0 && draft.input.now >= health.nextAt) replace(draft, health.slots);
  return "Wait";
}

function canGoBack({ draft, operation }: StepContext): boolean {
  return (
    operation.type === "Scale" && targetOf(operation).copyOf === undefined && draft.memory.stableSlots !== undefined
  );
}

/** Scales back to what ran before, as an operation of its own; the refused target is remembered and shown. */
function goBack(context: StepContext, launched: Launched, why: string): StepResult {
  const { draft } = context;
  if (!canGoBack(context)) return "Wait";
  const slots = draft.memory.stableSlots ?? launched.slots;
  const message = `${launched.slots} workers did not come up (${why}); the job goes back to ${slots}`;
  draft.memory.refused = { slots: launched.slots, generation: draft.input.job.generation, message };
  tell(draft, "Warning", "ScaledBack", message);
  const target = { slots, copyOf: launched.epoch, because: "ScaledBack", leave: "Cancel" } as const;
  begin(draft, { type: "Scale", step: "Terminate", by: "failure", target, deadline: draft.input.now + END_TIMEOUT_MS });
  return "Ended";
}

/** Marks the epoch as one that a later scale may go back to. */
export function settle(draft: Draft): void {
  const { launched } = draft.memory;
  if (launched === undefined) return;
  launched.stable = true;
  draft.memory.stableSlots = launched.slots;
}
