/** A namespace of the real node, with Weir installed in it, as a cluster that stories are told on. */
import { cpSync } from "node:fs";
import { join } from "node:path";
import { toolBinary } from "./tools.ts";
import { runScript } from "./node-script.ts";
import type { NodeCluster } from "./node-cluster.ts";
import type { NodeNamespace } from "./node-namespace.ts";
import { type StoryCluster, storyOn } from "./story-cluster.ts";

export function nodeStory(cluster: NodeCluster, namespace: NodeNamespace): Promise<StoryCluster> {
  return storyOn(async (dir) => {
    const kubeconfigPath = join(dir, "kubeconfig");
    cpSync(cluster.facts.kubeconfigPath, kubeconfigPath);
    const choose = ["kubectl", "config", "set-context", "--current", `--namespace=${namespace.name}`];
    await runScript(await toolBinary("kube"), choose, { KUBECONFIG: kubeconfigPath });
    return {
      kubeconfigPath,
      namespace: namespace.name,
      volume: await namespace.volume(),
      stop: () => Promise.resolve(),
    };
  });
}
