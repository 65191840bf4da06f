import { dump } from "js-yaml";

const NAME = "weir-local";

/** A kubeconfig that points kubectl and the operator at the embedded server. */
export function kubeconfig(server: string): string {
  return dump({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: NAME, cluster: { server } }],
    users: [{ name: NAME, user: {} }],
    contexts: [{ name: NAME, context: { cluster: NAME, user: NAME, namespace: "default" } }],
    "current-context": NAME,
  });
}
