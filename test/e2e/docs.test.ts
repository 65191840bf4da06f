import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { IMAGE } from "../../src/main/version.ts";
import type { Reader } from "../servers/docs-page.ts";
import { commandsOf, startReader } from "../servers/docs-page.ts";
import { nodeCluster } from "../servers/node-cluster.ts";
import { forgetWeir } from "../servers/node-forget.ts";

describe("a reader of the installation pages, on a real node", () => {
  const node = nodeCluster();
  const left = ["get", "streamingjobs,pods,deployments,roles,leases", "-n", "weir-system", "-o", "name"];
  const workers = (): Promise<string> =>
    node.kubectl(["get", "pods", "-n", "weir-system", "-l", "weir.dev/job", "-o", "jsonpath={.items[*].metadata.uid}"]);
  let reader: Reader;

  const forget = (): Promise<void> => forgetWeir(node, "weir-system", "team-a");

  beforeAll(async () => {
    await forget();
    // The pages name the published image; the node has it under the name that it was built with.
    const { repository, tag } = node.facts.image;
    await node.actions?.tagImage(`${repository}:${tag}`, IMAGE);
    reader = await startReader(node.facts.kubeconfigPath);
  });
  afterEach(forget);
  afterAll(() => reader?.stop());

  it("installs with Helm, upgrades beside a running job without restarting its workers, and uninstalls", async () => {
    await reader.follow("install/helm.md");
    const job = ["streamingjob/realtime-etl", "-n", "weir-system", "--timeout=120s"];
    // The sample's policy does it, too, unless the backlog is gone before it is there.
    await node.kubectl(["annotate", "streamingjob/realtime-etl", "-n", "weir-system", "weir.dev/scale=4@here"]);
    await node.kubectl(["wait", ...job, "--for=jsonpath={.status.parallelism.ready}=4"]);
    const before = await workers();
    const [upgrade = "", images = "", restart = ""] = commandsOf("install/upgrade.md");
    await reader.run(upgrade);
    expect(await workers()).toBe(before);
    await reader.run(images);
    await reader.run(restart);
    await node.kubectl(["wait", ...job, "--for=jsonpath={.status.requests[0].verb}=restart"]);
    await reader.follow("install/uninstall.md");
    expect((await node.tryKubectl(left)).stdout).toBe("");
  });

  it("installs one file with kubectl, and a job becomes ready", async () => {
    await reader.follow("install/kubectl.md");
  });

  it("installs a Kustomize overlay", async () => {
    await reader.follow("install/kustomize.md");
  });
});
