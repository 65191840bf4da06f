import type { JobOperation } from "../api/streaming-job-status.schema.ts";
import { OPERATION_REASON } from "./conditions.ts";
import type { Draft } from "./draft.ts";
import { timeOf, wakeAt } from "./draft.ts";
import type { Refusal } from "./input.ts";
import { reasonOf } from "./recovery.ts";
import type { SlotView } from "./slots.ts";
import { isDone, isUp } from "./slots.ts";
import { troubleWithTopics } from "./topics.ts";

/** What keeps a worker from running, in the words of the one who knows: the worker, the kubelet, the scheduler. */
export function troubleOf(draft: Draft, slots: readonly SlotView[]): Refusal | undefined {
  const { hindrance } = draft.input.observed;
  if (hindrance !== undefined) return hindrance;
  const { operation } = draft.status;
  if (operation?.step === "DeleteTopics") return whyTopicsStay(draft, operation);
  for (const slot of slots) {
    if (isDone(slot)) continue;
    const trouble = problemOf(draft, slot) ?? (isUp(slot) ? undefined : whyDown(draft, slot));
    if (trouble !== undefined) return trouble;
  }
  return undefined;
}

function whyTopicsStay(draft: Draft, operation: JobOperation): Refusal | undefined {
  const why = troubleWithTopics(draft, operation);
  if (why === undefined) return undefined;
  return { reason: OPERATION_REASON.Delete, message: `the topics between workers are not deleted yet: ${why}` };
}

/** The worker itself says what it cannot reach, and goes on trying. */
function problemOf(draft: Draft, { slot, worker }: SlotView): Refusal | undefined {
  if (worker?.reachable !== true || worker.problem === undefined) return undefined;
  const { code, message, nextTryAt } = worker.problem;
  const next = when(nextTryAt, draft.input.now);
  return {
    reason: PROBLEM_REASONS[code] ?? "WaitingForNextTry",
    message: `worker ${slot}: ${message}; next try ${next}`,
  };
}

const PROBLEM_REASONS: Readonly<Record<string, string>> = {
  SOURCE_UNREACHABLE: "SourceUnreachable",
  SINK_UNREACHABLE: "SinkUnreachable",
  LOOKUP_UNREACHABLE: "LookupUnreachable",
  CHECKPOINT_UNWRITABLE: "CheckpointUnwritable",
};

/** A container may stay so without any further change of its pod. */
const IN_CREATION: readonly string[] = ["ContainerCreating", "FailedMount"];
const LOOK_MS = 3_000;

function whyDown(draft: Draft, slot: SlotView): Refusal | undefined {
  const { pod } = slot;
  const waits = pod?.waiting ?? pod?.trouble;
  if (waits !== undefined) {
    if (IN_CREATION.includes(waits.reason)) wakeAt(draft, draft.input.now + LOOK_MS);
    if (waits.reason !== "ContainerCreating") return waitingFor(draft, slot, waits);
  }
  return draft.memory.launched?.stable === true ? goneQuiet(slot) : undefined;
}

/** It ran before. */
function goneQuiet(slot: SlotView): Refusal {
  const { pod } = slot;
  if (pod?.phase !== "Running" || pod.deleting) return { reason: "Recovering", message: reasonOf(slot) };
  const message = `worker ${slot.slot} does not answer; it may still run, and is asked again all the time`;
  return { reason: "Unreachable", message };
}

function waitingFor(draft: Draft, slot: SlotView, waits: Refusal): Refusal {
  if (waits.reason === "CrashLoopBackOff") {
    const nextAt = timeOf(draft.status.restarts?.nextAt);
    wakeAt(draft, nextAt);
    const { code = "" } = slot.pod?.exit?.failure ?? {};
    const reason = PROBLEM_REASONS[code] ?? "WaitingForNextTry";
    return { reason, message: `${reasonOf(slot)}; next try ${when(nextAt, draft.input.now)}` };
  }
  const secret = /secret/i.test(waits.message) && /not found/i.test(waits.message);
  const message = `worker ${slot.slot}: ${waits.reason}: ${waits.message}`;
  return { reason: secret ? "SecretMissing" : "AwaitingWorkers", message };
}

/** Rounded up to ten seconds: a message that is written once stays true for a while. */
function when(at: number, now: number): string {
  return at <= now ? "now" : `before ${new Date(Math.ceil(at / 10_000) * 10_000).toISOString().slice(0, 19)}Z`;
}
