import type { Answer, Call } from "./call.ts";
import { managerName, now, stored } from "./call.ts";
import { keyOf } from "./conversion.ts";
import { decode, mapOf } from "./body.ts";
import type { JsonMap } from "./json-value.ts";
import { canonical as goJson, isMap, mapAt, textAt } from "./json-value.ts";
import type { KubeObject } from "./object.ts";
import { kubeTime, withMeta } from "./object.ts";
import { overlay, removeAbandoned } from "./patch/apply.ts";
import { compare } from "./patch/compare.ts";
import type { FieldSet } from "./patch/field-set.ts";
import { difference, emptySet, setOf, union, without } from "./patch/field-set.ts";
import { jsonPatch } from "./patch/json-patch.ts";
import type { Application as AppliedFields, Owners } from "./patch/managed-fields.ts";
import { afterApply, managerId, ownersOf, strip } from "./patch/managed-fields.ts";
import { mergePatch } from "./patch/merge.ts";
import { strategicMergePatch } from "./patch/strategic.ts";
import { badRequest, conflict, notFound, unsupportedMediaType } from "./status-error.ts";
import type { Ownership } from "./write.ts";
import { checked, create, managerOf, update } from "./write.ts";

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";
const APPLY = "application/apply-patch+yaml";
const JSON_PATCH = "application/json-patch+json";
const MERGE = "application/merge-patch+json";
const STRATEGIC = "application/strategic-merge-patch+json";

/** The object that a patch makes of the current one. */
export function patched(call: Call, current: JsonMap): JsonMap {
  const patch = call.body.value;
  const result = ((): unknown => {
    switch (call.mediaType) {
      case JSON_PATCH:
        return jsonPatch(current, patch);
      case MERGE:
        return mergePatch(current, mapOf(call.body, "a merge patch"));
      case STRATEGIC:
        if (call.resource.custom) throw unsupportedMediaType([JSON_PATCH, MERGE, APPLY]);
        return strategicMergePatch(current, mapOf(call.body, "a strategic merge patch"), call.resource.schema);
      default:
        throw unsupportedMediaType([JSON_PATCH, MERGE, STRATEGIC, APPLY]);
    }
  })();
  if (!isMap(result)) throw badRequest("the patched object is not an object");
  return result;
}

export function patch(call: Call): Answer {
  if (call.mediaType === APPLY) return apply(call);
  const current = stored(call);
  return { code: 200, body: update(call, current, patched(call, current)) };
}

interface Application extends AppliedFields {
  readonly config: JsonMap;
}

function application(call: Call): Application {
  if (call.query.get("fieldManager") === null || managerName(call) === "") {
    throw badRequest(
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    );
  }
  const given = mapOf(call.body, "an apply configuration");
  const metadata = mapAt(given, "metadata");
  if (metadata["managedFields"] !== undefined) throw badRequest("metadata.managedFields must be nil");
  if (textAt(given, "apiVersion") === "" || textAt(given, "kind") === "") {
    throw badRequest("error decoding patch: apiVersion and kind must be set");
  }
  const config = checked(call, given);
  const named = { ...config, metadata: { ...mapAt(config, "metadata"), name: call.name } };
  return { config: named, fields: owned(call, named), force: call.query.get("force") === "true", allowed: emptySet() };
}

/** What the configuration states, without the parts that this door does not open. */
function owned(call: Call, config: JsonMap): FieldSet {
  const fields = strip(setOf(config, call.resource.schema));
  if (call.subresource !== "status") return call.resource.hasStatus ? without(fields, ["f:status"]) : fields;
  const withoutSpec = without(fields, ["f:spec"]);
  return call.resource.custom ? without(withoutSpec, ["f:metadata"]) : withoutSpec;
}

function ownership(call: Call, given: Application, owners: Owners): Ownership {
  return (live, next) =>
    afterApply(
      {
        live: live ?? { metadata: {} },
        next,
        schema: call.resource.schema,
        owners,
        manager: managerOf(call, "Apply"),
        time: kubeTime(now(call)),
      },
      given,
    );
}

/** Server-side apply: what the manager states now, minus what only it stated before. */
function apply(call: Call): Answer {
  const given = application(call);
  const found = call.cluster.store.get(keyOf(call.resource), call.namespace, call.name);
  if (found === undefined) return applyNew(call, given);
  const live = stored(call);
  const owners = ownersOf(live);
  const uid = textAt(given.config["metadata"], "uid");
  if (uid !== "" && uid !== live.metadata.uid) throw conflict(call.resource, call.name);
  const last = owners.get(managerId(managerOf(call, "Apply")))?.fields ?? emptySet();
  const others = [...owners.values()].filter((o) => managerId(o) !== managerId(managerOf(call, "Apply")));
  const merged = overlay(live, given.config, call.resource.schema) as KubeObject;
  const everybody = others.reduce((all, owner) => union(all, owner.fields), given.fields);
  const kept = removeAbandoned(merged, last, everybody, call.resource.schema);
  const next = withLastApplied(call, live, kept, given.config);
  const settle = ownership(call, { ...given, allowed: setClientSide(call, live) }, owners);
  // The annotation is the server's doing: it neither conflicts nor becomes the caller's.
  const settled: Ownership = (before, after) => settle(before, next === kept ? after : withLastAppliedOf(live, after));
  return { code: 200, body: update(call, live, next, settled) };
}

/** Fields that still are as `kubectl apply` without --server-side set them: kubectl may take them over from itself. */
function setClientSide(call: Call, live: KubeObject): FieldSet {
  const text = live.metadata.annotations?.[LAST_APPLIED];
  if (managerName(call) !== "kubectl" || text === undefined) return emptySet();
  const applied = decode(text, "application/json").value;
  const { schema } = call.resource;
  const { added, removed, modified } = compare(applied, live, schema);
  return [added, removed, modified].reduce(difference, setOf(applied, schema));
}

function withLastAppliedOf(live: KubeObject, next: KubeObject): KubeObject {
  const text = live.metadata.annotations?.[LAST_APPLIED] ?? "";
  return withMeta(next, { annotations: { ...next.metadata.annotations, [LAST_APPLIED]: text } });
}

/** `kubectl apply --server-side` keeps the annotation of client-side apply up to date, so that going back works. */
function withLastApplied(call: Call, live: KubeObject, next: JsonMap, config: JsonMap): JsonMap {
  if (managerName(call) !== "kubectl" || live.metadata.annotations?.[LAST_APPLIED] === undefined) return next;
  const metadata = mapAt(next, "metadata");
  const given = mapAt(config, "metadata");
  const { [LAST_APPLIED]: _, ...annotations } = mapAt(given, "annotations");
  const { annotations: _a, ...rest } = given;
  const kept = Object.keys(annotations).length > 0 ? { annotations, ...rest } : rest;
  const text = `${goJson({ ...config, metadata: kept })}\n`;
  return {
    ...next,
    metadata: { ...metadata, annotations: { ...mapAt(metadata, "annotations"), [LAST_APPLIED]: text } },
  };
}

function applyNew(call: Call, given: Application): Answer {
  const uid = textAt(given.config["metadata"], "uid");
  if (uid !== "")
    throw conflict(
      call.resource,
      call.name,
      `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`,
    );
  if (call.subresource !== "") throw notFound(call.resource, call.name);
  const body = create(call, given.config, ownership(call, given, new Map()));
  return { code: 201, body };
}
