import type { Resource } from "./resource.ts";

/**
 * What an object of a built-in kind looks like before anything is set: Go writes some empty fields. Ownership of a create is the
 * difference to this, so `f:metadata` or a pod's `f:spec` are not owned as such, and a custom resource's `f:spec` is.
 */
const BLANK: Readonly<Record<string, Record<string, unknown>>> = {
  Pod: { metadata: {}, spec: { containers: null }, status: {} },
  Service: { metadata: {}, spec: {}, status: { loadBalancer: {} } },
  Namespace: { metadata: {}, spec: {}, status: {} },
  Node: { metadata: {}, spec: {}, status: { daemonEndpoints: { kubeletEndpoint: { Port: 0 } }, nodeInfo: {} } },
  PersistentVolumeClaim: { metadata: {}, spec: { resources: {} }, status: {} },
  PodDisruptionBudget: { metadata: {}, spec: {}, status: {} },
  Lease: { metadata: {}, spec: {} },
  CustomResourceDefinition: {
    metadata: {},
    spec: { group: "", names: { plural: "", kind: "" }, scope: "", versions: null },
    status: {},
  },
  Event: { metadata: {}, involvedObject: {}, source: {}, regarding: {} },
};

export function typedNull(resource: Resource): Record<string, unknown> {
  return resource.custom ? { metadata: {} } : (BLANK[resource.kind] ?? { metadata: {} });
}
