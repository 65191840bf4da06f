import type { ContainerStatus, Pod, PodStatus } from "./pod.ts";

/** Computes a pod's status from its containers' states, as the kubelet does: pure, so that it can be read and tested. */
export function podStatus(
  pod: Pod,
  containers: readonly ContainerStatus[],
  ip: string | undefined,
  now: number,
): PodStatus {
  const at = new Date(now).toISOString().replace(/\.\d+Z$/, "Z");
  const ready = containers.length > 0 && containers.every((c) => c.ready);
  const before = pod.status?.conditions ?? [];
  const condition = (type: string, holds: boolean): NonNullable<PodStatus["conditions"]>[number] => {
    const status = holds ? "True" : "False";
    const old = before.find((c) => c.type === type);
    return { type, status, lastTransitionTime: old?.status === status ? old.lastTransitionTime : at };
  };
  return {
    phase: phaseOf(pod, containers),
    ...(ip === undefined ? {} : { podIP: ip, podIPs: [{ ip }] }),
    hostIP: "127.0.0.1",
    startTime: pod.status?.startTime ?? at,
    qosClass: "Burstable",
    conditions: [
      condition("PodScheduled", true),
      condition("Initialized", true),
      condition("ContainersReady", ready),
      condition("Ready", ready),
    ],
    containerStatuses: [...containers],
  };
}

/** https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase */
export function phaseOf(pod: Pod, containers: readonly ContainerStatus[]): PodStatus["phase"] {
  if (containers.length < pod.spec.containers.length) return "Pending";
  const policy = pod.spec.restartPolicy ?? "Always";
  const codes = containers.map((c) => c.state.terminated?.exitCode);
  if (codes.every((code) => code !== undefined)) {
    const failed = codes.some((code) => code !== 0);
    if (!failed && policy !== "Always") return "Succeeded";
    if (failed && policy === "Never") return "Failed";
  }
  const everStarted = containers.every((c) => c.state.running ?? c.state.terminated ?? c.lastState.terminated);
  return everStarted ? "Running" : "Pending";
}
