import { definitionWithDefaults } from "./definitions.ts";
import { isMap, listAt, mapAt } from "./json-value.ts";
import type { KubeObject } from "./object.ts";
import { admittedPod, podWithDefaults, podWithStatusDefaults } from "./pod-defaults.ts";

/** What creating an object of a built-in kind fills in, by storage key. */

function namespace(object: KubeObject): KubeObject {
  const labels = { ...object.metadata.labels, "kubernetes.io/metadata.name": object.metadata.name };
  return { ...object, metadata: { ...object.metadata, labels } };
}

function admittedNamespace(object: KubeObject): KubeObject {
  return { ...object, spec: { ...mapAt(object, "spec"), finalizers: ["kubernetes"] }, status: { phase: "Active" } };
}

function secret(object: KubeObject): KubeObject {
  const { stringData, ...rest } = object;
  const encoded = Object.entries(isMap(stringData) ? stringData : {}).map(([key, value]) => [
    key,
    Buffer.from(String(value)).toString("base64"),
  ]);
  const data = { ...mapAt(object, "data"), ...Object.fromEntries(encoded) };
  return {
    type: "Opaque",
    ...rest,
    ...(Object.keys(data).length > 0 ? { data } : {}),
    apiVersion: object.apiVersion,
    kind: object.kind,
    metadata: object.metadata,
  };
}

let nextClusterIp = 1;
function clusterIp(): string {
  nextClusterIp += 1;
  return `10.96.${(nextClusterIp >> 8) & 255}.${nextClusterIp & 255}`;
}

function service(object: KubeObject): KubeObject {
  const given = mapAt(object, "spec");
  const ports = listAt(given, "ports").map((port) =>
    isMap(port) ? { protocol: "TCP", targetPort: port["port"], ...port } : port,
  );
  const spec = {
    sessionAffinity: "None",
    type: "ClusterIP",
    ...(given["type"] === "ExternalName" ? {} : { internalTrafficPolicy: "Cluster" }),
    ...given,
    ...(ports.length > 0 ? { ports } : {}),
  };
  return { ...object, spec };
}

function admittedService(object: KubeObject): KubeObject {
  const given = mapAt(object, "spec");
  const ip = given["clusterIP"] ?? clusterIp();
  const addresses = { clusterIP: ip, clusterIPs: [ip], ipFamilies: ["IPv4"], ipFamilyPolicy: "SingleStack" };
  const spec = given["type"] === "ExternalName" ? given : { ...addresses, ...given };
  return { ...object, spec, status: { loadBalancer: {} } };
}

function claim(object: KubeObject): KubeObject {
  return { ...object, spec: { volumeMode: "Filesystem", ...mapAt(object, "spec") } };
}

const NO_DISRUPTIONS = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };

const onCreate: Readonly<Record<string, (object: KubeObject) => KubeObject>> = {
  "/namespaces": namespace,
  "/pods": podWithDefaults,
  "/secrets": secret,
  "/services": service,
  "/persistentvolumeclaims": claim,
  "apiextensions.k8s.io/customresourcedefinitions": definitionWithDefaults,
};

/** What the server adds after ownership is settled: nobody owns it. */
const onAdmission: Readonly<Record<string, (object: KubeObject) => KubeObject>> = {
  "/namespaces": admittedNamespace,
  "/pods": admittedPod,
  "/services": admittedService,
  "/persistentvolumeclaims": (object) => ({ ...object, status: { phase: "Pending" } }),
  "policy/poddisruptionbudgets": (object) => ({ ...object, status: NO_DISRUPTIONS }),
};

export function admitted(key: string, object: KubeObject): KubeObject {
  return onAdmission[key]?.(object) ?? object;
}

export function withBuiltinDefaults(key: string, object: KubeObject): KubeObject {
  return onCreate[key]?.(object) ?? object;
}

/** On update only those whose defaults do not depend on the moment of creation run again. */
export function withUpdateDefaults(key: string, object: KubeObject): KubeObject {
  if (key === "/secrets") return secret(object);
  if (key === "/pods") return podWithStatusDefaults(object);
  return key === "apiextensions.k8s.io/customresourcedefinitions" ? definitionWithDefaults(object) : object;
}
