/** The operator's ServiceAccount on a real API server, with exactly the rules of config/rbac/role.yaml and nothing else. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadAll } from "js-yaml";
import type { ApiServer } from "../../src/kube/credentials.ts";
import { fixedServer } from "../../src/kube/credentials.ts";
import type { ControlPlane } from "./kubernetes.ts";

interface Role {
  readonly metadata: { readonly name: string };
  readonly rules: readonly Rule[];
}
export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

const roles = loadAll(readFileSync(join(import.meta.dirname, "../../config/rbac/role.yaml"), "utf8")) as Role[];
const rulesOf = (name: string): readonly Rule[] => roles.find((role) => role.metadata.name === name)?.rules ?? [];
/** In each watched namespace. */
export const watchedRules = rulesOf("weir-operator");
/** In the operator's own namespace. */
export const leaderRules = rulesOf("weir-operator-leader");

const RBAC = "rbac.authorization.k8s.io";
export const OWN_NAMESPACE = "weir-system";
const ACCOUNT = "weir-operator";
const subjects = [{ kind: "ServiceAccount", name: ACCOUNT, namespace: OWN_NAMESPACE }];

export interface OperatorAccount {
  /** The API server as this account sees it. */
  readonly server: ApiServer;
  /** Makes namespaces, without any right in them. */
  openNamespaces(...names: readonly string[]): Promise<void>;
  /** Grants rules in one namespace; all of the Role by default. */
  grant(namespace: string, rules?: readonly Rule[]): Promise<void>;
  grantEverywhere(): Promise<void>;
}

export async function operatorAccount(plane: ControlPlane): Promise<OperatorAccount> {
  const apply = async (...objects: readonly object[]): Promise<void> => {
    const list = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
    const result = await plane.kubectl(["apply", "-f", "-"], list);
    if (result.code !== 0) throw new Error(`kubectl apply failed: ${result.stderr}`);
  };
  const namespaceOf = (name: string): object => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
  await apply(
    namespaceOf(OWN_NAMESPACE),
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: ACCOUNT, namespace: OWN_NAMESPACE } },
    ...bound("Role", { name: "weir-operator-leader", namespace: OWN_NAMESPACE }, leaderRules),
  );
  const token = await plane.kubectl(["create", "token", ACCOUNT, "-n", OWN_NAMESPACE]);
  if (token.code !== 0) throw new Error(`kubectl create token failed: ${token.stderr}`);
  return {
    server: fixedServer(plane.url, {
      token: token.stdout.trim(),
      tls: { ca: plane.ca },
      namespace: OWN_NAMESPACE,
    }),
    openNamespaces: (...names) => apply(...names.map(namespaceOf)),
    grant: (namespace, rules = watchedRules) => apply(...bound("Role", { name: "weir-operator", namespace }, rules)),
    grantEverywhere: () => apply(...bound("ClusterRole", { name: "weir-operator" }, watchedRules)),
  };
}

function bound(
  kind: "Role" | "ClusterRole",
  metadata: { name: string; namespace?: string },
  rules: readonly Rule[],
): object[] {
  const roleRef = { apiGroup: RBAC, kind, name: metadata.name };
  return [
    { apiVersion: `${RBAC}/v1`, kind, metadata, rules },
    { apiVersion: `${RBAC}/v1`, kind: `${kind}Binding`, metadata, roleRef, subjects },
  ];
}
