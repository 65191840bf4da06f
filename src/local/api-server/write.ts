import { admitted, withBuiltinDefaults, withUpdateDefaults } from "./builtin-defaults.ts";
import { builtin } from "./builtin-resources.ts";
import type { Call } from "./call.ts";
import { fieldValidation, isDryRun, managerName, now } from "./call.ts";
import { hasRules, ruleCauses } from "./cel-rules.ts";
import { fromStored, keyOf, toStored } from "./conversion.ts";
import { definitionCauses, establishedStatus } from "./definitions.ts";
import { immutableCauses } from "./immutable.ts";
import { deepEqual, isMap, mapAt, textAt, valueAt } from "./json-value.ts";
import type { JsonMap } from "./json-value.ts";
import { generatedName, labelCauses, nameCauses } from "./names.ts";
import type { KubeObject, ObjectMeta } from "./object.ts";
import { kubeTime, withMeta, withoutEmptyMeta } from "./object.ts";
import type { Manager, Owners } from "./patch/managed-fields.ts";
import { afterUpdate, ownersOf, withOwners } from "./patch/managed-fields.ts";
import type { Resource } from "./resource.ts";
import { groupVersion } from "./resource.ts";
import { withDefaults } from "./schema/defaults.ts";
import { prune } from "./schema/prune.ts";
import { validate } from "./schema/validate.ts";
import type { Cause } from "./status-error.ts";
import { StatusError, alreadyExists, badRequest, conflict, forbidden, invalid, notFound } from "./status-error.ts";
import { typedNull } from "./typed-null.ts";

const DEFINITIONS = "apiextensions.k8s.io/customresourcedefinitions";

/** Decides who owns what after a write; apply has its own rule. */
export type Ownership = (live: KubeObject | undefined, next: KubeObject) => Owners;

export function managerOf(call: Call, operation: "Apply" | "Update"): Manager {
  return {
    manager: managerName(call),
    operation,
    apiVersion: groupVersion(call.resource),
    subresource: call.subresource,
  };
}

export function updateOwnership(call: Call): Ownership {
  return (live, next) =>
    afterUpdate({
      live: live ?? typedNull(call.resource),
      next,
      schema: call.resource.schema,
      owners: ownersOf(next.metadata.managedFields === undefined ? live : next),
      manager: managerOf(call, "Update"),
      time: call.subresource === "scale" ? undefined : kubeTime(now(call)),
    });
}

/** Refuses, warns about, or drops fields that the schema does not know, as the caller asked. */
export function checked(call: Call, object: JsonMap): JsonMap {
  const unknown: string[] = [];
  const pruned = prune(object, call.resource.schema, unknown);
  const problems = [
    ...call.body.duplicates.map((path) => `duplicate field "${path}"`),
    ...unknown.map((path) => `unknown field "${path}"`),
  ];
  const strictness = fieldValidation(call);
  if (problems.length > 0 && strictness === "Strict") throw strictError(call, problems);
  if (strictness === "Warn") call.warnings.push(...problems);
  return isMap(pruned) ? pruned : object;
}

/** Each way to write says it in its own words. */
function strictError(call: Call, problems: readonly string[]): StatusError {
  const { kind, version } = call.resource;
  const list = `strict decoding error: ${problems.join(", ")}`;
  if (call.mediaType.includes("apply-patch")) {
    const undeclared = problems.map((p) => p.replace(/^unknown field "(.*)"$/, ".$1: field not declared in schema"));
    const what = `${call.namespace}/${call.name}; ${groupVersion(call.resource)}, Kind=${kind}`;
    const many =
      undeclared.length === 1 ? undeclared[0] : `errors:\n${undeclared.map((line) => `  ${line}`).join("\n")}`;
    return new StatusError(500, "", `failed to create typed patch object (${what}): ${many}`);
  }
  if (call.method === "PATCH") {
    const shown = JSON.stringify(JSON.stringify(call.body.value));
    const cause: Cause = { reason: "FieldValueInvalid", message: `Invalid value: ${shown}: ${list}`, field: "patch" };
    return invalid({ ...call.resource, kind: "", group: "" }, "", [cause]);
  }
  return badRequest(`${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: ${list}`);
}

