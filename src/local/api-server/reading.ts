import type { Answer, Call } from "./call.ts";
import { fromStored, keyOf } from "./conversion.ts";
import { isMap, textAt } from "./json-value.ts";
import type { KubeObject } from "./object.ts";
import type { Resource } from "./resource.ts";
import { groupVersion } from "./resource.ts";
import { selection } from "./selectors.ts";
import { badRequest, expired, tooLargeRevision } from "./status-error.ts";

interface ListBody {
  kind: string;
  apiVersion: string;
  metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
  items: unknown[];
}

interface Page {
  /** The revision that all pages of one list show. */
  readonly revision: number;
  /** namespace/name of the last object of the page before. */
  readonly after: string;
}

const placeOf = (object: KubeObject): string => `${object.metadata.namespace ?? ""}/${object.metadata.name}`;

function pageOf(call: Call): Page | undefined {
  const token = call.query.get("continue") ?? "";
  if (token === "") return undefined;
  try {
    const decoded: unknown = JSON.parse(Buffer.from(token, "base64url").toString());
    if (isMap(decoded) && typeof decoded["rv"] === "number")
      return { revision: decoded["rv"], after: textAt(decoded, "start") };
  } catch {
    throw badRequest("continue key is not valid: illegal base64 data");
  }
  throw badRequest("continue key is not valid");
}

function tokenFor(revision: number, last: KubeObject): string {
  return Buffer.from(JSON.stringify({ v: "meta.k8s.io/v1", rv: revision, start: placeOf(last) })).toString("base64url");
}

/** The objects of a kind as they were at a revision: the newer changes undone. */
function objectsAt(call: Call, revision: number): KubeObject[] {
  const { store } = call.cluster;
  const key = keyOf(call.resource);
  const namespace = call.namespace === "" ? undefined : call.namespace;
  const current = store.list(key, namespace);
  if (revision >= store.revision()) return current;
  const newer = store.since(key, revision);
  if (newer === undefined) {
    throw expired(
      "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.",
    );
  }
  if (newer.length === 0) return current;
  const objects = new Map(current.map((object) => [placeOf(object), object]));
  for (const change of newer.toReversed()) {
    if (namespace !== undefined && (change.object.metadata.namespace ?? "") !== namespace) continue;
    if (change.previous === undefined) objects.delete(placeOf(change.object));
    else objects.set(placeOf(change.object), change.previous);
  }
  return [...objects].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
}

export function requestedRevision(call: Call): number {
  const text = call.query.get("resourceVersion") ?? "";
  if (text === "") return 0;
  if (!/^\d+$/.test(text))
    throw badRequest(
      `Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  return Number(text);
}

function revisionOf(call: Call, page: Page | undefined): number {
  const current = call.cluster.store.revision();
  if (page !== undefined) return page.revision;
  const asked = requestedRevision(call);
  if (asked > current) throw tooLargeRevision(asked, current);
  return call.query.get("resourceVersionMatch") === "Exact" && asked > 0 ? asked : current;
}

export function selectedObjects(call: Call): { objects: KubeObject[]; list: ListBody } {
  const { resource } = call;
  const page = pageOf(call);
  const revision = revisionOf(call, page);
  const named = call.name === "" ? undefined : call.name;
  const matches = selection(call.query, resource);
  const all = objectsAt(call, revision)
    .filter((object) => named === undefined || object.metadata.name === named)
    .map((object) => fromStored(resource, object))
    .filter((object) => matches?.(object) ?? true);
  const rest = page === undefined ? all : all.filter((object) => placeOf(object) > page.after);
  const limit = Number(call.query.get("limit") ?? 0) || Infinity;
  const objects = rest.slice(0, limit);
  const last = objects.at(-1);
  const metadata: ListBody["metadata"] = {
    ...(resource.custom ? { continue: "" } : {}),
    resourceVersion: String(revision),
  };
  if (rest.length > objects.length && last !== undefined) {
    metadata.continue = tokenFor(revision, last);
    if (matches === undefined) metadata.remainingItemCount = rest.length - objects.length;
  }
  return {
    objects,
    list: {
      kind: resource.listKind,
      apiVersion: groupVersion(resource),
      metadata,
      items: objects.map(listed(resource)),
    },
  };
}

/** Items of built-in lists carry no kind of their own. */
function listed(resource: Resource): (object: KubeObject) => unknown {
  if (resource.custom) return (object) => object;
  return ({ apiVersion: _a, kind: _k, ...rest }) => rest;
}

export function list(call: Call): Answer {
  return { code: 200, body: selectedObjects(call).list };
}
