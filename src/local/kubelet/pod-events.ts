import { createHash } from "node:crypto";
import type { KubeClient } from "../../kube/client.ts";
import { isNotFound } from "../../kube/kube-error.ts";
import type { KubeObject, Resource } from "../../kube/resource.ts";
import type { Pod } from "./pod.ts";

/** The kubelet's core/v1 events about pods, which is what `kubectl describe` shows; repeats raise the count of one object. */
export interface PodEvents {
  record(pod: Pod, event: { type: "Normal" | "Warning"; reason: string; message: string }): void;
  stop(): Promise<void>;
}

const coreEvents: Resource = { group: "", version: "v1", plural: "events", kind: "Event", namespaced: true };

interface CoreEvent extends KubeObject {
  involvedObject: object;
  type: string;
  reason: string;
  message: string;
  source: object;
  firstTimestamp: string;
  lastTimestamp: string;
  count: number;
}

export function startPodEvents(client: KubeClient, nodeName: string, onError: (error: unknown) => void): PodEvents {
  const known = new Map<string, CoreEvent>();
  let queue = Promise.resolve();
  let stopped = false;

  const send = async (
    pod: Pod,
    event: { type: "Normal" | "Warning"; reason: string; message: string },
  ): Promise<void> => {
    const id = createHash("sha256")
      .update(`${pod.metadata.uid}/${event.reason}/${event.message}`)
      .digest("hex")
      .slice(0, 16);
    const at = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    const before = known.get(id);
    const { name, namespace, uid } = pod.metadata;
    const object: CoreEvent = {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: `${name}.${id}`, namespace },
      involvedObject: { apiVersion: "v1", kind: "Pod", name, namespace, uid },
      ...event,
      source: { component: "kubelet", host: nodeName },
      firstTimestamp: before?.firstTimestamp ?? at,
      lastTimestamp: at,
      count: (before?.count ?? 0) + 1,
    };
    known.set(id, object);
    if (known.size > 1000) known.delete(known.keys().next().value ?? "");
    await client.apply(coreEvents, object, { fieldManager: "weir-kubelet", force: true });
  };

  return {
    record: (pod, event) => {
      if (stopped) return;
      queue = queue
        .then(() => send(pod, event))
        .catch((e: unknown) => (stopped || isNotFound(e) ? undefined : onError(e)));
    },
    stop: () => {
      stopped = true;
      return queue;
    },
  };
}
