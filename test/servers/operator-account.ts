/** The operator's ServiceAccount on a real API server, with exactly the rules of config/rbac/role.yaml and nothing else. */
import { setTimeout as delay } from "node:timers/promises";
import type { ApiServer } from "../../src/kube/credentials.ts";
import { fixedServer } from "../../src/kube/credentials.ts";
import { leaderRules, watchedRules } from "../builders/operator-role.ts";
import type { Rule } from "../builders/operator-role.ts";
import type { ControlPlane } from "./kubernetes.ts";

const RBAC = "rbac.authorization.k8s.io";
export const OWN_NAMESPACE = "weir-system";
const ACCOUNT = "weir-operator";
/** As audit logs name it. */
export const OPERATOR_USER = `system:serviceaccount:${OWN_NAMESPACE}:${ACCOUNT}`;
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
  /** The API server's authorizer hears of a binding a moment after it has been written. */
  const untilGranted = async (namespace: string, verb: string, resource: string): Promise<void> => {
    const ask = ["auth", "can-i", verb, resource, "-n", namespace, `--as=${OPERATOR_USER}`];
    for (const deadline = performance.now() + 60_000; (await plane.kubectl(ask)).code !== 0; await delay(50)) {
      if (performance.now() > deadline) throw new Error(`kubectl ${ask.join(" ")} never said yes`);
    }
  };
  const namespaceOf = (name: string): object => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
  await apply(
    namespaceOf(OWN_NAMESPACE),
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: ACCOUNT, namespace: OWN_NAMESPACE } },
    ...bound("Role", { name: "weir-operator-leader", namespace: OWN_NAMESPACE }, leaderRules),
  );
  await untilGranted(OWN_NAMESPACE, "create", "leases.coordination.k8s.io");
  const token = await plane.kubectl(["create", "token", ACCOUNT, "-n", OWN_NAMESPACE]);
  if (token.code !== 0) throw new Error(`kubectl create token failed: ${token.stderr}`);
  return {
    server: fixedServer(plane.url, {
      token: token.stdout.trim(),
      tls: { ca: plane.ca },
      namespace: OWN_NAMESPACE,
    }),
    openNamespaces: (...names) => apply(...names.map(namespaceOf)),
    grant: async (namespace, rules = watchedRules) => {
      await apply(...bound("Role", { name: "weir-operator", namespace }, rules));
      await untilGranted(namespace, "list", "streamingjobs.weir.dev");
    },
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
