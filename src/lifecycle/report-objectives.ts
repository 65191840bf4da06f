import { formatDuration } from "../api/duration.ts";
import type { ConditionValue } from "./conditions.ts";
import { clearCondition, setCondition } from "./conditions.ts";
import type { Draft } from "./draft.ts";
import { STALE_MS } from "./figures.ts";
import type { LifecycleSpec } from "./input.ts";
import { wantedOf } from "./overrides.ts";
import type { SlotView } from "./slots.ts";
import { isDone } from "./slots.ts";

/** Does the job keep what it promises, and has each of its workers something to do? */
export function reportObjectives(draft: Draft, spec: LifecycleSpec, slots: readonly SlotView[]): void {
  const objective = objectiveInForce(draft, spec, slots);
  if (objective === null) clearCondition(draft, "SLOMet");
  else setCondition(draft, "SLOMet", lagAgainst(draft, objective, slots));
  reportSplits(draft, slots);
}

/** A job that is stopped or paused because somebody asked for that promises nothing meanwhile. */
function objectiveInForce(draft: Draft, spec: LifecycleSpec, slots: readonly SlotView[]): number | null {
  return slots.length === 0 || wantedOf(draft, spec).desiredState !== "Running" ? null : spec.maxLagMs;
}

/** Above it, a lag must fall to this share of the objective: one that hovers around it must not cause a write each time. */
const RECOVERED = 0.9;

function lagAgainst(draft: Draft, maxLagMs: number, slots: readonly SlotView[]): ConditionValue {
  const lagMs = oldestUnread(slots, draft.input.now);
  const text = formatDuration(maxLagMs);
  if (lagMs === undefined) {
    return { status: "Unknown", reason: "LagUnknown", message: "the lag of a worker is missing or old" };
  }
  const wasAbove = draft.status.conditions?.some((c) => c.type === "SLOMet" && c.status === "False") === true;
  if (lagMs <= maxLagMs * (wasAbove ? RECOVERED : 1)) {
    return { status: "True", reason: "WithinObjective", message: `no unread record is older than slo.maxLag, ${text}` };
  }
  const message = `the oldest unread record is older than slo.maxLag, ${text}; scale the job, or look at what it waits for`;
  return { status: "False", reason: "LagAboveObjective", message };
}

/** Unknown while one worker's figure is missing or old: what leaves something out would look healthy. */
function oldestUnread(slots: readonly SlotView[], now: number): number | undefined {
  const ages = slots
    .filter((s) => !isDone(s))
    .map(({ worker }) => (worker === undefined || now - worker.metricsAt > STALE_MS ? null : worker.metrics?.lagMs));
  const known = ages.filter((age) => typeof age === "number");
  return known.length === ages.length ? Math.max(0, ...known) : undefined;
}

/** Splits are dealt once a start: what every worker says then holds until the next one. */
function reportSplits(draft: Draft, slots: readonly SlotView[]): void {
  const splits = slots.map((s) => s.worker?.metrics?.splits);
  if (slots.length > 0 && splits.includes(undefined)) return;
  const idle = splits.filter((count) => count === 0).length;
  if (idle === 0) {
    clearCondition(draft, "ScalingLimited");
    return;
  }
  const busy = slots.length - idle;
  const message = `${idle} of ${slots.length} workers have no split to read; ask for parallelism ${busy}, or give the sources more splits (partitions, files)`;
  setCondition(draft, "ScalingLimited", { status: "True", reason: "NotEnoughSplits", message });
}
