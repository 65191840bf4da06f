import type { KubeObject } from "./object.ts";
import type { Resource } from "./resource.ts";
import { groupVersion, storageKey } from "./resource.ts";

/** Core events and events.k8s.io events are one kind under two spellings: [core, events.k8s.io]. */
const EVENT_FIELDS: readonly (readonly [string, string])[] = [
  ["involvedObject", "regarding"],
  ["message", "note"],
  ["source", "deprecatedSource"],
  ["firstTimestamp", "deprecatedFirstTimestamp"],
  ["lastTimestamp", "deprecatedLastTimestamp"],
  ["count", "deprecatedCount"],
  ["reportingComponent", "reportingController"],
];
const toCore = new Map(EVENT_FIELDS.map(([core, modern]) => [modern, core]));
const toModern = new Map(EVENT_FIELDS.map(([core, modern]) => [core, modern]));

const EVENTS = "/events";
/** What Go writes for an event that leaves these open. */
const BLANK_EVENT = {
  reportingComponent: "",
  reportingInstance: "",
  source: {},
  firstTimestamp: null,
  lastTimestamp: null,
  eventTime: null,
};

function isModernEvent(resource: Resource): boolean {
  return resource.group === "events.k8s.io";
}

function rename(object: KubeObject, names: ReadonlyMap<string, string>, apiVersion: string): KubeObject {
  const renamed = Object.fromEntries(Object.entries(object).map(([key, value]) => [names.get(key) ?? key, value]));
  return { ...renamed, apiVersion, kind: object.kind, metadata: object.metadata };
}

/** Where the objects of a resource are kept. */
export function keyOf(resource: Resource): string {
  return isModernEvent(resource) ? EVENTS : storageKey(resource);
}

export function toStored(resource: Resource, object: KubeObject): KubeObject {
  if (keyOf(resource) !== EVENTS) return object;
  const core = isModernEvent(resource) ? rename(object, toCore, "v1") : object;
  return { ...BLANK_EVENT, ...core };
}

/** The stored object as this version of the kind spells it. */
export function fromStored(resource: Resource, object: KubeObject): KubeObject {
  if (isModernEvent(resource)) return rename(object, toModern, "events.k8s.io/v1");
  const apiVersion = groupVersion(resource);
  return object.apiVersion === apiVersion ? object : { ...object, apiVersion };
}
