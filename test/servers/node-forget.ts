/** Makes the real node one that never saw Weir: what the installation pages install into is not a test's own namespace. */
import type { NodeCluster } from "./node-cluster.ts";

interface Claims {
  readonly items: readonly { readonly spec: { readonly volumeName?: string } }[];
}

export async function forgetWeir(node: NodeCluster, ...namespaces: readonly string[]): Promise<void> {
  const volumes: string[] = [];
  for (const namespace of namespaces) {
    await node.tryKubectl(["delete", "streamingjobs", "--all", "-n", namespace, "--timeout=180s"]);
    const { items } = await node.get<Claims>(["pvc", "-n", namespace]);
    volumes.push(...items.flatMap(({ spec }) => (spec.volumeName === undefined ? [] : [spec.volumeName])));
  }
  const waiting = ["--timeout=180s", "--ignore-not-found"];
  await node.kubectl(["delete", "namespace", ...namespaces, ...waiting]);
  await node.kubectl(["delete", "-k", "crds", ...waiting]);
  await node.kubectl(["delete", "clusterroles", "-l", "app.kubernetes.io/name=weir", ...waiting]);
  for (const volume of volumes) await node.actions?.recycle(volume);
}
