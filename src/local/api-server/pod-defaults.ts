import { isMap, listAt, mapAt, textAt } from "./json-value.ts";
import type { JsonMap } from "./json-value.ts";
import type { KubeObject } from "./object.ts";

/** What the real server and its admission write into a pod that leaves it open. */

function probe(value: unknown): unknown {
  if (!isMap(value)) return value;
  const http = value["httpGet"];
  const get = isMap(http) ? { httpGet: { path: "/", scheme: "HTTP", ...http } } : {};
  return { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3, ...value, ...get };
}

function pullPolicy(image: string): string {
  const tag = image.includes("@") ? "digest" : (/:([^/:]+)$/.exec(image)?.[1] ?? "latest");
  return tag === "latest" ? "Always" : "IfNotPresent";
}

function variable(value: unknown): unknown {
  const field = mapAt(value, "valueFrom")["fieldRef"];
  if (!isMap(value) || !isMap(field)) return value;
  return { ...value, valueFrom: { ...mapAt(value, "valueFrom"), fieldRef: { apiVersion: "v1", ...field } } };
}

/** A limit without a request asks for as much as it allows. */
function resources(value: JsonMap): JsonMap {
  const limits = value["limits"];
  return isMap(limits) ? { ...value, requests: { ...limits, ...mapAt(value, "requests") } } : value;
}

function container(value: unknown): unknown {
  if (!isMap(value)) return value;
  const out: JsonMap = {
    terminationMessagePath: "/dev/termination-log",
    terminationMessagePolicy: "File",
    imagePullPolicy: pullPolicy(textAt(value, "image")),
    ...value,
    resources: resources(mapAt(value, "resources")),
  };
  if (Array.isArray(value["ports"]))
    out["ports"] = value["ports"].map((p) => (isMap(p) ? { protocol: "TCP", ...p } : p));
  if (Array.isArray(value["env"])) out["env"] = value["env"].map(variable);
  for (const name of ["livenessProbe", "readinessProbe", "startupProbe"])
    if (name in value) out[name] = probe(value[name]);
  return out;
}

const VOLUME_DEFAULTS: Readonly<Record<string, JsonMap>> = {
  configMap: { defaultMode: 420 },
  secret: { defaultMode: 420 },
  projected: { defaultMode: 420 },
  downwardAPI: { defaultMode: 420 },
  hostPath: { type: "" },
};

function volume(value: unknown): unknown {
  if (!isMap(value)) return value;
  const out = { ...value };
  for (const [source, defaults] of Object.entries(VOLUME_DEFAULTS)) {
    if (isMap(out[source])) out[source] = { ...defaults, ...out[source] };
  }
  return Object.keys(out).length === 1 ? { ...out, emptyDir: {} } : out;
}

const EVICTION_TOLERATIONS = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"].map((key) => ({
  key,
  operator: "Exists",
  effect: "NoExecute",
  tolerationSeconds: 300,
}));

function tolerations(spec: JsonMap): unknown[] {
  const own = listAt(spec, "tolerations");
  const isCovered = (key: string): boolean =>
    own.some(
      (t) => isMap(t) && (t["key"] === key || t["key"] === undefined) && (t["effect"] ?? "NoExecute") === "NoExecute",
    );
  return [...own, ...EVICTION_TOLERATIONS.filter((toleration) => !isCovered(toleration.key))];
}

function quality(spec: JsonMap): string {
  const all = [...listAt(spec, "containers"), ...listAt(spec, "initContainers")].map((c) => mapAt(c, "resources"));
  const asks = all.filter(
    (r) => Object.keys(mapAt(r, "requests")).length > 0 || Object.keys(mapAt(r, "limits")).length > 0,
  );
  if (asks.length === 0) return "BestEffort";
  const guaranteed = all.every((r) =>
    ["cpu", "memory"].every(
      (name) => mapAt(r, "limits")[name] !== undefined && mapAt(r, "limits")[name] === mapAt(r, "requests")[name],
    ),
  );
  return guaranteed ? "Guaranteed" : "Burstable";
}

export function podWithDefaults(pod: KubeObject): KubeObject {
  const given = mapAt(pod, "spec");
  const spec: JsonMap = {
    restartPolicy: "Always",
    terminationGracePeriodSeconds: 30,
    dnsPolicy: "ClusterFirst",
    securityContext: {},
    schedulerName: "default-scheduler",
    enableServiceLinks: true,
    ...given,
    containers: listAt(given, "containers").map(container),
  };
  if (given["serviceAccountName"] !== undefined) spec["serviceAccount"] = given["serviceAccountName"];
  if (Array.isArray(given["initContainers"])) spec["initContainers"] = given["initContainers"].map(container);
  if (Array.isArray(given["volumes"])) spec["volumes"] = given["volumes"].map(volume);
  return { ...pod, spec };
}

/** What admission adds after the caller's ownership is settled: priority, service account, tolerations of a failing node. */
export function admittedPod(pod: KubeObject): KubeObject {
  const given = mapAt(pod, "spec");
  const account = textAt(given, "serviceAccountName") || "default";
  const spec: JsonMap = {
    ...given,
    serviceAccountName: account,
    serviceAccount: account,
    priority: given["priority"] ?? 0,
    preemptionPolicy: given["preemptionPolicy"] ?? "PreemptLowerPriority",
    tolerations: tolerations(given),
  };
  return { ...pod, spec, status: { phase: "Pending", qosClass: quality(spec) } };
}

function conditionWithTimes(condition: unknown): unknown {
  return isMap(condition) ? { lastProbeTime: null, lastTransitionTime: null, ...condition } : condition;
}

function stateWithTimes(state: unknown): unknown {
  const terminated = mapAt(state, "terminated");
  if (!isMap(state) || Object.keys(terminated).length === 0) return state;
  return { ...state, terminated: { startedAt: null, finishedAt: null, ...terminated } };
}

function containerWithTimes(status: unknown): unknown {
  if (!isMap(status)) return status;
  return {
    ...status,
    state: stateWithTimes(status["state"] ?? {}),
    lastState: stateWithTimes(status["lastState"] ?? {}),
  };
}

/** Go writes times also when they are not set, and keeps podIP and podIPs the same. */
export function podWithStatusDefaults(pod: KubeObject): KubeObject {
  const status = { ...mapAt(pod, "status") };
  for (const field of ["containerStatuses", "initContainerStatuses"]) {
    if (Array.isArray(status[field])) status[field] = status[field].map(containerWithTimes);
  }
  if (Array.isArray(status["conditions"])) status["conditions"] = status["conditions"].map(conditionWithTimes);
  const ip = textAt(status, "podIP");
  if (ip !== "") status["podIPs"] ??= [{ ip }];
  return { ...pod, status };
}
