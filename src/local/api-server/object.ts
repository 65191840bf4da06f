import type { ObjectMeta as ClientMeta } from "../../kube/resource.ts";
import { isMap } from "./json-value.ts";

export interface ManagedFieldsEntry {
  manager: string;
  operation: "Apply" | "Update";
  apiVersion: string;
  time?: string;
  fieldsType: "FieldsV1";
  fieldsV1: Record<string, unknown>;
  subresource?: string;
}

export interface ObjectMeta extends ClientMeta {
  managedFields?: ManagedFieldsEntry[];
}

/** Any Kubernetes object. What is in the store is frozen by convention: change a copy. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}

export function isKubeObject(value: unknown): value is KubeObject {
  return (
    isMap(value) &&
    typeof value["apiVersion"] === "string" &&
    typeof value["kind"] === "string" &&
    isMap(value["metadata"])
  );
}

/** Kubernetes times have whole seconds. */
export function kubeTime(at: Date): string {
  return `${at.toISOString().slice(0, 19)}Z`;
}

/** Empty collections of the metadata are not kept: the real server's types leave them out. */
export function withoutEmptyMeta(metadata: Readonly<Record<string, unknown>>): ObjectMeta {
  const optional = ["annotations", "labels", "finalizers", "ownerReferences"];
  const isEmpty = (value: unknown): boolean =>
    typeof value === "object" && value !== null && Object.keys(value).length === 0;
  const kept = Object.entries(metadata).filter(([key, value]) => !(optional.includes(key) && isEmpty(value)));
  return Object.fromEntries(kept) as unknown as ObjectMeta;
}

export function withMeta(
  object: KubeObject,
  changes: { [K in keyof ObjectMeta]?: ObjectMeta[K] | undefined },
): KubeObject {
  const metadata: Record<string, unknown> = { ...object.metadata, ...changes };
  for (const [key, value] of Object.entries(metadata)) if (value === undefined) delete metadata[key];
  return { ...object, metadata: metadata as unknown as ObjectMeta };
}
