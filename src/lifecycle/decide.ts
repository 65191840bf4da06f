import { ANNOTATION, FINALIZER } from "../api/group.ts";
import { bookkeep } from "./bookkeeping.ts";
import { choose, leaveBy, reconsider } from "./choose.ts";
import { followClock } from "./clock-set-back.ts";
import { setCondition } from "./conditions.ts";
import type { LifecycleDecision } from "./decision.ts";
import type { Draft } from "./draft.ts";
import { act, begin, beginDraft, tell } from "./draft.ts";
import type { LifecycleInput, LifecycleSpec } from "./input.ts";
import { ensureWorkers } from "./launch.ts";
import { advance, deleteDeadline, deleteEnd } from "./operations/advance.ts";
import { abandonUnwanted } from "./operations/save.ts";
import { endOverrides, wantedOf } from "./overrides.ts";
import { report } from "./report.ts";
import { takeRequests } from "./requests.ts";
import { takeVerdict } from "./verdict.ts";
import { slotViews } from "./slots.ts";
import { hasTopics, leaveTopics } from "./topics.ts";

/**
 * The one decision: from everything gathered to the next status, the side effects that this status has announced, and
 * when to look again. Pure; the same input always gives the same answer. See transitions.ts for what may happen.
 */
export function decide(input: LifecycleInput): LifecycleDecision {
  const draft = beginDraft(input);
  followClock(draft);
  adopt(draft);
  if (input.job.deletedAt !== undefined) remove(draft);
  else if (input.job.annotations[ANNOTATION.pauseReconciliation] === "true") return finish(draft, leaveAlone);
  else if (!input.job.finalizers.includes(FINALIZER)) act(draft, { kind: "AddFinalizer" });
  else if (input.spec !== undefined) steer(draft, input.spec);
  return finish(draft, report);
}

function finish(draft: Draft, tellAll: (draft: Draft) => void): LifecycleDecision {
  tellAll(draft);
  const { now } = draft.input;
  const next = draft.wakes.filter((at) => at > now);
  return {
    status: draft.status,
    actions: draft.actions,
    events: draft.events,
    requeueAfterMs: next.length === 0 ? undefined : Math.min(...next) - now,
  };
}

/** A status that was lost, by a restore of the cluster for example, must not make the job start empty. */
function adopt(draft: Draft): void {
  const { newestPlan } = draft.input.observed;
  if (newestPlan === undefined || draft.status.epoch !== undefined) return;
  const { epoch, slots, lineage, exchange } = newestPlan;
  draft.status.epoch = epoch;
  draft.status.lineage = { id: lineage, hadState: true };
  draft.memory.restorePoint = { kind: "checkpoint", epoch, slots };
  if (exchange !== undefined) draft.memory.exchange = exchange;
  tell(draft, "Warning", "StatusLost", `the status was lost; the job goes on from the checkpoints of epoch ${epoch}`);
}

function steer(draft: Draft, spec: LifecycleSpec): void {
  bookkeep(draft);
  endOverrides(draft, spec);
  takeRequests(draft, spec);
  takeVerdict(draft, spec);
  reconsider(draft, spec);
  choose(draft, spec);
  advance(draft, spec);
  abandonUnwanted(draft);
  ensureWorkers(draft);
  steerPause(draft, spec);
}

/** Sources stop and go on without an operation: it can be repeated, and changes no state. */
function steerPause(draft: Draft, spec: LifecycleSpec): void {
  const { launched } = draft.memory;
  const type = draft.status.operation?.type;
  if (launched === undefined || launched.ending === true || (type !== undefined && type !== "Savepoint")) return;
  const wanted = wantedOf(draft, spec).desiredState;
  const slots = slotViews(draft, launched).filter((s) => s.worker?.reachable === true && s.pod !== undefined);
  const named = (phase: string): string[] =>
    slots.flatMap((s) => (s.worker?.phase === phase && s.pod ? [s.pod.name] : []));
  if (wanted === "Paused" && named("Running").length > 0) act(draft, { kind: "PauseWorkers", pods: named("Running") });
  // A worker that restarted amid a savepoint holds its sources until all have made their cut.
  if (type !== undefined) return;
  if (wanted === "Running" && named("Paused").length > 0) act(draft, { kind: "ResumeWorkers", pods: named("Paused") });
}

/** Weir keeps its hands off; only this condition and observedGeneration are written. */
function leaveAlone(draft: Draft): void {
  draft.status.observedGeneration = draft.input.job.generation;
  draft.status.internal = draft.memory;
  setCondition(draft, "ReconciliationPaused", {
    status: "True",
    reason: "PausedByUser",
    message: `remove the annotation ${ANNOTATION.pauseReconciliation} to let Weir take care of the job again`,
  });
}

/** Deletion: leave as the job says, bounded by its time; then the finalizer goes. */
function remove(draft: Draft): void {
  const { job, spec, observed } = draft.input;
  if (!job.finalizers.includes(FINALIZER)) return;
  bookkeep(draft);
  const isOrphaned = spec?.deletion.mode === "Orphan";
  if (observed.pods.length === 0 && (isOrphaned || !hasTopics(draft))) return release(draft);
  if (spec === undefined) return release(draft, "the job's spec cannot be read");
  if (draft.input.now >= deleteEnd(draft, spec)) return release(draft, "the deletion took too long");
  if (isOrphaned) {
    act(draft, { kind: "Orphan", pods: observed.pods.map((p) => p.name), plans: observed.plans });
    return release(draft);
  }
  if (draft.status.operation?.type !== "Delete") beginDelete(draft, spec);
  advance(draft, spec);
  abandonUnwanted(draft);
}

function beginDelete(draft: Draft, spec: LifecycleSpec): void {
  const before = draft.status.operation;
  const ending = draft.memory.launched?.ending === true || draft.memory.launched === undefined;
  const operation = begin(draft, {
    type: "Delete",
    step: ending ? "Terminate" : "Savepoint",
    by: "spec",
    deadline: deleteDeadline(draft, spec),
    target: before === undefined ? {} : { because: `instead of ${before.type}` },
  });
  leaveBy(draft, operation, { mode: spec.deletion.mode, uri: spec.stop.uri ?? spec.savepointUri });
}

function release(draft: Draft, givenUp?: string): void {
  if (givenUp !== undefined) leaveTopics(draft, givenUp);
  delete draft.status.operation;
  act(draft, { kind: "RemoveFinalizer" });
}
