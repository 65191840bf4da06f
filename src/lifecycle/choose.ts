import type { JobOperation } from "../api/streaming-job-status.schema.ts";
import type { Draft, OperationTarget } from "./draft.ts";
import { begin, enter, finish, targetOf } from "./draft.ts";
import { completed, fail, stopped } from "./ending.ts";
import type { LifecycleSpec } from "./input.ts";
import type { Launched } from "./memory.ts";
import { askedBy, refusalOf, wantedOf } from "./overrides.ts";
import { examine } from "./recovery.ts";
import { answerGivenUp } from "./requests.ts";
import { isDone, slotViews } from "./slots.ts";
import type { OperationType, Step } from "./transitions.ts";
import { pastNoReturn } from "./transitions.ts";

/** Gives up an operation that the newest wish contradicts, as long as that loses nothing. */
export function reconsider(draft: Draft, spec: LifecycleSpec): void {
  const { operation } = draft.status;
  if (operation === undefined || !mayAbandon(operation)) return;
  const stop = wantedOf(draft, spec).desiredState === "Stopped";
  if (operation.type === "Stop") {
    if (!stop) abandon(draft, operation, "the job is to run after all");
  } else if (stop) abandon(draft, operation, "the job stops");
  else reconsiderAim(draft, spec, operation);
}

/** The newest spec wants something else than what the operation is after. */
function reconsiderAim(draft: Draft, spec: LifecycleSpec, operation: JobOperation): void {
  const launched = draft.memory.launched;
  if (launched === undefined || launched.ending === true) return;
  if (operation.type === "Recover") {
    if (isNewVersion(draft, spec, launched)) finish(draft);
  } else if (isSettling(operation)) {
    if (differs(draft, spec, launched, operation)) finish(draft);
  } else if (operation.type === "Scale" && wantedOf(draft, spec).parallelism === launched.slots)
    abandon(draft, operation, `${launched.slots} workers are wanted again`);
}

const isSettling = ({ step }: JobOperation): boolean => step === "AwaitRunning" || step === "Verify";

function mayAbandon(operation: JobOperation): boolean {
  const type = operation.type as OperationType;
  return type !== "Delete" && (isSettling(operation) || !pastNoReturn(type, operation.step as Step));
}

/** Workers that were paused for a savepoint go on: `steerPause` sees to it. */
function abandon(draft: Draft, operation: JobOperation, why: string): void {
  answerGivenUp(draft, operation, why);
  finish(draft);
  if (draft.status.state === "SCALING") enter(draft, "RUNNING");
}

/** The newest spec wants something else than what is coming up. */
function differs(draft: Draft, spec: LifecycleSpec, launched: Launched, operation: JobOperation): boolean {
  if (refusalOf(draft, spec) !== undefined || targetOf(operation).copyOf !== undefined) return false;
  if (operation.step === "Verify") return false;
  return spec.launchHash !== launched.hash || wantedOf(draft, spec).parallelism !== launched.slots;
}

/** Picks the next operation when none is in flight. */
export function choose(draft: Draft, spec: LifecycleSpec): void {
  if (draft.status.operation !== undefined) return;
  const launched = draft.memory.launched;
  if (launched === undefined) return chooseAtRest(draft, spec);
  if (slotViews(draft, launched).every(isDone)) return completed(draft);
  if (wantedOf(draft, spec).desiredState === "Stopped") return beginStop(draft, spec);
  const health = examine(draft, launched, spec);
  if (health.kind === "Terminal") return fail(draft, health.failure, health.exhausted);
  if (health.kind === "Broken" && isNewVersion(draft, spec, launched)) return beginUpgrade(draft, spec);
  if (health.kind === "Broken") {
    begin(draft, { type: "Recover", step: "Wait", by: "failure", target: { because: health.reason.slice(0, 1024) } });
    return;
  }
  chooseChange(draft, spec, launched);
  if (draft.status.operation === undefined && launched.stable !== true) resume(draft, launched);
}

/** What was launched by an operation that was given up comes up after all. */
function resume(draft: Draft, { slots }: Launched): void {
  const type = draft.status.state === "SCALING" ? "Scale" : "Start";
  begin(draft, { type, step: "AwaitRunning", by: "spec", target: { slots } });
}

