import type { Cluster } from "./cluster.ts";
import type { Decoded } from "./body.ts";
import { keyOf, fromStored } from "./conversion.ts";
import type { KubeObject } from "./object.ts";
import type { Resource } from "./resource.ts";
import { notFound, badRequest } from "./status-error.ts";

export type FieldValidation = "Ignore" | "Warn" | "Strict";

/** One request to a resource, with what every handler asks of it already read. */
export interface Call {
  readonly cluster: Cluster;
  readonly resource: Resource;
  readonly method: string;
  /** Empty for cluster-scoped kinds and for requests across all namespaces. */
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  readonly query: URLSearchParams;
  readonly mediaType: string;
  readonly accept: string;
  readonly userAgent: string;
  readonly body: Decoded;
  /** Sent back as Warning headers. */
  readonly warnings: string[];
  readonly signal: AbortSignal;
}

export interface Answer {
  readonly code: number;
  readonly body: unknown;
}

export function isDryRun(call: Call): boolean {
  const asked = call.query.getAll("dryRun");
  if (asked.some((value) => value !== "All" && value !== "")) {
    throw badRequest(`Invalid value: ${JSON.stringify(asked.join(","))}: supported values: "All"`);
  }
  return asked.includes("All");
}

export function fieldValidation(call: Call): FieldValidation {
  const asked = call.query.get("fieldValidation") ?? "";
  return asked === "Strict" || asked === "Ignore" ? asked : "Warn";
}

/** The name under which the caller owns fields. */
export function managerName(call: Call): string {
  return call.query.get("fieldManager") ?? (call.userAgent.split("/")[0] || "unknown");
}

export function stored(call: Call): KubeObject {
  const found = call.cluster.store.get(keyOf(call.resource), call.namespace, call.name);
  if (found === undefined) throw notFound(call.resource, call.name);
  return fromStored(call.resource, found);
}

export function now(call: Call): Date {
  return new Date(call.cluster.clock.now());
}
