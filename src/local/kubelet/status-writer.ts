import type { KubeClient } from "../../kube/client.ts";
import { isNotFound } from "../../kube/kube-error.ts";
import { pathOf, pods } from "../../kube/resource.ts";
import type { Pod, PodStatus } from "./pod.ts";

/**
 * Writes pod statuses, the newest only, one call at a time for a pod; a failed write is tried again while it is the
 * newest. A pod that is gone is forgotten.
 */
export interface StatusWriter {
  write(pod: Pod, status: PodStatus, annotations: Readonly<Record<string, string>>): void;
  /** Resolves when nothing of this pod is left to write. */
  settled(pod: Pod): Promise<void>;
  stop(): Promise<void>;
}

const RETRY_MS = 500;

/** Merges conditions by their type, as the kubelet does: DisruptionTarget and the like are of others and stay. */
async function patchStatus(client: KubeClient, pod: Pod, status: PodStatus): Promise<void> {
  const { namespace, name, uid } = pod.metadata;
  await client.raw({
    call: { verb: "patch", group: pods.group, resource: pods.plural, subresource: "status", namespace, name },
    method: "PATCH",
    path: pathOf(pods, { namespace, name, subresource: "status" }),
    contentType: "application/strategic-merge-patch+json",
    body: { metadata: { uid }, status },
  });
}

export function startStatusWriter(client: KubeClient, onError: (error: unknown) => void): StatusWriter {
  const pending = new Map<string, { pod: Pod; status: PodStatus; annotations: Readonly<Record<string, string>> }>();
  const working = new Map<string, Promise<void>>();
  let stopped = false;

  const send = async (uid: string): Promise<void> => {
    for (let next = pending.get(uid); next !== undefined; next = pending.get(uid)) {
      pending.delete(uid);
      const { pod, status, annotations } = next;
      try {
        if (Object.keys(annotations).length > 0)
          await client.patch(pods, pod.metadata, { metadata: { uid, annotations } });
        await patchStatus(client, pod, status);
      } catch (e) {
        if (isNotFound(e) || stopped) return;
        onError(e);
        if (!pending.has(uid)) pending.set(uid, next);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  };

  const kick = (uid: string): void => {
    if (working.has(uid)) return;
    working.set(
      uid,
      send(uid).finally(() => {
        working.delete(uid);
        if (pending.has(uid) && !stopped) kick(uid);
      }),
    );
  };

  return {
    write: (pod, status, annotations) => {
      if (stopped) return;
      pending.set(pod.metadata.uid, { pod, status, annotations });
      kick(pod.metadata.uid);
    },
    settled: (pod) => working.get(pod.metadata.uid) ?? Promise.resolve(),
    stop: async () => {
      stopped = true;
      await Promise.all(working.values());
    },
  };
}