/** The kind of the body must be the kind of the address. */
export function asObject(call: Call, value: unknown): KubeObject {
  const { kind, version } = call.resource;
  if (!isMap(value)) throw badRequest("the body of the request must be an object");
  const apiVersion = textAt(value, "apiVersion") || groupVersion(call.resource);
  const given = textAt(value, "kind") || kind;
  if (apiVersion !== groupVersion(call.resource)) {
    throw badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${groupVersion(call.resource)})`,
    );
  }
  if (given !== kind) {
    throw badRequest(
      `${given} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: converting (${given}) to (${kind}): unknown conversion`,
    );
  }
  return { ...value, apiVersion, kind, metadata: withoutEmptyMeta(mapAt(value, "metadata")) };
}

function requireNamespace(call: Call): void {
  if (!call.resource.namespaced) return;
  const namespaces = builtin("namespaces");
  const found = call.cluster.store.get(keyOf(namespaces), "", call.namespace);
  if (found === undefined) throw notFound(namespaces, call.namespace);
  if (found.metadata.deletionTimestamp === undefined) return;
  const why = `unable to create new content in namespace ${call.namespace} because it is being terminated`;
  throw forbidden(call.resource, call.name, why);
}

/** Rules may rely on the structure: they are not asked of an object with one of these faults. */
const BLOCKING = new Set([
  "FieldValueNotSupported",
  "FieldValueRequired",
  "FieldValueTooLong",
  "FieldValueTooMany",
  "FieldValueTypeInvalid",
]);
const UNCHECKED: Cause = {
  reason: "FieldValueInvalid",
  message:
    "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation",
  field: "<nil>",
};

/** The number behind the scale subresource must be one that the subresource can show. */
function scaleCauses(resource: Resource, next: KubeObject): Cause[] {
  const field = resource.scale?.specReplicasPath;
  const value = field === undefined ? undefined : valueAt(next, field.replace(/^\./, "").split("."));
  if (field === undefined || value === undefined) return [];
  if (typeof value !== "number") {
    const why = `${field} accessor error: ${JSON.stringify(value).replaceAll('"', "")} is of the type ${typeof value}, expected int64`;
    return [{ reason: "FieldValueInvalid", message: `Invalid value: 0: ${why}`, field }];
  }
  if (value >= 0) return [];
  return [{ reason: "FieldValueInvalid", message: `Invalid value: ${value}: should be a non-negative integer`, field }];
}

/** What is being deleted may not be held back by new finalizers. */
function finalizerCauses(next: KubeObject, old: KubeObject | undefined, isCustom: boolean): Cause[] {
  if (old?.metadata.deletionTimestamp === undefined) return [];
  const known = old.metadata.finalizers ?? [];
  const added = (next.metadata.finalizers ?? []).filter((name) => !known.includes(name));
  if (added.length === 0) return [];
  const list = added.map((name) => JSON.stringify(name)).join(", ");
  const message = `Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`;
  const cause: Cause = { reason: "FieldValueForbidden", message, field: "metadata.finalizers" };
  // The real server checks the metadata of custom resources twice.
  return isCustom ? [cause, cause] : [cause];
}

function validationCauses(call: Call, next: KubeObject, old: KubeObject | undefined): Cause[] {
  const { resource } = call;
  const labels = [...labelCauses(next.metadata.labels ?? {}), ...finalizerCauses(next, old, resource.custom)];
  if (!resource.custom) {
    const own = keyOf(resource) === DEFINITIONS ? definitionCauses(next) : [];
    return [...labels, ...own, ...immutableCauses(resource, next, old), ...builtinCauses(next, call)];
  }
  const structural = validate(
    { ...next, metadata: {} },
    { ...resource.schema, required: (resource.schema.required ?? []).filter((f) => f !== "metadata") },
  );
  const scaled = scaleCauses(resource, next);
  if (structural.some((cause) => BLOCKING.has(cause.reason))) {
    return [...labels, ...structural, ...scaled, ...(hasRules(resource.schema) ? [UNCHECKED] : [])];
  }
  return [...labels, ...structural, ...scaled, ...ruleCauses(next, old, resource.schema)];
}

/** Published types are checked for what is required and for their enums; types were checked when decoding. */
function builtinCauses(next: KubeObject, call: Call): Cause[] {
  const causes = validate({ ...next, metadata: {}, status: undefined }, call.resource.schema);
  return causes.filter((cause) => cause.reason !== "FieldValueInvalid" && !isNullForType(cause));
}

/** Go decodes a null into the zero value of the field's type, for built-in kinds. */
function isNullForType(cause: Cause): boolean {
  return cause.reason === "FieldValueTypeInvalid" && cause.message.includes('"null"');
}

function refuse(call: Call, name: string, causes: Cause[]): void {
  if (causes.length > 0) throw invalid(call.resource, name, causes);
}

function decodeTypes(call: Call, object: KubeObject): void {
  if (call.resource.custom) return;
  const wrong = validate({ ...object, metadata: {} }, call.resource.schema).find(
    (c) => c.reason === "FieldValueTypeInvalid" && !isNullForType(c),
  );
  if (wrong === undefined) return;
  const { kind, version } = call.resource;
  const [, actual = "", wanted = ""] = /must be of type (\w+): "(\w+)"/.exec(wrong.message) ?? [];
  throw badRequest(
    `${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: json: cannot unmarshal ${wanted} into Go struct field ${kind}.${wrong.field} of type ${actual}`,
  );
}

function commit(call: Call, object: KubeObject): KubeObject {
  if (isDryRun(call)) return object;
  const saved = call.cluster.store.put(keyOf(call.resource), toStored(call.resource, object));
  return fromStored(call.resource, saved);
}

function namespaceFor(call: Call, meta: ObjectMeta): Partial<ObjectMeta> {
  if (!call.resource.namespaced) return {};
  if (meta.namespace !== undefined && meta.namespace !== "" && meta.namespace !== call.namespace) {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
  return { namespace: call.namespace };
}

function freshMeta(call: Call, object: KubeObject): ObjectMeta {
  const {
    resourceVersion,
    deletionTimestamp: _at,
    deletionGracePeriodSeconds: _grace,
    generation: _generation,
    uid: _uid,
    ...kept
  } = object.metadata;
  if (resourceVersion !== undefined && resourceVersion !== "") {
    throw new StatusError(500, "", "resourceVersion should not be set on objects to be created");
  }
  const base = kept.generateName;
  const name = kept.name || (base === undefined || base === "" ? "" : generatedName(base));
  return {
    ...kept,
    ...namespaceFor(call, object.metadata),
    name,
    uid: call.cluster.newUid(),
    creationTimestamp: kubeTime(now(call)),
    ...(call.resource.counted ? { generation: 1 } : {}),
  };
}

function withoutStatusOf(object: KubeObject): KubeObject {
  const { status: _, ...rest } = object;
  return { ...rest, apiVersion: object.apiVersion, kind: object.kind, metadata: object.metadata };
}

export function create(call: Call, given: JsonMap, ownership: Ownership = updateOwnership(call)): KubeObject {
  const { resource, cluster } = call;
  const object = asObject(call, checked(call, given));
  decodeTypes(call, object);
  const metadata = freshMeta(call, object);
  requireNamespace({ ...call, name: metadata.name });
  const key = keyOf(resource);
  if (cluster.store.get(key, call.namespace, metadata.name) !== undefined) throw alreadyExists(resource, metadata.name);
  const stamped: KubeObject = { ...object, metadata };
  const kept = resource.hasStatus ? withoutStatusOf(stamped) : stamped;
  const defaulted = resource.custom
    ? (withDefaults(kept, resource.schema) as KubeObject)
    : withBuiltinDefaults(key, kept);
  refuse(call, metadata.name, [
    ...nameCauses(resource, metadata.name),
    ...validationCauses(call, defaulted, undefined),
  ]);
  // Ownership covers what the caller wrote and its defaults, not what the server adds.
  const owned = admitted(
    key,
    withOwners(defaulted, ownership(undefined, resource.hasStatus ? withoutStatusOf(defaulted) : defaulted)),
  );
  const established = key === DEFINITIONS ? { ...owned, status: establishedStatus(owned, now(call)) } : owned;
  return commit(call, established);
}

function requireSame(call: Call, old: KubeObject, next: KubeObject): void {
  const { resource } = call;
  const name = old.metadata.name;
  const { resourceVersion, uid } = next.metadata;
  if (next.metadata.name !== undefined && next.metadata.name !== "" && next.metadata.name !== name) {
    throw badRequest(`the name of the object (${next.metadata.name}) does not match the name on the URL (${name})`);
  }
  namespaceFor(call, next.metadata);
  if (uid !== undefined && uid !== "" && uid !== old.metadata.uid) {
    throw conflict(
      resource,
      name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`,
    );
  }
  if (resourceVersion !== undefined && resourceVersion !== "" && resourceVersion !== old.metadata.resourceVersion) {
    throw conflict(resource, name);
  }
}

