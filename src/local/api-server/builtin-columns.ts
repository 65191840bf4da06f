import { ageText } from "./duration-text.ts";
import { isMap, listAt, mapAt, textAt } from "./json-value.ts";
import type { KubeObject } from "./object.ts";
import { podColumns } from "./pod-columns.ts";
import type { Column } from "./resource.ts";
import type { Cell, Columns } from "./table.ts";

/** The columns of the built-in kinds, as k8s.io/kubernetes/pkg/printers/internalversion prints them. */
export function column(name: string, type = "string", priority = 0): Column {
  return { name, type, format: name === "Name" ? "name" : "", description: "", priority };
}

type Reader = (object: KubeObject, now: number) => Cell;
type Row = readonly [Column, Reader];

export function columns(...rows: readonly Row[]): Columns {
  return {
    definitions: rows.map(([definition]) => definition),
    cells: (object, now) => rows.map(([, read]) => read(object, now)),
  };
}

export const name: Row = [column("Name"), (o) => o.metadata.name];
export const age: Row = [column("Age"), (o, now) => ageText(o.metadata.creationTimestamp, now)];

const count = (parent: unknown, ...keys: string[]): number =>
  keys.reduce((sum, key) => sum + Object.keys(mapAt(parent, key)).length, 0);
const orNone = (text: string): string => (text === "" ? "<none>" : text);

function nodeStatus(node: KubeObject): string {
  const ready = listAt(node["status"], "conditions").find((c) => textAt(c, "type") === "Ready");
  const base = ready === undefined ? "Unknown" : textAt(ready, "status") === "True" ? "Ready" : "NotReady";
  return mapAt(node, "spec")["unschedulable"] === true ? `${base},SchedulingDisabled` : base;
}

function nodeAddress(node: KubeObject, type: string): string {
  return orNone(
    textAt(
      listAt(node["status"], "addresses").find((a) => textAt(a, "type") === type),
      "address",
    ),
  );
}

function nodeInfo(node: KubeObject, field: string): string {
  const text = textAt(mapAt(mapAt(node, "status"), "nodeInfo"), field);
  return text === "" ? "<unknown>" : text;
}

function nodeRoles(node: KubeObject): string {
  const prefix = "node-role.kubernetes.io/";
  const labels = Object.keys(node.metadata.labels ?? {}).filter((key) => key.startsWith(prefix));
  return orNone(labels.map((key) => key.slice(prefix.length)).join(","));
}

function servicePorts(service: KubeObject): string {
  const ports = listAt(service["spec"], "ports").filter(isMap);
  return orNone(ports.map((p) => `${String(p["port"])}/${textAt(p, "protocol")}`).join(","));
}

function selectorText(selector: unknown): string {
  const pairs = Object.entries(isMap(selector) ? selector : {}).map(([key, value]) => `${key}=${String(value)}`);
  return orNone(pairs.toSorted().join(","));
}

function lastSeen(event: KubeObject, now: number): string {
  const series = mapAt(event, "series");
  const first = textAt(event, "firstTimestamp") || textAt(event, "eventTime");
  const last = textAt(series, "lastObservedTime") || textAt(event, "lastTimestamp") || first;
  return ageText(last, now);
}

function firstSeen(event: KubeObject, now: number): string {
  return ageText(textAt(event, "firstTimestamp") || textAt(event, "eventTime"), now);
}

function involved(event: KubeObject): string {
  const object = { ...mapAt(event, "involvedObject"), ...mapAt(event, "regarding") };
  const named = textAt(object, "name");
  const kind = textAt(object, "kind").toLowerCase();
  return named === "" ? kind : `${kind}/${named}`;
}

function eventCount(event: KubeObject): number {
  const series = mapAt(event, "series")["count"];
  const times = series ?? event["count"] ?? event["deprecatedCount"];
  return typeof times === "number" && times > 0 ? times : 1;
}

function eventSource(event: KubeObject): string {
  const { component = "", host = "" } = { ...mapAt(event, "source"), ...mapAt(event, "deprecatedSource") };
  const reporter = String(component) || textAt(event, "reportingComponent") || textAt(event, "reportingController");
  const instance = String(host) || textAt(event, "reportingInstance");
  return instance === "" ? reporter : `${reporter}, ${instance}`;
}

