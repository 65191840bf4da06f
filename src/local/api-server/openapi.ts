import { createHash } from "node:crypto";
import type { Cluster } from "./cluster.ts";
import type { JsonMap } from "./json-value.ts";
import { isMap } from "./json-value.ts";
import type { Resource } from "./resource.ts";
import type { Schema } from "./schema/structural.ts";
import { OBJECT_META, publishedSchemas } from "./schema/structural.ts";

const REF = "#/components/schemas/";

function pathPrefix(version: { group: string; version: string }): string {
  return version.group === "" ? `api/${version.version}` : `apis/${version.group}/${version.version}`;
}

/** Our references are bare names; OpenAPI wants pointers. */
function withPointers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withPointers);
  if (!isMap(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      key === "$ref" && typeof item === "string" ? REF + item : withPointers(item),
    ]),
  );
}

function schemaName(resource: Resource): string {
  return [...resource.group.split(".").toReversed(), resource.version, resource.kind]
    .filter((part) => part !== "")
    .join(".");
}

function kindTag(resource: Resource): JsonMap[] {
  return [{ group: resource.group, version: resource.version, kind: resource.kind }];
}

function customSchema(resource: Resource): Schema {
  const metadata = { $ref: OBJECT_META };
  return { ...resource.schema, properties: { ...resource.schema.properties, metadata } };
}

/** kubectl reads from an operation only its kind and whether it takes fieldValidation and dryRun. */
function operation(resource: Resource, action: string): JsonMap {
  const parameters = ["dryRun", "fieldManager", "fieldValidation"].map((name) => ({
    name,
    in: "query",
    schema: { type: "string", uniqueItems: true },
  }));
  const content = { "application/json": { schema: { $ref: REF + schemaName(resource) } } };
  return {
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": { group: resource.group, version: resource.version, kind: resource.kind },
    parameters,
    responses: { 200: { description: "OK", content } },
  };
}

function pathsOf(resource: Resource): JsonMap {
  const scope = resource.namespaced ? "/namespaces/{namespace}" : "";
  const base = `/${pathPrefix(resource)}${scope}/${resource.plural}`;
  return {
    [base]: { get: operation(resource, "list"), post: operation(resource, "post") },
    [`${base}/{name}`]: {
      get: operation(resource, "get"),
      put: operation(resource, "put"),
      patch: operation(resource, "patch"),
      delete: operation(resource, "delete"),
    },
  };
}

function document(resources: readonly Resource[]): JsonMap {
  const own = resources.map((resource) => [
    schemaName(resource),
    withPointers({
      ...(resource.custom ? customSchema(resource) : resource.schema),
      "x-kubernetes-group-version-kind": kindTag(resource),
    }),
  ]);
  const published = Object.entries(publishedSchemas()).map(([name, schema]) => [name, withPointers(schema)]);
  return {
    openapi: "3.0.0",
    info: { title: "Kubernetes", version: "v1.34.1" },
    paths: Object.assign({}, ...resources.map(pathsOf)) as JsonMap,
    components: { schemas: Object.fromEntries([...published, ...own]) },
  };
}

function served(cluster: Cluster): Map<string, Resource[]> {
  const byVersion = new Map<string, Resource[]>();
  for (const resource of cluster.catalogue.all()) {
    const prefix = pathPrefix(resource);
    byVersion.set(prefix, [...(byVersion.get(prefix) ?? []), resource]);
  }
  return byVersion;
}

/** /openapi/v3: one document for each group and version; the hash lets kubectl keep them. */
export function openApiIndex(cluster: Cluster): unknown {
  const paths = [...served(cluster)].map(([prefix, resources]) => {
    const hash = createHash("sha512").update(JSON.stringify(resources)).digest("hex").toUpperCase();
    return [prefix, { serverRelativeURL: `/openapi/v3/${prefix}?hash=${hash}` }];
  });
  return { paths: Object.fromEntries(paths) as JsonMap };
}

export function openApiDocument(cluster: Cluster, prefix: string): unknown {
  const resources = served(cluster).get(prefix);
  return resources === undefined ? undefined : document(resources);
}