/** The system's own metadata cannot be written. */
function keptMeta(old: KubeObject, next: KubeObject): KubeObject {
  const {
    name,
    namespace,
    uid,
    creationTimestamp,
    generation,
    resourceVersion,
    deletionTimestamp,
    deletionGracePeriodSeconds,
  } = old.metadata;
  return withMeta(next, {
    name,
    namespace,
    uid,
    creationTimestamp,
    generation,
    resourceVersion,
    deletionTimestamp,
    deletionGracePeriodSeconds,
    managedFields: next.metadata.managedFields,
  });
}

/** Each door changes its own part: status changes nothing else, and nothing else changes status. */
function throughDoor(call: Call, old: KubeObject, next: KubeObject): KubeObject {
  if (call.subresource === "status") {
    const metadata = call.resource.custom
      ? { ...old.metadata, managedFields: next.metadata.managedFields }
      : next.metadata;
    const out: KubeObject = { ...old, metadata: metadata as ObjectMeta, status: next["status"] };
    if (out["status"] === undefined) delete out["status"];
    return out;
  }
  if (!call.resource.hasStatus) return next;
  const out: KubeObject = { ...next, status: old["status"] };
  if (out["status"] === undefined) delete out["status"];
  return out;
}

function specPart(object: KubeObject): JsonMap {
  const { metadata: _m, status: _s, apiVersion: _a, ...rest } = object;
  return rest;
}

