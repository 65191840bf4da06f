import { LABEL } from "../../api/group.ts";
import { terminationMessage } from "../../api/worker-protocol.ts";
import type { WorkerFailure } from "../../api/worker-protocol.ts";
import type { KubeObject } from "../../kube/resource.ts";
import type { PodView, Refusal, WorkerIdentity } from "../../lifecycle/input.ts";

interface ContainerState {
  waiting?: { reason?: string; message?: string };
  running?: { startedAt?: string };
  terminated?: { exitCode?: number; reason?: string; message?: string; finishedAt?: string };
}
interface ContainerStatus {
  name: string;
  ready?: boolean;
  restartCount?: number;
  state?: ContainerState;
  lastState?: ContainerState;
}
/** The parts of a pod that Weir reads. */
export interface PodObject extends KubeObject {
  spec?: { nodeName?: string; containers?: { env?: { name: string; value?: string }[] }[] };
  status?: {
    phase?: PodView["phase"];
    reason?: string;
    message?: string;
    podIP?: string;
    conditions?: { type: string; status: string; reason?: string; message?: string }[];
    containerStatuses?: ContainerStatus[];
  };
}

/** The variable with the hash of the worker's token. */
export const TOKEN_HASH = "WEIR_TOKEN_SHA256";
/** After its deletion time passed by this much without an end, nobody will report the pod's end any more. */
const LOST_AFTER_MS = 60_000;

export function podView(pod: PodObject, now: number, lostAfterMs = LOST_AFTER_MS): PodView | undefined {
  const worker = identityOf(pod);
  if (worker === undefined) return undefined;
  const { name, uid = "", deletionTimestamp, creationTimestamp } = pod.metadata;
  const container = pod.status?.containerStatuses?.[0];
  const exit = lastExit(container);
  return {
    ...worker,
    name,
    uid,
    phase: pod.status?.phase ?? "Pending",
    deleting: deletionTimestamp !== undefined,
    lost: deletionTimestamp !== undefined && now - Date.parse(deletionTimestamp) > lostAfterMs,
    failures: failuresOf(container, exit),
    createdAt: Date.parse(creationTimestamp ?? NEVER),
    waiting: waitingOf(container?.state),
    exit,
    disruption: disruptionOf(pod),
    trouble: troubleOf(pod),
  };
}

/** What the worker knows its operator by. */
export function tokenHashOf(pod: PodObject): string | undefined {
  return pod.spec?.containers?.[0]?.env?.find(({ name }) => name === TOKEN_HASH)?.value;
}

const NEVER = "1970-01-01T00:00:00Z";

/** Which worker a pod is, by its labels; undefined for a pod that is none. */
export function identityOf(pod: KubeObject): WorkerIdentity | undefined {
  const number = (label: string): number => Number.parseInt(pod.metadata.labels?.[label] ?? "", 10);
  const worker = { epoch: number(LABEL.epoch), slot: number(LABEL.slot), attempt: number(LABEL.attempt) };
  return Object.values(worker).some(Number.isNaN) ? undefined : worker;
}

/** Each restart was a failure before, and so is an end that no restart has followed yet. */
function failuresOf(container: ContainerStatus | undefined, exit: PodView["exit"]): number {
  const open = container?.state?.running === undefined && exit !== undefined && exit.code !== 0;
  return (container?.restartCount ?? 0) + (open ? 1 : 0);
}

function lastExit(container: ContainerStatus | undefined): PodView["exit"] {
  return exitOf(container?.state) ?? exitOf(container?.lastState);
}

function waitingOf(state: ContainerState | undefined): Refusal | undefined {
  const reason = state?.waiting?.reason;
  return reason === undefined ? undefined : { reason, message: (state?.waiting?.message ?? "").slice(0, 1000) };
}

function exitOf(state: ContainerState | undefined): PodView["exit"] {
  const ended = state?.terminated;
  if (ended === undefined) return undefined;
  return {
    code: ended.exitCode ?? 0,
    reason: ended.reason ?? "Error",
    at: Date.parse(ended.finishedAt ?? NEVER),
    failure: failureOf(ended.message),
  };
}

/** The worker's last words are JSON; anything else is a crash of the process. */
function failureOf(message: string | undefined): WorkerFailure | undefined {
  if (message === undefined || !message.startsWith("{")) return undefined;
  try {
    return terminationMessage.safeParse(JSON.parse(message)).data;
  } catch {
    return undefined;
  }
}

/**
 * https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions. It is also set on a pod that
 * the kubelet evicts ("Evicted") for using too much, which is a failure like any other.
 */
function disruptionOf({ status }: PodObject): Refusal | undefined {
  const target = status?.conditions?.find((c) => c.type === "DisruptionTarget" && c.status === "True");
  if (target === undefined || status?.reason === "Evicted") return undefined;
  return { reason: target.reason ?? "Disrupted", message: (target.message ?? "").slice(0, 1000) };
}

function troubleOf(pod: PodObject): Refusal | undefined {
  const { status } = pod;
  if (status?.reason !== undefined) return { reason: status.reason, message: status.message ?? "" };
  const unscheduled = status?.conditions?.find((c) => c.type === "PodScheduled" && c.status === "False");
  if (unscheduled === undefined) return undefined;
  return { reason: unscheduled.reason ?? "Unschedulable", message: unscheduled.message ?? "" };
}
