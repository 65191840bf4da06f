import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { IMAGE } from "../../src/main/version.ts";
import { farSchedule } from "../builders/far-schedule.ts";
import type { Reader } from "../servers/docs-page.ts";
import { commandsOf, startReader } from "../servers/docs-page.ts";
import { eventually } from "../servers/node-actions.ts";
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
    // The pages apply the whole sample, and its policy stops the job while its window is open: on Sundays at two.
    const file = join(reader.folder, "config/samples/quickstart/maintenance-window.yaml");
    const window = readFileSync(file, "utf8");
    expect(window).toContain('"0 2 * * 0"');
    writeFileSync(file, window.replace("0 2 * * 0", farSchedule()));
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
    const seen = async (): Promise<string> => (await node.tryKubectl(left)).stdout;
    await eventually("nothing is left", async () => ((await seen()) === "" ? true : undefined), { seen });
  });

  it("installs one file with kubectl, and a job becomes ready", async () => {
    await reader.follow("install/kubectl.md");
  });

  it("installs a Kustomize overlay", async () => {
    await reader.follow("install/kustomize.md");
  });
});
