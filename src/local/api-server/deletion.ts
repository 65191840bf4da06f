import { mapOf } from "./body.ts";
import type { Answer, Call } from "./call.ts";
import { isDryRun, now, stored } from "./call.ts";
import { fromStored, keyOf, toStored } from "./conversion.ts";
import type { JsonMap } from "./json-value.ts";
import { mapAt, textAt } from "./json-value.ts";
import type { KubeObject } from "./object.ts";
import { kubeTime, withMeta } from "./object.ts";
import { selectedObjects } from "./reading.ts";
import type { Status } from "./status-error.ts";
import { conflict } from "./status-error.ts";
import { remove } from "./write.ts";

export const FOREGROUND = "foregroundDeletion";
export const ORPHAN = "orphan";
/** Kinds whose deletion answers with the object instead of a Status. */
const RETURNS_OBJECT = new Set(["pods", "services", "serviceaccounts", "persistentvolumeclaims"]);

interface DeleteOptions {
  readonly graceSeconds: number | undefined;
  readonly propagation: string;
  readonly preconditions: JsonMap;
}

function optionsOf(call: Call): DeleteOptions {
  const body = call.body.value === undefined ? {} : mapOf(call.body, "DeleteOptions");
  const grace = body["gracePeriodSeconds"] ?? call.query.get("gracePeriodSeconds") ?? undefined;
  const legacy = body["orphanDependents"] === true ? "Orphan" : "";
  return {
    graceSeconds: grace === undefined ? undefined : Number(grace),
    propagation: textAt(body, "propagationPolicy") || call.query.get("propagationPolicy") || legacy,
    preconditions: mapAt(body, "preconditions"),
  };
}

/** The real server names the kind here where other conflicts name the resource. */
function requirePreconditions(call: Call, object: KubeObject, preconditions: JsonMap): void {
  const byKind = { ...call.resource, plural: call.resource.kind };
  const refuse = (what: string, asked: string, actual: string | undefined, maybe: string): void => {
    const why = `the ${what} in the precondition (${asked}) does not match the ${what} in record (${actual}). ${maybe}`;
    throw conflict(byKind, object.metadata.name, why);
  };
  const { uid, resourceVersion } = preconditions;
  const current = object.metadata;
  if (typeof uid === "string" && uid !== current.uid) {
    refuse("UID", uid, current.uid, "The object might have been deleted and then recreated");
  }
  if (typeof resourceVersion === "string" && resourceVersion !== current.resourceVersion) {
    refuse("ResourceVersion", resourceVersion, current.resourceVersion, "The object might have been modified");
  }
}

function isPod(object: KubeObject): boolean {
  return object.kind === "Pod" && object.apiVersion === "v1";
}

/** Only pods that run somewhere are given time; their kubelet ends the wait with a delete of grace 0. */
function graceOf(object: KubeObject, options: DeleteOptions): number {
  if (!isPod(object)) return 0;
  const phase = textAt(object["status"], "phase");
  if (textAt(object["spec"], "nodeName") === "" || phase === "Succeeded" || phase === "Failed") return 0;
  const own = mapAt(object, "spec")["terminationGracePeriodSeconds"];
  const asked = options.graceSeconds ?? (typeof own === "number" ? own : 30);
  return Math.max(0, asked);
}

function finalizersAfter(object: KubeObject, propagation: string): string[] {
  const own = (object.metadata.finalizers ?? []).filter((f) => f !== FOREGROUND && f !== ORPHAN);
  if (propagation === "Foreground") return [...own, FOREGROUND];
  return propagation === "Orphan" ? [...own, ORPHAN] : (object.metadata.finalizers ?? []);
}

/** An object in deletion: stamped once; a shorter grace than before moves the time of its end. */
function terminating(call: Call, object: KubeObject, plan: { grace: number; finalizers: string[] }): KubeObject {
  const { deletionTimestamp, generation, deletionGracePeriodSeconds: before = 0 } = object.metadata;
  const finalizers = plan.finalizers.length === 0 ? undefined : plan.finalizers;
  const isFirst = deletionTimestamp === undefined;
  if (!isFirst && plan.grace >= before) return withMeta(object, { finalizers });
  const asked = isFirst ? now(call).getTime() : Date.parse(deletionTimestamp) - before * 1000;
  return withMeta(object, {
    finalizers,
    deletionTimestamp: kubeTime(new Date(asked + plan.grace * 1000)),
    deletionGracePeriodSeconds: plan.grace,
    generation: generation !== undefined && generation > 0 && isFirst ? generation + 1 : generation,
  });
}

function holdsNamespace(object: KubeObject): boolean {
  return object.kind === "Namespace" && object.apiVersion === "v1";
}

interface Outcome {
  readonly gone: boolean;
  readonly object: KubeObject;
}

export function deleteObject(call: Call, object: KubeObject, options: DeleteOptions): Outcome {
  requirePreconditions(call, object, options.preconditions);
  const grace = graceOf(object, options);
  const finalizers = finalizersAfter(object, options.propagation);
  const stamped = terminating(call, object, { grace, finalizers });
  if (grace === 0 && finalizers.length === 0 && !holdsNamespace(object)) {
    return { gone: true, object: remove(call, isPod(object) ? stamped : object) };
  }
  const next = holdsNamespace(object)
    ? { ...stamped, status: { ...mapAt(object, "status"), phase: "Terminating" } }
    : stamped;
  const isSame =
    next.metadata.deletionGracePeriodSeconds === object.metadata.deletionGracePeriodSeconds &&
    finalizers.length === (object.metadata.finalizers ?? []).length;
  if (isSame || isDryRun(call)) return { gone: false, object: next };
  const saved = call.cluster.store.put(keyOf(call.resource), toStored(call.resource, next));
  return { gone: false, object: fromStored(call.resource, saved) };
}

function success(call: Call, object: KubeObject): Status {
  const { group, plural } = call.resource;
  const { name, uid = "" } = object.metadata;
  const details = { name, ...(group === "" ? {} : { group }), kind: plural, uid };
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details };
}

export function deletion(call: Call): Answer {
  const { gone, object } = deleteObject(call, stored(call), optionsOf(call));
  const asObject = !gone || (call.resource.group === "" && RETURNS_OBJECT.has(call.resource.plural));
  return { code: 200, body: asObject ? object : success(call, object) };
}

export function deleteCollection(call: Call): Answer {
  const options = optionsOf(call);
  const { objects, list } = selectedObjects(call);
  for (const object of objects) deleteObject({ ...call, namespace: object.metadata.namespace ?? "" }, object, options);
  return { code: 200, body: list };
}
