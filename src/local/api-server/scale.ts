import { mapOf } from "./body.ts";
import type { Answer, Call } from "./call.ts";
import { stored } from "./call.ts";
import { isMap, mapAt, valueAt, withValueAt } from "./json-value.ts";
import type { JsonMap } from "./json-value.ts";
import type { KubeObject } from "./object.ts";
import { patched } from "./patching.ts";
import type { ScalePaths } from "./resource.ts";
import { badRequest, unknownResource } from "./status-error.ts";
import { update } from "./write.ts";

const segments = (path: string): string[] => path.replace(/^\./, "").split(".");

function scaleOf(object: KubeObject, paths: ScalePaths): JsonMap {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const replicas = (path: string): number => {
    const value = valueAt(object, segments(path));
    return typeof value === "number" ? value : 0;
  };
  const selector =
    paths.labelSelectorPath === undefined ? undefined : valueAt(object, segments(paths.labelSelectorPath));
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: replicas(paths.specReplicasPath) },
    status: { replicas: replicas(paths.statusReplicasPath), ...(typeof selector === "string" ? { selector } : {}) },
  };
}

/** The scale subresource reads and writes one number of the object behind it. */
export function scale(call: Call): Answer {
  const paths = call.resource.scale;
  if (paths === undefined) throw unknownResource();
  const current = stored(call);
  if (call.method === "GET") return { code: 200, body: scaleOf(current, paths) };
  const asked = call.method === "PUT" ? mapOf(call.body, "a Scale") : patched(call, scaleOf(current, paths));
  const replicas = mapAt(asked, "spec")["replicas"] ?? 0;
  if (typeof replicas !== "number" || !Number.isInteger(replicas)) throw badRequest("spec.replicas must be an integer");
  const resourceVersion = isMap(asked["metadata"]) ? asked["metadata"]["resourceVersion"] : undefined;
  const next = withValueAt(current, segments(paths.specReplicasPath), replicas);
  const versioned = {
    ...next,
    metadata: { ...current.metadata, resourceVersion: resourceVersion ?? current.metadata.resourceVersion },
  };
  return { code: 200, body: scaleOf(update(call, current, versioned), paths) };
}
