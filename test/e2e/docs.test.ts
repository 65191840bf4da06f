import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Reader } from "../servers/docs-page.ts";
import { startReader } from "../servers/docs-page.ts";
import { nodeCluster } from "../servers/node-cluster.ts";

const PUBLISHED = "ghcr.io/weir-dev/weir:0.1.0";

describe("a reader of the installation pages, on a real node", () => {
  const node = nodeCluster();
  let reader: Reader;
  const jobs = (): Promise<string> => node.kubectl(["get", "streamingjobs", "-A", "-o", "name"]);

  beforeAll(async () => {
    // The pages name the published image; the node has it under the name that it was built with.
    const { repository, tag } = node.facts.image;
    const tagging = ["ctr", "-a", "/run/containerd/containerd.sock", "-n", "k8s.io", "images", "tag", "--force"];
    await node.actions?.inside([...tagging, `${repository}:${tag}`, PUBLISHED]);
    reader = await startReader(node.facts.kubeconfigPath);
  });

  afterAll(() => reader?.stop());

  it("installs with Helm, upgrades beside a running job without restarting its workers, and removes everything", async () => {
    await reader.follow("install/helm.md");
    const workers = [
      "get",
      "pods",
      "-n",
      "weir-system",
      "-l",
      "weir.dev/job=realtime-etl",
      "-o",
      "jsonpath={.items[*].metadata.uid}",
    ];
    expect(await workersOf(workers)).not.toBe("");
    await reader.follow("install/upgrade.md");
    await reader.follow("install/uninstall.md");
    expect(await jobs().catch(String)).not.toContain("streamingjob.weir.dev/");
    await node.kubectl(["delete", "namespace", "team-a", "--timeout=120s"]);
  });

  it("installs one file with kubectl, and a job becomes ready", async () => {
    await reader.follow("install/kubectl.md");
    await node.kubectl(["delete", "--timeout=120s", "-n", "weir-system", "controlpolicies,streamingjobs", "--all"]);
    await node.kubectl(["delete", "--timeout=180s", "--ignore-not-found", "-f", "config/install.yaml"]);
  });

  it("installs a Kustomize overlay", async () => {
    await reader.follow("install/kustomize.md");
    await node.kubectl(["delete", "--timeout=180s", "--ignore-not-found", "-f", "config/install.yaml"]);
  });

  const workersOf = (args: readonly string[]): Promise<string> => node.kubectl(args);
});
