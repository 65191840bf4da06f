import type { Cluster } from "./cluster.ts";
import type { Resource } from "./resource.ts";
import { groupVersion } from "./resource.ts";

const VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const SUBRESOURCE_VERBS = ["get", "patch", "update"];

interface Subresource {
  name: string;
  kind: { group: string; version: string; kind: string };
  verbs: string[];
}

function subresources(resource: Resource): Subresource[] {
  const own = { group: resource.group, version: resource.version, kind: resource.kind };
  const scale = { group: "autoscaling", version: "v1", kind: "Scale" };
  return [
    ...(resource.group === "" && resource.plural === "pods" ? [{ name: "log", kind: own, verbs: ["get"] }] : []),
    ...(resource.scale === undefined ? [] : [{ name: "scale", kind: scale, verbs: SUBRESOURCE_VERBS }]),
    ...(resource.hasStatus ? [{ name: "status", kind: own, verbs: SUBRESOURCE_VERBS }] : []),
  ];
}

/** APIResourceList: one version, the form that older clients read. */
export function resourceList(resources: readonly Resource[], version: string): unknown {
  const entries = resources.flatMap((resource) => {
    const { plural, singular, namespaced, kind, shortNames, categories } = resource;
    const main = {
      name: plural,
      singularName: singular,
      namespaced,
      kind,
      verbs: VERBS,
      ...(shortNames.length > 0 ? { shortNames } : {}),
      ...(categories.length > 0 ? { categories } : {}),
    };
    const below = subresources(resource).map((sub) => ({
      name: `${plural}/${sub.name}`,
      singularName: "",
      namespaced,
      ...(sub.kind.kind === "Scale" ? { group: sub.kind.group, version: sub.kind.version } : {}),
      kind: sub.kind.kind,
      verbs: sub.verbs,
    }));
    return [main, ...below];
  });
  return { kind: "APIResourceList", apiVersion: "v1", groupVersion: version, resources: entries };
}

function aggregatedResource(resource: Resource): unknown {
  const { group, version, kind, plural, singular, shortNames, categories, namespaced } = resource;
  const below = subresources(resource).map((sub) => ({
    subresource: sub.name,
    responseKind: sub.kind,
    verbs: sub.verbs,
  }));
  return {
    resource: plural,
    responseKind: { group, version, kind },
    scope: namespaced ? "Namespaced" : "Cluster",
    singularResource: singular,
    verbs: VERBS,
    ...(shortNames.length > 0 ? { shortNames } : {}),
    ...(categories.length > 0 ? { categories } : {}),
    ...(below.length > 0 ? { subresources: below } : {}),
  };
}

export function groupNames(cluster: Cluster): string[] {
  return [...new Set(cluster.catalogue.all().map((r) => r.group))].filter((group) => group !== "");
}

export function versionsOf(cluster: Cluster, group: string): string[] {
  return [
    ...new Set(
      cluster.catalogue
        .all()
        .filter((r) => r.group === group)
        .map((r) => r.version),
    ),
  ];
}

/** APIGroupDiscoveryList: everything in one answer, what kubectl asks for first. */
export function aggregated(cluster: Cluster, groups: readonly string[]): unknown {
  const items = groups.map((group) => ({
    metadata: { ...(group === "" ? {} : { name: group }), creationTimestamp: null },
    versions: versionsOf(cluster, group).map((version) => ({
      version,
      resources: cluster.catalogue
        .all()
        .filter((r) => r.group === group && r.version === version)
        .map(aggregatedResource),
      freshness: "Current",
    })),
  }));
  return { kind: "APIGroupDiscoveryList", apiVersion: "apidiscovery.k8s.io/v2", metadata: {}, items };
}

export function apiGroup(cluster: Cluster, group: string): Record<string, unknown> {
  const versions = versionsOf(cluster, group).map((version) => ({
    groupVersion: groupVersion({ group, version }),
    version,
  }));
  return { name: group, versions, preferredVersion: versions[0] };
}

export function apiVersions(address: string): unknown {
  const serverAddressByClientCIDRs = [{ clientCIDR: "0.0.0.0/0", serverAddress: address }];
  return { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs };
}

export const VERSION = {
  major: "1",
  minor: "34",
  emulationMajor: "1",
  emulationMinor: "34",
  minCompatibilityMajor: "1",
  minCompatibilityMinor: "33",
  gitVersion: "v1.34.1+weir",
  gitCommit: "",
  gitTreeState: "clean",
  buildDate: "1970-01-01T00:00:00Z",
  goVersion: "",
  compiler: "",
  platform: `${process.platform}/${process.arch === "x64" ? "amd64" : process.arch}`,
};