function withoutBookkeeping(object: KubeObject): KubeObject {
  const entries = object.metadata.managedFields?.map((entry) => ({ ...entry, time: undefined }));
  return withMeta(object, { managedFields: entries as ObjectMeta["managedFields"] });
}

export function update(
  call: Call,
  old: KubeObject,
  given: JsonMap,
  ownership: Ownership = updateOwnership(call),
): KubeObject {
  const { resource } = call;
  const decoded = asObject(call, checked(call, given));
  decodeTypes(call, decoded);
  requireSame(call, old, decoded);
  const routed = throughDoor(call, old, keptMeta(old, decoded));
  const defaulted = resource.custom
    ? (withDefaults(routed, resource.schema) as KubeObject)
    : withUpdateDefaults(keyOf(resource), routed);
  const isCounted = resource.counted && !deepEqual(specPart(old), specPart(defaulted));
  const next = isCounted ? withMeta(defaulted, { generation: (old.metadata.generation ?? 0) + 1 }) : defaulted;
  refuse(call, old.metadata.name, validationCauses(call, next, old));
  const owned = withOwners(next, ownership(old, next));
  if (deepEqual(withoutBookkeeping(owned), withoutBookkeeping(old))) return old;
  const final = keyOf(resource) === DEFINITIONS ? withDefinitionStatus(call, owned) : owned;
  if (!isReleased(final)) return commit(call, final);
  // Watchers see the object as it was last stored; the last finalizer is not written before the object goes.
  remove(call, old);
  return final;
}

function withDefinitionStatus(call: Call, definition: KubeObject): KubeObject {
  if (call.subresource === "status") return definition;
  const status = establishedStatus(definition, now(call));
  return {
    ...definition,
    status: { ...status, conditions: mapAt(definition, "status")["conditions"] ?? status["conditions"] },
  };
}

/** A deleted object goes when its last finalizer does and no grace is left. */
function isReleased(object: KubeObject): boolean {
  const { deletionTimestamp, finalizers = [], deletionGracePeriodSeconds = 0 } = object.metadata;
  if (deletionTimestamp === undefined || finalizers.length > 0 || deletionGracePeriodSeconds > 0) return false;
  const own = mapAt(object, "spec")["finalizers"];
  return object.kind !== "Namespace" || !Array.isArray(own) || own.length === 0;
}

export function remove(call: Call, object: KubeObject): KubeObject {
  if (isDryRun(call)) return object;
  return fromStored(call.resource, call.cluster.store.remove(keyOf(call.resource), toStored(call.resource, object)));
}
