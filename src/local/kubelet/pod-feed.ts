import type { KubeClient } from "../../kube/client.ts";
import type { Informer } from "../../kube/informer.ts";
import { isConflict, isNotFound } from "../../kube/kube-error.ts";
import { type KubeObject, pods } from "../../kube/resource.ts";
import type { Pod } from "./pod.ts";

export type PodObject = Pod & KubeObject;

export interface PodFeedOptions {
  readonly informer: Informer<PodObject>;
  readonly nodeName: string;
  readonly onError: (error: unknown) => void;
  /** A pod of this node is new or changed. */
  readonly seen: (pod: Pod) => void;
  /** A pod of this node is gone without us. */
  readonly gone: (pod: Pod) => void;
}

/** Follows the pods of this node, and binds those that have none: the scheduler's part, with one node to choose from. */
export function followPods(
  client: KubeClient,
  { informer, nodeName, onError, seen, gone }: PodFeedOptions,
): () => void {
  return informer.onChange(({ type, object, old }) => {
    if (old !== undefined && old.metadata.uid !== object.metadata.uid) gone(old);
    if (type === "Deleted") gone(object);
    else if (object.spec.nodeName === nodeName) seen(object);
    else if (object.spec.nodeName === undefined && object.metadata.deletionTimestamp === undefined) {
      bind(client, object, nodeName).catch((e: unknown) => (isNotFound(e) || isConflict(e) ? undefined : onError(e)));
    }
  });
}

interface Binding extends KubeObject {
  target: { apiVersion: "v1"; kind: "Node"; name: string };
}

/** POST …/pods/NAME/binding: the only way to set a pod's node, on a real API server too. */
async function bind(client: KubeClient, pod: Pod, nodeName: string): Promise<void> {
  const { name, namespace, uid } = pod.metadata;
  const binding: Binding = {
    apiVersion: "v1",
    kind: "Binding",
    metadata: { name, namespace, uid },
    target: { apiVersion: "v1", kind: "Node", name: nodeName },
  };
  await client.raw({
    call: { verb: "create", group: "", resource: pods.plural, subresource: "binding", namespace, name },
    method: "POST",
    path: `/api/v1/namespaces/${namespace}/pods/${name}/binding`,
    body: binding,
  });
}