function chooseAtRest(draft: Draft, spec: LifecycleSpec): void {
  const { job } = draft.input;
  const { ended } = draft.memory;
  if (wantedOf(draft, spec).desiredState === "Stopped") {
    const settled = ended === undefined || (ended.reason === "Failed" && job.generation > ended.generation);
    if (settled) stopped(draft);
    return;
  }
  const mayStart = ended === undefined || ended.reason === "Stopped" || job.generation > ended.generation;
  if (!mayStart || refusalOf(draft, spec) !== undefined) return;
  enter(draft, "CREATED");
  delete draft.status.restarts;
  const slots = wantedOf(draft, spec).parallelism;
  begin(draft, { type: "Start", step: "ResolveState", by: askedBy(draft, "desiredState"), target: { slots } });
}

function chooseChange(draft: Draft, spec: LifecycleSpec, launched: Launched): void {
  const { restart, savepoint } = draft.memory;
  if (restart !== undefined) {
    delete draft.memory.restart;
    const save = restart.from === "LatestSavepoint";
    return beginMove(draft, spec, { type: "Restart", by: restart.by, save, target: { slots: launched.slots } });
  }
  if (savepoint !== undefined) {
    delete draft.memory.savepoint;
    return beginMove(draft, spec, { type: "Savepoint", by: savepoint.by, save: true, target: {} });
  }
  if (refusalOf(draft, spec) !== undefined) return;
  if (wasRefused(draft, spec)) return;
  if (spec.launchHash !== launched.hash) return beginUpgrade(draft, spec);
  const slots = wantedOf(draft, spec).parallelism;
  if (slots === launched.slots) return;
  // A job that never ran is still being started, whatever its size.
  if (draft.status.state === "RUNNING") enter(draft, "SCALING");
  beginMove(draft, spec, { type: "Scale", by: askedBy(draft, "parallelism"), save: true, target: { slots } });
}

/** The same change did not come about before. */
function wasRefused(draft: Draft, spec: LifecycleSpec): boolean {
  const { refused } = draft.memory;
  return refused?.slots === wantedOf(draft, spec).parallelism && refused.generation === draft.input.job.generation;
}

/** Workers that fail are not helped by another try of the old version: the new one may be the cure. */
function isNewVersion(draft: Draft, spec: LifecycleSpec, launched: Launched): boolean {
  const isWanted = refusalOf(draft, spec) === undefined && !wasRefused(draft, spec);
  return isWanted && spec.launchHash !== launched.hash;
}

function beginUpgrade(draft: Draft, spec: LifecycleSpec): void {
  const { mode } = spec.upgrade;
  const slots = wantedOf(draft, spec).parallelism;
  const target = { slots, ...(mode === "Stateless" ? { stateless: true } : {}) };
  beginMove(draft, spec, { type: "Upgrade", by: "spec", save: mode === "Savepoint", target });
}

interface Move {
  readonly type: "Scale" | "Upgrade" | "Restart" | "Savepoint";
  readonly by: string;
  readonly save: boolean;
  readonly target: OperationTarget;
}

function beginMove(draft: Draft, spec: LifecycleSpec, move: Move): void {
  const { type, by } = move;
  const step = type === "Savepoint" ? "Trigger" : "Savepoint";
  const deadline = draft.input.now + spec.checkpoint.timeoutMs;
  const operation = begin(draft, { type, step, by, deadline, target: move.target });
  const target = targetOf(operation);
  if (move.save && spec.savepointUri !== null)
    target.savepoint = savepointPlace(draft, spec.savepointUri, operation.id);
  else target.leave = "Checkpoint";
}

export function beginStop(draft: Draft, spec: LifecycleSpec): void {
  const { mode, drain, uri, timeoutMs } = spec.stop;
  const operation = begin(draft, {
    type: "Stop",
    step: "Savepoint",
    by: askedBy(draft, "desiredState"),
    deadline: draft.input.now + timeoutMs,
    target: drain ? { drain } : {},
  });
  leaveBy(draft, operation, { mode, uri: uri ?? spec.savepointUri });
}

/** How the workers leave: a savepoint where there is a place for it, else their last checkpoint. */
export function leaveBy(draft: Draft, operation: JobOperation, how: { mode: string; uri: string | null }): void {
  const target = targetOf(operation);
  if (how.mode === "Savepoint" && how.uri !== null) target.savepoint = savepointPlace(draft, how.uri, operation.id);
  else target.leave = how.mode === "Cancel" ? "Cancel" : "Checkpoint";
}

function savepointPlace(draft: Draft, base: string, id: string): string {
  const { namespace, name } = draft.input.job;
  return `${base.replace(/\/+$/, "")}/${namespace}/${name}/savepoints/${id}`;
}
