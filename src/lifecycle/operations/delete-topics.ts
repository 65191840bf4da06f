import type { JobOperation } from "../../api/streaming-job-status.schema.ts";
import type { Draft } from "../draft.ts";
import { act, overdue, targetOf, tell, wakeAt } from "../draft.ts";
import type { LifecycleSpec, PodView } from "../input.ts";
import { nextEpoch } from "../launch.ts";
import { standing } from "../slots.ts";
import { hasTopics, leaveTopics, newestExchange, topicsPod, troubleWithTopics } from "../topics.ts";
import { forced } from "./leave.ts";
import type { StepContext, StepResult } from "./step.ts";

/** Kafka may be out of reach for good, and who deletes a job waits. */
export const TOPICS_TIMEOUT_MS = 60_000;
/** Of one pod's container, and of pods. */
const ATTEMPTS = 3;
/** What keeps a container from being created is told in Events only. */
const LOOK_MS = 1_000;

/**
 * DeleteTopics: when no worker is left, a pod with an epoch of its own, which has no slots, deletes what workers kept for each
 * other on Kafka, and ends. Nobody goes on from it: a savepoint has nothing of it, and another job has other topics.
 */
export function deleteTopics(context: StepContext): StepResult {
  const { draft, operation } = context;
  if (!hasTopics(draft)) return "Done";
  const pod = topicsPod(draft, operation);
  if (pod?.phase === "Succeeded") {
    draft.memory.topics = false;
    tell(draft, "Normal", "TopicsDeleted", "the topics between the job's workers are deleted");
    return "Done";
  }
  const why = obstacle(context, pod) ?? giveUp(draft, operation, pod);
  if (why !== undefined) {
    leaveTopics(draft, why);
    return "Done";
  }
  const target = targetOf(operation);
  target.epoch ??= nextEpoch(draft);
  if (pod === undefined || hasEnded(pod)) bringPod(draft, target.epoch, target.podAttempt ?? 0);
  wakeAt(draft, draft.input.now + LOOK_MS);
  return "Wait";
}

/** What another attempt would not change. */
function obstacle({ draft, operation, spec }: StepContext, pod: PodView | undefined): string | undefined {
  if (forced(draft)) return "the deletion is forced";
  if (spec.exchanges.length === 0 && isAsSpecified(draft, spec)) return "the spec does not say any more where they are";
  if (standing(draft).some((p) => p.epoch !== targetOf(operation).epoch)) return "a worker of the job does not end";
  if (overdue(draft, operation)) return troubleWithTopics(draft, operation) ?? "they were not deleted in time";
  if (pod?.exit?.failure?.restartable === false) return pod.exit.failure.message;
  return neverThere(draft, pod);
}

/** What would be copied, or planned anew, is what the spec says; one that is refused has no plan that could say it. */
function isAsSpecified({ memory, input }: Draft, spec: LifecycleSpec): boolean {
  const { observed, refusal } = input;
  return observed.plans.length === 0 || (refusal === undefined && memory.launched?.hash === spec.launchHash);
}

/** A namespace that is being deleted takes no pod, and a Secret that went with the job does not come back. */
function neverThere({ input }: Draft, pod: PodView | undefined): string | undefined {
  const { message: refusal = "" } = input.observed.hindrance ?? {};
  const { message: missing = "" } = pod?.waiting ?? {};
  if (/being terminated/.test(refusal)) return refusal;
  return /(secret|configmap)\b.* not found/i.test(missing) ? missing : undefined;
}

/** A pod that has ended, or was taken away, has a next one; not without end. */
function giveUp(draft: Draft, operation: JobOperation, pod: PodView | undefined): string | undefined {
  const target = targetOf(operation);
  const isOver = pod === undefined ? target.podSeen === true : hasEnded(pod);
  const why = troubleWithTopics(draft, operation) ?? "the pod that should delete them was taken away";
  target.podSeen = pod !== undefined && !isOver;
  if (isOver) target.podAttempt = (target.podAttempt ?? 0) + 1;
  return Math.max(target.podAttempt ?? 0, pod?.failures ?? 0) >= ATTEMPTS ? why : undefined;
}

const hasEnded = (pod: PodView): boolean => pod.phase === "Failed" || pod.deleting || pod.lost;

function bringPod(draft: Draft, epoch: number, attempt: number): void {
  const { memory, status, input } = draft;
  const { plans } = input.observed;
  const exchange = newestExchange(memory);
  if (!plans.includes(epoch)) {
    act(draft, {
      kind: "ApplyPlan",
      epoch,
      slots: 0,
      lineage: status.lineage?.id ?? "",
      restore: { kind: "none" },
      paused: false,
      ...(exchange === undefined ? {} : { exchange }),
      // What ran last says where they are; a job that has ended has only its spec.
      ...(plans.length === 0 ? {} : { copyOf: Math.max(...plans) }),
    });
  }
  act(draft, { kind: "CreatePod", epoch, slot: 0, attempt });
}
