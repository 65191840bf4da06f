/**
 * Brings up the real node for a run of the e2e tests: a cluster with a free number, the image built and loaded. Attaches to a
 * cluster of `make cluster-up` (CLUSTER=number) or of `make kind-up` (CLUSTER=kind) instead, and leaves that as it is.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { VERSION } from "../../src/main/version.ts";
import { clusterScript, repository, runScript } from "./node-script.ts";
import type { NodeFacts } from "./node-facts.ts";

export interface StartedNode {
  readonly facts: NodeFacts;
  stop(): Promise<void>;
}

const archive = join(repository, "dist/weir.tar");

export async function startNode(log: (line: string) => void): Promise<StartedNode> {
  const wanted = process.env["CLUSTER"] ?? "";
  if (wanted === "kind") return { facts: kindFacts(), stop: () => Promise.resolve() };
  if (wanted !== "") {
    const cluster = Number(wanted);
    const image = await buildImage(log);
    await clusterScript(cluster, ["load", archive]);
    return { facts: factsOf(cluster, image, undefined), stop: () => Promise.resolve() };
  }
  return startOwn(log);
}

async function startOwn(log: (line: string) => void): Promise<StartedNode> {
  const cluster = Number(await clusterScript(0, ["reserve"]));
  const guard = guarded(cluster);
  const stop = async (): Promise<void> => {
    await clusterScript(cluster, ["down"]);
    guard.dismiss();
  };
  try {
    const began = performance.now();
    await clusterScript(cluster, ["up"]);
    const seconds = (performance.now() - began) / 1000;
    log(`cluster ${cluster} is up after ${seconds.toFixed(1)} s`);
    const image = await buildImage(log);
    await clusterScript(cluster, ["load", archive]);
    return { facts: factsOf(cluster, image, seconds), stop };
  } catch (e) {
    await stop();
    throw e;
  }
}

/** Ends the cluster when this process is gone without `stop`, however it ended. */
function guarded(cluster: number): { dismiss(): void } {
  const watch = `read -r line; [ "$line" = dismissed ] || CLUSTER=${cluster} exec bash scripts/cluster/cluster.sh down`;
  const child = spawn("bash", ["-c", watch], {
    cwd: repository,
    stdio: ["pipe", "ignore", "ignore"],
    detached: true, // Ctrl-C reaches it by the closing pipe only
  });
  child.unref();
  return { dismiss: () => void child.stdin.end("dismissed\n") };
}

/** The name of the image. */
async function buildImage(log: (line: string) => void): Promise<string> {
  const lines = (await runScript("bash", ["scripts/image/build.sh"])).trim().split("\n");
  const last = lines.at(-1) ?? "";
  log(last);
  return last.slice(0, last.indexOf(": "));
}

function factsOf(cluster: number, image: string, upSeconds: number | undefined): NodeFacts {
  const state = join(process.env["WEIR_CLUSTERS"] ?? "/var/tmp/weir-clusters", String(cluster));
  return {
    kubeconfigPath: join(repository, `.weir/cluster/${cluster}.kubeconfig`),
    cluster,
    image: imageOf(image),
    hostAddress: `10.200.${cluster}.1`,
    auditLog: join(state, "log/audit.jsonl"),
    volumes: join(state, "volumes"),
    upSeconds,
  };
}

function kindFacts(): NodeFacts {
  return {
    kubeconfigPath: join(repository, ".weir/cluster/kind.kubeconfig"),
    cluster: undefined,
    image: imageOf(`localhost/weir:${VERSION}`),
    hostAddress: undefined,
    auditLog: undefined,
    volumes: join(repository, ".weir/kind/volumes"),
    upSeconds: undefined,
  };
}

function imageOf(name: string): NodeFacts["image"] {
  const colon = name.lastIndexOf(":");
  return { repository: name.slice(0, colon), tag: name.slice(colon + 1) };
}
