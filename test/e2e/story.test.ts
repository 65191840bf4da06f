import { describe, expect, it } from "vitest";
import { describeQuickstart } from "../builders/quickstart-story.ts";
import { nodeCluster } from "../servers/node-cluster.ts";
import type { NodeNamespace } from "../servers/node-namespace.ts";
import { nodeStory } from "../servers/node-story.ts";
import { type WeirRelease, installWeir } from "../servers/node-weir.ts";

const node = nodeCluster();
let namespace: NodeNamespace;
let weir: WeirRelease;

const account = describeQuickstart({
  name: "a real node",
  start: async () => {
    namespace = await node.namespace("quickstart");
    weir = await installWeir(node, namespace);
    console.log(`chart install to Ready: ${weir.readySeconds.toFixed(1)} s`);
    return nodeStory(node, namespace);
  },
});

const PATIENCE = { timeout: 120_000, interval: 500 };

describe("when the quickstart is deleted on a real node", () => {
  const names = async (kinds: string, ...flags: readonly string[]): Promise<string[]> =>
    (await namespace.kubectl(["get", kinds, "-o", "name", ...flags])).split("\n").filter((line) => line !== "");

  it("leaves nothing of the job but what is on its volume", async () => {
    expect(account().parallelism).toHaveLength(6);
    await namespace.kubectl(["delete", "controlpolicies,maintenancewindows", "--all", "--timeout=60s"]);
    expect(await names("streamingjobs,controlpolicies,maintenancewindows")).toEqual([]);
    // Kubernetes collects what the job owned a moment after it.
    await expect.poll(() => names("pods,configmaps", "-l", "weir.dev/job"), PATIENCE).toEqual([]);
    expect(await namespace.kubectl(["get", "pvc", "-o", "jsonpath={.items[*].status.phase}"])).toBe("Bound");
  });

  it("leaves no operator after the release is gone, and keeps state, kinds and the workers' key", async () => {
    await weir.uninstall();
    await namespace.kubectl(["wait", "pods", "--all", "--for=delete", "--timeout=120s"]);
    const kindsOfIt = "deployments,pods,roles,rolebindings,poddisruptionbudgets,networkpolicies,services";
    await expect.poll(() => names(kindsOfIt), PATIENCE).toEqual([]);
    expect(await names("pvc")).toEqual(["persistentvolumeclaim/weir-state"]);
    expect(await names("secrets")).toEqual(["secret/weir-worker-key"]);
    const kinds = await node.kubectl(["get", "crds", "-o", "name"]);
    expect(kinds).toContain("customresourcedefinition.apiextensions.k8s.io/streamingjobs.weir.dev");
    expect(
      await node.kubectl([
        "get",
        "clusterroles,clusterrolebindings",
        "-l",
        `app.kubernetes.io/instance=${weir.name}`,
        "-o",
        "name",
      ]),
    ).toBe("");
  });
});
