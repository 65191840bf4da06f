import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadAll } from "js-yaml";
import type { KubeCall } from "../../src/kube/call.ts";

interface Role {
  rules: { apiGroups: string[]; resources: string[]; verbs: string[] }[];
}
const role = loadAll(readFileSync(join(import.meta.dirname, "../../config/rbac/role.yaml"), "utf8"))[0] as Role;

/** What the operator's Role grants in a watched namespace: `update weir.dev/streamingjobs/status`. */
export const granted: readonly string[] = role.rules.flatMap(({ apiGroups, resources, verbs }) =>
  apiGroups.flatMap((group) => resources.flatMap((what) => verbs.map((verb) => `${verb} ${group}/${what}`))),
);

/** Calls in the same words. */
export function used(calls: readonly KubeCall[]): string[] {
  const words = calls.map(
    ({ verb, group, resource, subresource }) =>
      `${verb} ${group}/${subresource === undefined ? resource : `${resource}/${subresource}`}`,
  );
  return [...new Set(words)].toSorted();
}
