import type { Cluster } from "./cluster.ts";
import { VERSION, aggregated, apiGroup, apiVersions, groupNames, resourceList, versionsOf } from "./discovery.ts";
import { openApiDocument, openApiIndex } from "./openapi.ts";
import { groupVersion } from "./resource.ts";
import { unknownResource } from "./status-error.ts";

export interface PlainAnswer {
  readonly type: string;
  readonly body: unknown;
}

const AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const JSON_TYPE = "application/json";
const json = (body: unknown): PlainAnswer => ({ type: JSON_TYPE, body });

interface PlainRequest {
  readonly cluster: Cluster;
  readonly path: string;
  readonly accept: string;
  readonly address: string;
}

function wantsAggregated(accept: string): boolean {
  return /g=apidiscovery\.k8s\.io;v=v2;as=APIGroupDiscoveryList/.test(accept);
}

function core({ cluster, accept, address }: PlainRequest): PlainAnswer {
  if (wantsAggregated(accept)) return { type: AGGREGATED, body: aggregated(cluster, [""]) };
  return json(apiVersions(address));
}

function groups({ cluster, accept }: PlainRequest): PlainAnswer {
  const names = groupNames(cluster);
  if (wantsAggregated(accept)) return { type: AGGREGATED, body: aggregated(cluster, names) };
  return json({ kind: "APIGroupList", apiVersion: "v1", groups: names.map((name) => apiGroup(cluster, name)) });
}

function oneGroup({ cluster, path }: PlainRequest): PlainAnswer {
  const group = path.split("/")[2] ?? "";
  if (!groupNames(cluster).includes(group)) throw unknownResource();
  return json({ kind: "APIGroup", apiVersion: "v1", ...apiGroup(cluster, group) });
}

function oneVersion({ cluster, path }: PlainRequest): PlainAnswer {
  const parts = path.split("/").slice(1);
  const [group = "", version = ""] = parts[0] === "api" ? ["", parts[1]] : [parts[1], parts[2]];
  if (!versionsOf(cluster, group).includes(version)) throw unknownResource();
  const resources = cluster.catalogue.all().filter((r) => r.group === group && r.version === version);
  return json(resourceList(resources, groupVersion({ group, version })));
}

function openApi({ cluster, path }: PlainRequest): PlainAnswer {
  const body = openApiDocument(cluster, path.slice("/openapi/v3/".length));
  if (body === undefined) throw unknownResource();
  return json(body);
}

const routes: readonly (readonly [RegExp, (request: PlainRequest) => PlainAnswer])[] = [
  [/^\/(healthz|readyz|livez)(\/|$)/, () => ({ type: "text/plain; charset=utf-8", body: "ok" })],
  [/^\/version$/, () => json(VERSION)],
  [/^\/openapi\/v3$/, ({ cluster }) => json(openApiIndex(cluster))],
  [/^\/openapi\/v3\/./, openApi],
  [/^\/api$/, core],
  [/^\/apis$/, groups],
  [/^\/apis\/[^/]+$/, oneGroup],
  [/^\/(api\/[^/]+|apis\/[^/]+\/[^/]+)$/, oneVersion],
];

/** Answers that are not about objects; undefined when the path is. */
export function plainAnswer(request: PlainRequest): PlainAnswer | undefined {
  const path = request.path.length > 1 ? request.path.replace(/\/$/, "") : request.path;
  return routes.find(([pattern]) => pattern.test(path))?.[1]({ ...request, path });
}
