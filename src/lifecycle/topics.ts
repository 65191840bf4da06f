import type { JobOperation } from "../api/streaming-job-status.schema.ts";
import type { Draft } from "./draft.ts";
import { targetOf, tell } from "./draft.ts";
import type { PodView } from "./input.ts";

/** Whether workers of this job may have left topics that they kept for each other. */
export function hasTopics({ memory, input }: Draft): boolean {
  // What an older version has launched did not note it.
  return memory.topics ?? (newestExchange(memory) !== undefined && (input.spec?.exchanges.length ?? 0) > 0);
}

/** Of what runs, or ran last. */
export const newestExchange = ({ launched, exchange }: Draft["memory"]): Draft["memory"]["exchange"] =>
  launched?.exchange ?? exchange;

/** The pod that deletes them, in its newest attempt. */
export function topicsPod({ input }: Draft, operation: JobOperation): PodView | undefined {
  const { epoch, podAttempt: attempt = 0 } = targetOf(operation);
  return input.observed.pods.find((p) => p.epoch === epoch && p.attempt === attempt);
}

/** What is in the way of the pod that deletes them, in the words of the one who knows. */
export function troubleWithTopics({ input }: Draft, operation: JobOperation): string | undefined {
  const { hindrance, pods } = input.observed;
  const { epoch } = targetOf(operation);
  const newestFirst = pods.filter((p) => p.epoch === epoch).toSorted((a, b) => b.attempt - a.attempt);
  return hindrance?.message ?? newestFirst.map(troubleOfPod).find((trouble) => trouble !== undefined);
}

function troubleOfPod(pod: PodView): string | undefined {
  const waits = pod.waiting?.reason === "CrashLoopBackOff" ? undefined : (pod.waiting ?? pod.trouble);
  return pod.exit?.failure?.message ?? waits?.message;
}

/** They stay, and the user is told how to delete them. */
export function leaveTopics(draft: Draft, why: string): void {
  if (!hasTopics(draft)) return;
  const { job, spec } = draft.input;
  draft.memory.topics = false;
  const clusters = spec === undefined || spec.exchanges.length === 0 ? ["BROKER"] : spec.exchanges;
  const commands = clusters.map((b) => `kafka-topics.sh --bootstrap-server ${b} --delete --topic '${job.topics}'`);
  tell(
    draft,
    "Warning",
    "TopicsRemain",
    `topics between the job's workers may stay on Kafka; delete them with ${commands.join(" and ")}: ${why}`,
  );
}