const events = columns(
  [column("Last Seen"), lastSeen],
  [column("Type"), (o) => textAt(o, "type")],
  [column("Reason"), (o) => textAt(o, "reason")],
  [column("Object"), involved],
  [
    column("Subobject", "string", 1),
    (o) => textAt({ ...mapAt(o, "involvedObject"), ...mapAt(o, "regarding") }, "fieldPath"),
  ],
  [column("Source", "string", 1), eventSource],
  [column("Message"), (o) => (textAt(o, "message") || textAt(o, "note")).trim()],
  [column("First Seen", "string", 1), firstSeen],
  [column("Count", "string", 1), (o) => String(eventCount(o))],
  [{ ...column("Name", "string", 1) }, (o) => o.metadata.name],
);

const available = (value: unknown): Cell =>
  typeof value === "number" || typeof value === "string" ? String(value) : "N/A";

const byKind: Readonly<Record<string, Columns>> = {
  "/pods": podColumns,
  "/events": events,
  "events.k8s.io/events": events,
  "/configmaps": columns(name, [column("Data"), (o) => count(o, "data", "binaryData")], age),
  "/secrets": columns(name, [column("Type"), (o) => textAt(o, "type")], [column("Data"), (o) => count(o, "data")], age),
  "/serviceaccounts": columns(name, [column("Secrets"), (o) => listAt(o, "secrets").length], age),
  "/namespaces": columns(name, [column("Status"), (o) => textAt(o["status"], "phase")], age),
  "/nodes": columns(
    name,
    [column("Status"), nodeStatus],
    [column("Roles"), nodeRoles],
    age,
    [column("Version"), (o) => textAt(mapAt(mapAt(o, "status"), "nodeInfo"), "kubeletVersion")],
    [column("Internal-IP", "string", 1), (o) => nodeAddress(o, "InternalIP")],
    [column("External-IP", "string", 1), (o) => nodeAddress(o, "ExternalIP")],
    [column("OS-Image", "string", 1), (o) => nodeInfo(o, "osImage")],
    [column("Kernel-Version", "string", 1), (o) => nodeInfo(o, "kernelVersion")],
    [column("Container-Runtime", "string", 1), (o) => nodeInfo(o, "containerRuntimeVersion")],
  ),
  "/services": columns(
    name,
    [column("Type"), (o) => textAt(o["spec"], "type")],
    [column("Cluster-IP"), (o) => orNone(textAt(o["spec"], "clusterIP"))],
    [column("External-IP"), (o) => orNone(textAt(o["spec"], "externalName"))],
    [column("Port(s)"), servicePorts],
    age,
    [column("Selector", "string", 1), (o) => selectorText(mapAt(o, "spec")["selector"])],
  ),
  "/persistentvolumeclaims": columns(
    name,
    [column("Status"), (o) => textAt(o["status"], "phase")],
    [column("Volume"), (o) => textAt(o["spec"], "volumeName")],
    [column("Capacity"), (o) => textAt(mapAt(mapAt(o, "status"), "capacity"), "storage")],
    [column("Access Modes"), () => ""],
    [column("StorageClass"), (o) => textAt(o["spec"], "storageClassName")],
    [column("VolumeAttributesClass"), () => "<unset>"],
    age,
    [column("VolumeMode", "string", 1), (o) => textAt(o["spec"], "volumeMode")],
  ),
  "coordination.k8s.io/leases": columns(name, [column("Holder"), (o) => textAt(o["spec"], "holderIdentity")], age),
  "policy/poddisruptionbudgets": columns(
    name,
    [column("Min Available"), (o) => available(mapAt(o, "spec")["minAvailable"])],
    [column("Max Unavailable"), (o) => available(mapAt(o, "spec")["maxUnavailable"])],
    [column("Allowed Disruptions", "integer"), (o) => Number(mapAt(o, "status")["disruptionsAllowed"] ?? 0)],
    age,
  ),
  "apiextensions.k8s.io/customresourcedefinitions": columns(name, [
    column("Created At", "date"),
    (o) => o.metadata.creationTimestamp ?? "",
  ]),
};

const plain = columns(name, age);

export function builtinColumns(key: string): Columns {
  return byKind[key] ?? plain;
}
