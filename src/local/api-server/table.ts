import { builtinColumns } from "./builtin-columns.ts";
import { valuesAt } from "./column-path.ts";
import { ageText } from "./duration-text.ts";
import type { JsonMap } from "./json-value.ts";
import { isMap } from "./json-value.ts";
import type { KubeObject } from "./object.ts";
import type { Column, Resource } from "./resource.ts";
import { groupVersion, storageKey } from "./resource.ts";

export type Cell = string | number | boolean | null;

export interface Columns {
  readonly definitions: readonly Column[];
  readonly cells: (object: KubeObject, now: number) => Cell[];
}

export const NAME: Column = {
  name: "Name",
  type: "string",
  format: "name",
  description: "Name must be unique within a namespace.",
  priority: 0,
};

function isCell(value: unknown): value is Cell {
  return ["string", "number", "boolean"].includes(typeof value) || value === null;
}

function cellAt(object: KubeObject, column: { jsonPath: string; type: string }, now: number): Cell {
  const values = valuesAt(object, column.jsonPath);
  const [value] = values;
  if (value === undefined || value === null) return null;
  if (column.type === "date") return ageText(value, now);
  if (column.type === "string") return values.length > 1 ? values.map(textOf).join(",") : textOf(value);
  if (column.type === "integer") return typeof value === "number" ? Math.trunc(value) : null;
  return isCell(value) ? value : textOf(value);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function definitionOf({ name, type, format, description, priority }: Column): Column {
  return { name, type, format, description, priority };
}

function customColumns(resource: Resource): Columns {
  return {
    definitions: [NAME, ...resource.columns.map(definitionOf)],
    cells: (object, now) => [object.metadata.name, ...resource.columns.map((column) => cellAt(object, column, now))],
  };
}

function columnsOf(resource: Resource): Columns {
  return resource.custom ? customColumns(resource) : builtinColumns(storageKey(resource));
}

/** How much of each object a row carries: `includeObject` of the request. */
function rowObject(object: KubeObject, { include, resource }: TableRequest): unknown {
  if (include === "None") return undefined;
  // Items of a list do without what its own kind says; a row stands alone.
  const { kind } = resource;
  return include === "Object" ? { ...object, kind, apiVersion: groupVersion(resource) } : partial(object);
}

export function partial(object: KubeObject): JsonMap {
  return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: object.metadata };
}

export interface TableRequest {
  readonly resource: Resource;
  readonly include: string;
  readonly now: number;
  /** Watches send the columns with their first event only. */
  readonly withColumns: boolean;
}

export function tableOf(objects: readonly KubeObject[], metadata: JsonMap, request: TableRequest): JsonMap {
  const columns = columnsOf(request.resource);
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata,
    columnDefinitions: request.withColumns ? columns.definitions : null,
    rows: objects.map((object) => {
      const included = rowObject(object, request);
      return { cells: columns.cells(object, request.now), ...(included === undefined ? {} : { object: included }) };
    }),
  };
}

/** Lists of custom resources say that they are complete with an empty token; their tables do not. */
function listMetadata(body: JsonMap): JsonMap {
  const { continue: token, ...others } = isMap(body["metadata"]) ? body["metadata"] : {};
  return token === undefined || token === "" ? others : { continue: token, ...others };
}

/** A list or an object in the form that the Accept header asks for. */
export function represent(body: unknown, accept: string, request: TableRequest): unknown {
  if (!isMap(body) || body["kind"] === "Status") return body;
  const items = Array.isArray(body["items"]) ? (body["items"] as KubeObject[]) : undefined;
  const metadata = listMetadata(body);
  if (accept.includes("as=Table")) {
    const rv = { resourceVersion: metadata["resourceVersion"] };
    return items === undefined ? tableOf([body as KubeObject], rv, request) : tableOf(items, metadata, request);
  }
  if (accept.includes("as=PartialObjectMetadataList") && items !== undefined) {
    return { kind: "PartialObjectMetadataList", apiVersion: "meta.k8s.io/v1", metadata, items: items.map(partial) };
  }
  return /as=PartialObjectMetadata(;|,|$)/.test(accept) && items === undefined ? partial(body as KubeObject) : body;
}
