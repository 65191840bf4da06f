import { canonical, deepEqual, isMap, listAt, mapAt } from "./json-value.ts";
import type { JsonMap } from "./json-value.ts";
import type { KubeObject } from "./object.ts";
import type { Resource } from "./resource.ts";
import { storageKey } from "./resource.ts";
import type { Cause } from "./status-error.ts";

/** Changes that built-in kinds refuse. */
type Check = (next: KubeObject, old: KubeObject) => Cause[];

const forbiddenChange = (field: string, why: string): Cause => ({
  reason: "FieldValueForbidden",
  message: `Forbidden: ${why}`,
  field,
});

const frozenData: Check = (next, old) => {
  if (old["immutable"] !== true) return [];
  const why = "field is immutable when `immutable` is set";
  const fields = ["immutable", "data", "binaryData"];
  return fields.filter((field) => !deepEqual(next[field], old[field])).map((field) => forbiddenChange(field, why));
};

const secretType: Check = (next, old) => {
  if (next["type"] === old["type"]) return [];
  const message = `Invalid value: ${JSON.stringify(next["type"])}: field is immutable`;
  return [{ reason: "FieldValueInvalid", message, field: "type" }];
};

const POD_CHANGES =
  "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/** The part of a pod that stays as it was created; the node is set once, by whoever schedules. */
function frozenSpec(pod: KubeObject): JsonMap {
  const { activeDeadlineSeconds: _a, tolerations: _t, nodeName: _n, ...spec } = mapAt(pod, "spec");
  const withoutImage = (container: unknown): unknown => (isMap(container) ? { ...container, image: "" } : container);
  return {
    ...spec,
    containers: listAt(spec, "containers").map(withoutImage),
    initContainers: listAt(spec, "initContainers").map(withoutImage),
  };
}

const podSpec: Check = (next, old) =>
  canonical(frozenSpec(next)) === canonical(frozenSpec(old)) ? [] : [forbiddenChange("spec", POD_CHANGES)];

const checks: Readonly<Record<string, readonly Check[]>> = {
  "/configmaps": [frozenData],
  "/secrets": [frozenData, secretType],
  "/pods": [podSpec],
};

export function immutableCauses(resource: Resource, next: KubeObject, old: KubeObject | undefined): Cause[] {
  if (old === undefined) return [];
  return (checks[storageKey(resource)] ?? []).flatMap((check) => check(next, old));
}
