import type { WorkerFailure } from "../api/worker-protocol.ts";
import type { Draft } from "./draft.ts";
import { act, instant, tell, timeOf, wakeAt } from "./draft.ts";
import type { LifecycleSpec } from "./input.ts";
import type { Launched } from "./memory.ts";
import { nextDelay, remember, spreadOf } from "./restart-strategy.ts";
import type { SlotView } from "./slots.ts";
import { isLost, isUp, slotViews } from "./slots.ts";

/** How the running epoch stands after its failures were counted. */
export type Health =
  | { readonly kind: "Sound" }
  /** At least one worker must be replaced; the wait of the restart strategy ends at `nextAt`. */
  | { readonly kind: "Broken"; readonly slots: readonly SlotView[]; readonly nextAt: number; readonly reason: string }
  | { readonly kind: "Terminal"; readonly failure: WorkerFailure; readonly exhausted: boolean };

const SOUND: Health = { kind: "Sound" };

/** Counts new failures once each, and says what follows from them. */
export function examine(draft: Draft, launched: Launched, spec: LifecycleSpec): Health {
  const slots = slotViews(draft, launched);
  const terminal = slots.map(failureOf).find((f) => f !== undefined && !f.restartable);
  if (terminal !== undefined) return { kind: "Terminal", failure: terminal, exhausted: false };

  const exhausted = countFailures(draft, spec, slots);
  if (exhausted !== undefined) return exhausted;
  const broken = slots.filter((s) => isLost(s) || isHeldBack(s));
  if (broken.length > 0) return waitFor(draft, broken);
  if (slots.every(isUp) && draft.status.restarts?.nextAt !== undefined) delete draft.status.restarts.nextAt;
  return SOUND;
}

function countFailures(draft: Draft, spec: LifecycleSpec, slots: readonly SlotView[]): Health | undefined {
  let failures = 0;
  let reason = "";
  for (const slot of slots) {
    const fresh = freshFailures(slot);
    if (fresh === 0) continue;
    failures += fresh;
    reason = reasonOf(slot);
  }
  return failures === 0 ? undefined : count(draft, spec, failures, reason);
}

/**
 * Ends of its container, and its loss. What its container does while it is being lost is part of the loss. What the cluster
 * takes away by a drain is lost as well, but no failure: it uses up no try of the restart strategy, and nothing waits.
 */
function freshFailures(slot: SlotView): number {
  const { pod, memory, disruption } = slot;
  const ended = Math.max(0, (pod?.failures ?? 0) - memory.failures);
  memory.failures += ended;
  if (!isLost(slot)) return ended;
  if (memory.lost === true) return 0;
  memory.lost = true;
  return disruption === undefined ? Math.max(1, ended) : 0;
}

/** Adds failures to the count; answers when that was one too many. */
function count(draft: Draft, spec: LifecycleSpec, failures: number, reason: string): Health | undefined {
  const { now, job } = draft.input;
  const { restarts } = draft.status;
  const memory = remember(
    { attempt: restarts?.attempt ?? 0, recent: draft.memory.failures },
    spec.restart,
    failures,
    now,
  );
  draft.memory.failures = [...memory.recent];
  const total = (restarts?.count ?? 0) + failures;
  const delay = nextDelay(memory, spec.restart, spreadOf(`${job.uid}/${total}`));
  draft.status.restarts = { count: total, attempt: memory.attempt, lastReason: reason.slice(0, 1024) };
  tell(draft, "Warning", "WorkerFailed", reason);
  if (delay === null) {
    const message = `the restart strategy ${spec.restart.kind} allows no further try after: ${reason}`;
    return { kind: "Terminal", failure: { code: "RestartsExhausted", message, restartable: true }, exhausted: true };
  }
  draft.status.restarts.nextAt = instant(now + delay);
  return undefined;
}

function waitFor(draft: Draft, broken: readonly SlotView[]): Health {
  const nextAt = timeOf(draft.status.restarts?.nextAt);
  wakeAt(draft, nextAt);
  // A pod that is being deleted still takes its last checkpoint; its successor waits, unless the node is gone.
  const slots = broken.filter(({ pod }) => pod === undefined || !pod.deleting || pod.lost);
  return { kind: "Broken", slots, nextAt, reason: reasonOf(broken[0] as SlotView) };
}

/** Replaces workers: the next attempt is in status before its pod exists. */
export function replace(draft: Draft, slots: readonly SlotView[]): void {
  for (const { memory, pod, slot } of slots) {
    memory.attempt += 1;
    memory.failures = 0;
    memory.seen = false;
    delete memory.lost;
    tell(draft, "Normal", "Recovering", `worker ${slot} is replaced, attempt ${memory.attempt}`);
    if (pod !== undefined && !pod.deleting) {
      act(draft, { kind: "DeletePod", name: pod.name, uid: pod.uid, force: false });
    }
  }
  if (draft.status.restarts !== undefined) delete draft.status.restarts.nextAt;
}

/** The kubelet waits longer than the job's own strategy would. */
function isHeldBack({ pod }: SlotView): boolean {
  return pod?.waiting?.reason === "CrashLoopBackOff";
}

export function failureOf({ pod, worker }: SlotView): WorkerFailure | undefined {
  // Only the newest end counts: a worker that runs again has got over it.
  if (pod === undefined || (worker?.reachable === true && worker.phase === "Running")) return worker?.failure;
  return worker?.failure ?? pod.exit?.failure;
}

export function reasonOf({ slot, pod, worker, disruption }: SlotView): string {
  const failure = worker?.failure ?? pod?.exit?.failure;
  if (failure !== undefined) return `worker ${slot}: ${failure.message}`;
  if (disruption !== undefined) return `worker ${slot} is moved: ${disruption.reason}: ${disruption.message}`;
  if (pod === undefined) return `the pod of worker ${slot} is gone`;
  if (pod.trouble !== undefined) return `worker ${slot}: ${pod.trouble.reason}: ${pod.trouble.message}`;
  if (pod.exit !== undefined) return `worker ${slot} ended with exit code ${pod.exit.code} (${pod.exit.reason})`;
  return `worker ${slot}: pod ${pod.name} is ${pod.deleting ? "being deleted" : pod.phase}`;
}
