import type { Cluster } from "./cluster.ts";
import type { Resource } from "./resource.ts";
import { unknownResource } from "./status-error.ts";

export interface Address {
  readonly resource: Resource;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
}

/** Group and version of /api/v1/… or /apis/GROUP/VERSION/…, and what follows them. */
function versionOf(parts: readonly string[]): { group: string; version: string; rest: readonly string[] } {
  const [root, first = "", second = ""] = parts;
  return root === "api"
    ? { group: "", version: first, rest: parts.slice(2) }
    : { group: first, version: second, rest: parts.slice(3) };
}

function segmentsOf(path: string): string[] {
  return path
    .split("/")
    .filter((part) => part !== "")
    .map(decodeURIComponent);
}

/** What a path names, or an answer of 404. */
export function addressOf(cluster: Cluster, path: string): Address {
  const { group, version, rest } = versionOf(segmentsOf(path));
  const find = (plural: string | undefined): Resource | undefined =>
    cluster.catalogue.find(group, version, plural ?? "");
  const inNamespace = rest[0] === "namespaces" && rest.length > 2 ? find(rest[2]) : undefined;
  if (inNamespace?.namespaced === true) return placeIn(inNamespace, rest[1] ?? "", rest.slice(3));
  const resource = find(rest[0]);
  const isNamed = rest.length > 1;
  if (resource === undefined || rest.length > 3 || (resource.namespaced && isNamed)) throw unknownResource();
  return placeIn(resource, "", rest.slice(1));
}

function placeIn(resource: Resource, namespace: string, below: readonly string[]): Address {
  return { resource, namespace, name: below[0] ?? "", subresource: below[1] ?? "" };
}
