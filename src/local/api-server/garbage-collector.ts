import { builtinResources } from "./builtin-resources.ts";
import type { Cluster } from "./cluster.ts";
import { keyOf } from "./conversion.ts";
import { FOREGROUND, ORPHAN } from "./deletion.ts";
import { mapAt } from "./json-value.ts";
import type { KubeObject } from "./object.ts";
import { kubeTime, withMeta } from "./object.ts";
import { storageKey } from "./resource.ts";
import type { Change } from "./store.ts";

/**
 * What the controller manager does to objects: children follow their owners, and a namespace goes when it is empty.
 * It works after the write that caused it was answered, as it does in a cluster.
 */
export function collectGarbage(cluster: Cluster): () => void {
  const pending: Change[] = [];
  let isScheduled = false;
  const drain = (): void => {
    isScheduled = false;
    for (const change of pending.splice(0)) react(cluster, change);
  };
  return cluster.store.subscribe((change) => {
    pending.push(change);
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(drain);
  });
}

function react(cluster: Cluster, change: Change): void {
  if (change.type === "DELETED") afterDeletion(cluster, change.object);
  else afterWrite(cluster, change);
}

function afterDeletion(cluster: Cluster, object: KubeObject): void {
  for (const child of cluster.store.dependents(object.metadata.uid ?? ""))
    releaseChild(cluster, child.key, child.object);
  resumeOwners(cluster, object);
  finishNamespace(cluster, object.metadata.namespace ?? "");
}

function afterWrite(cluster: Cluster, { key, object }: Change): void {
  // A child may name an owner which is already gone.
  releaseChild(cluster, key, object);
  const current = cluster.store.get(key, object.metadata.namespace ?? "", object.metadata.name);
  if (current?.metadata.deletionTimestamp === undefined) return;
  const finalizers = current.metadata.finalizers ?? [];
  if (finalizers.includes(ORPHAN)) orphanChildren(cluster, key, current);
  else if (finalizers.includes(FOREGROUND)) deleteInForeground(cluster, key, current);
  if (key === "/namespaces") emptyNamespace(cluster, current);
  resumeOwners(cluster, current);
}

/** Deletes as a client without options would. */
function deletePlainly(cluster: Cluster, key: string, object: KubeObject): void {
  const { store } = cluster;
  if (object.metadata.deletionTimestamp !== undefined) return;
  const grace = isRunningPod(key, object) ? Number(mapAt(object, "spec")["terminationGracePeriodSeconds"] ?? 30) : 0;
  if (grace === 0 && (object.metadata.finalizers ?? []).length === 0) {
    store.remove(key, object);
    return;
  }
  const at = kubeTime(new Date(cluster.clock.now() + grace * 1000));
  const { generation } = object.metadata;
  store.put(
    key,
    withMeta(object, {
      deletionTimestamp: at,
      deletionGracePeriodSeconds: grace,
      generation: generation === undefined ? undefined : generation + 1,
    }),
  );
}

function isRunningPod(key: string, object: KubeObject): boolean {
  const phase = mapAt(object, "status")["phase"];
  return (
    key === "/pods" && mapAt(object, "spec")["nodeName"] !== undefined && phase !== "Succeeded" && phase !== "Failed"
  );
}

/** A child whose owners are all gone is deleted; with one left it loses the references to the others. */
function releaseChild(cluster: Cluster, key: string, child: KubeObject): void {
  const owners = child.metadata.ownerReferences ?? [];
  if (owners.length === 0) return;
  const current = cluster.store.get(key, child.metadata.namespace ?? "", child.metadata.name);
  if (current?.metadata.uid !== child.metadata.uid || current === undefined) return;
  const alive = (current.metadata.ownerReferences ?? []).filter((owner) => {
    const found = cluster.store.byUid(owner.uid);
    return (
      found !== undefined &&
      (found.metadata.namespace === undefined || found.metadata.namespace === current.metadata.namespace)
    );
  });
  if (alive.length === (current.metadata.ownerReferences ?? []).length) return;
  if (alive.length === 0) deletePlainly(cluster, key, current);
  else cluster.store.put(key, withMeta(current, { ownerReferences: alive }));
}

function withoutFinalizer(cluster: Cluster, key: string, object: KubeObject, finalizer: string): void {
  const rest = (object.metadata.finalizers ?? []).filter((name) => name !== finalizer);
  const next = withMeta(object, { finalizers: rest.length === 0 ? undefined : rest });
  if (rest.length === 0 && (object.metadata.deletionGracePeriodSeconds ?? 0) === 0) cluster.store.remove(key, next);
  else cluster.store.put(key, next);
}

function orphanChildren(cluster: Cluster, key: string, owner: KubeObject): void {
  const uid = owner.metadata.uid ?? "";
  for (const { key: childKey, object } of cluster.store.dependents(uid)) {
    const rest = (object.metadata.ownerReferences ?? []).filter((reference) => reference.uid !== uid);
    cluster.store.put(childKey, withMeta(object, { ownerReferences: rest.length === 0 ? undefined : rest }));
  }
  withoutFinalizer(cluster, key, owner, ORPHAN);
}

function blocks(child: KubeObject, uid: string): boolean {
  return (child.metadata.ownerReferences ?? []).some((o) => o.uid === uid && o.blockOwnerDeletion === true);
}

function deleteInForeground(cluster: Cluster, key: string, owner: KubeObject): void {
  const uid = owner.metadata.uid ?? "";
  for (const child of cluster.store.dependents(uid)) deletePlainly(cluster, child.key, child.object);
  if (cluster.store.dependents(uid).some((child) => blocks(child.object, uid))) return;
  withoutFinalizer(cluster, key, owner, FOREGROUND);
}

/** An owner in foreground deletion waits for its last blocking child. */
function resumeOwners(cluster: Cluster, child: KubeObject): void {
  for (const reference of child.metadata.ownerReferences ?? []) {
    const owner = cluster.store.byUid(reference.uid);
    const resource = owner === undefined ? undefined : cluster.catalogue.byKind(owner.apiVersion, owner.kind);
    if (owner === undefined || resource === undefined) continue;
    if (owner.metadata.deletionTimestamp === undefined || owner.metadata.finalizers?.includes(FOREGROUND) !== true)
      continue;
    deleteInForeground(cluster, keyOf(resource), owner);
  }
}

function namespacedKeys(cluster: Cluster): string[] {
  const resources = [...builtinResources, ...cluster.catalogue.all()].filter(
    (r) => r.namespaced && r.group !== "events.k8s.io",
  );
  return [...new Set(resources.map(storageKey))];
}

function emptyNamespace(cluster: Cluster, namespace: KubeObject): void {
  const { name } = namespace.metadata;
  for (const key of namespacedKeys(cluster)) {
    for (const object of cluster.store.list(key, name)) deletePlainly(cluster, key, object);
  }
  finishNamespace(cluster, name);
}

function finishNamespace(cluster: Cluster, name: string): void {
  const namespace = cluster.store.get("/namespaces", "", name);
  if (namespace?.metadata.deletionTimestamp === undefined) return;
  if (namespacedKeys(cluster).some((key) => cluster.store.list(key, name).length > 0)) return;
  if ((namespace.metadata.finalizers ?? []).length === 0) cluster.store.remove("/namespaces", namespace);
}
