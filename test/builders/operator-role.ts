/** What the operator may do and what it did, in the same words: `update weir.dev/streamingjobs/status`. Pure. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadAll } from "js-yaml";
import type { KubeCall } from "../../src/kube/call.ts";

export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}
interface Role {
  readonly metadata: { readonly name: string };
  readonly rules: readonly Rule[];
}
const roles = loadAll(readFileSync(join(import.meta.dirname, "../../config/rbac/role.yaml"), "utf8")) as Role[];
const rulesOf = (name: string): readonly Rule[] => roles.find((role) => role.metadata.name === name)?.rules ?? [];

/** In each watched namespace. */
export const watchedRules = rulesOf("weir-operator");
/** In the operator's own namespace. */
export const leaderRules = rulesOf("weir-operator-leader");

export function permissionsGranted(rules: readonly Rule[]): string[] {
  return rules
    .flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) => resources.flatMap((what) => verbs.map((verb) => `${verb} ${group}/${what}`))),
    )
    .toSorted();
}

export const granted: readonly string[] = permissionsGranted(watchedRules);

/** Each once. With a namespace, only what was done there; `undefined` in it stands for calls of the whole cluster. */
export function permissionsUsed(calls: readonly KubeCall[], where?: { namespace: string | undefined }): string[] {
  const words = calls
    .filter((call) => where === undefined || call.namespace === where.namespace)
    .map(
      ({ verb, group, resource, subresource }) =>
        `${verb} ${group}/${subresource === undefined ? resource : `${resource}/${subresource}`}`,
    );
  return [...new Set(words)].toSorted();
}

interface AuditEvent {
  readonly verb?: string;
  readonly requestURI?: string;
  readonly user?: { readonly username?: string };
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource?: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
}

/** The calls of one user in a log of kube-apiserver (audit.k8s.io/v1, one JSON object a line), also those that were refused. */
export function auditedCalls(lines: string, username: string): KubeCall[] {
  const events = lines.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as AuditEvent]));
  return events
    .filter((event) => event.user?.username === username)
    .map(({ verb = "", objectRef, requestURI = "" }) => ({
      verb: verb as KubeCall["verb"],
      group: objectRef?.apiGroup ?? "",
      // Not of the API, such as /version: it must show up where it is compared with what is granted.
      resource: objectRef?.resource ?? requestURI,
      subresource: objectRef?.subresource,
      namespace: objectRef?.namespace,
      name: objectRef?.name,
    }));
}
