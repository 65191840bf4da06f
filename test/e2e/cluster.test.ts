import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { nodeCluster } from "../servers/node-cluster.ts";
import { clusterScript, repository, runScript } from "../servers/node-script.ts";
import { toolBinary } from "../servers/tools.ts";

const node = nodeCluster();

describe.skipIf(node.facts.cluster === undefined)("make cluster-up, beside another cluster", () => {
  let number: number | undefined;
  const up = async (): Promise<number> => {
    number = Number(await clusterScript(0, ["reserve"]));
    await clusterScript(number, ["up"]);
    return number;
  };
  afterAll(async () => {
    if (number !== undefined) await clusterScript(number, ["down"]);
  });

  it("gives a node that runs pods, and changes nothing when it is called again", async () => {
    const cluster = await up();
    const kubectl = async (...args: readonly string[]): Promise<string> =>
      runScript(await toolBinary("kube"), ["kubectl", ...args], {
        KUBECONFIG: join(repository, `.weir/cluster/${cluster}.kubeconfig`),
      });
    const pods = ["get", "pods", "-A", "-o", "jsonpath={.items[*].metadata.uid}"];
    const first = await kubectl(...pods);
    expect(
      await kubectl("get", "nodes", "-o", "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}"),
    ).toBe("True");
    await clusterScript(cluster, ["up"]);
    expect(await kubectl(...pods)).toBe(first);
  });

  it("is gone without a trace after make cluster-down", async () => {
    const cluster = number ?? (await up());
    expect(await traces(cluster)).not.toEqual([]);
    await clusterScript(cluster, ["down"]);
    expect(await traces(cluster)).toEqual([]);
    number = undefined;
  });
});

/** Whatever on this machine belongs to a cluster. */
async function traces(cluster: number): Promise<string[]> {
  const state = join(process.env["WEIR_CLUSTERS"] ?? "/var/tmp/weir-clusters", String(cluster));
  const networks = new RegExp(`\\b10\\.(200\\.${cluster}|${100 + cluster}\\.0|${150 + cluster}\\.0)\\.`);
  const lines = async (command: string, ...args: readonly string[]): Promise<string[]> =>
    (await runScript(command, args)).split("\n");
  const found = [
    ...(await lines("ip", "-o", "link")).filter((line) => new RegExp(`\\bweir${cluster}\\b`).test(line)),
    ...(await lines("ip", "route")).filter((line) => networks.test(line)),
    ...(await lines("iptables-save")).filter((line) => networks.test(line)),
    ...readFileSync("/proc/mounts", "utf8")
      .split("\n")
      .filter((line) => line.includes(`${state}/`)),
    ...readdirSync("/proc")
      .filter((pid) => commandOf(pid).includes(`${state}/`))
      .map((pid) => `process ${pid}: ${commandOf(pid)}`),
    ...(await lines("find", "/sys/fs/cgroup", "-maxdepth", "2", "-name", `weir${cluster}`)),
    ...[state, join(repository, `.weir/cluster/${cluster}.kubeconfig`)].filter((file) => existsSync(file)),
  ];
  return found.filter((line) => line !== "");
}

function commandOf(pid: string): string {
  try {
    return /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ") : "";
  } catch {
    return ""; // it ended meanwhile
  }
}
