import type { Schema } from "./schema/structural.ts";

/** One column of `kubectl get`. */
export interface Column {
  name: string;
  type: string;
  format: string;
  description: string;
  /** 0 is shown always, more only with -o wide. */
  priority: number;
}

export interface ScalePaths {
  specReplicasPath: string;
  statusReplicasPath: string;
  labelSelectorPath?: string;
}

/** One served version of a kind: everything the generic code needs to know about it. */
export interface Resource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly listKind: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly custom: boolean;
  readonly hasStatus: boolean;
  readonly scale: ScalePaths | undefined;
  readonly schema: Schema;
  /** Dotted paths beyond metadata.name and metadata.namespace that a field selector may name. */
  readonly selectableFields: readonly string[];
  /** Printer columns of a custom resource: definition and JSONPath. */
  readonly columns: readonly (Column & { readonly jsonPath: string })[];
  /** True when metadata.generation counts changes of the spec. */
  readonly counted: boolean;
}

export function groupVersion(resource: Pick<Resource, "group" | "version">): string {
  return resource.group === "" ? resource.version : `${resource.group}/${resource.version}`;
}

/** Objects of all versions of a kind are kept under one key. */
export function storageKey(resource: Pick<Resource, "group" | "plural">): string {
  return `${resource.group}/${resource.plural}`;
}
