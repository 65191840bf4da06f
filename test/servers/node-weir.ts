/** Weir on the real node, installed by its Helm chart. */
import { join } from "node:path";
import { eventually } from "./node-actions.ts";
import { repository, runScript } from "./node-script.ts";
import type { NodeCluster } from "./node-cluster.ts";
import type { NodeNamespace, NodePod } from "./node-namespace.ts";
import { type Tool, toolBinary } from "./tools.ts";

export const chart = join(repository, "charts/weir");

export type HelmValues = Readonly<Record<string, unknown>>;

export interface WeirRelease {
  readonly name: string;
  readonly namespace: string;
  /** Seconds from `helm install` to a ready operator. */
  readonly readySeconds: number;
  operatorPods(): Promise<NodePod[]>;
  /** What an operator pod tells Prometheus, fetched through the API server. */
  metrics(pod: string): Promise<string>;
  /** Name of the pod that leads; waits until one does. */
  leader(): Promise<string>;
  /** The logs of all operator pods, with the pods' names. */
  logs(...flags: readonly string[]): Promise<string>;
  upgrade(values: HelmValues): Promise<void>;
  uninstall(): Promise<void>;
}

export interface InstallOptions {
  /** Beside the image, which is set. */
  readonly values?: HelmValues;
  readonly name?: string;
  /** Of an earlier version; default: this one's. An upgrade always goes to this one's. */
  readonly chart?: string;
  readonly helm?: Extract<Tool, "helm" | "helm3">;
  /** The user that Helm works as; default: an administrator of the cluster. */
  readonly user?: string;
}

/** `helm install --wait`. The CRDs of an earlier release, which are kept, become this one's. */
export async function installWeir(
  cluster: NodeCluster,
  namespace: NodeNamespace,
  options: InstallOptions = {},
): Promise<WeirRelease> {
  const { name = "weir", values = {}, helm = "helm" } = options;
  const binary = await toolBinary(helm);
  const as = options.user === undefined ? [] : ["--kube-as-user", options.user];
  const { repository: image, tag } = cluster.facts.image;
  const run = (...args: readonly string[]): Promise<string> =>
    runScript(binary, [...args, "--namespace", namespace.name, ...as], { KUBECONFIG: cluster.facts.kubeconfigPath });
  // KinD's provisioner makes no other volumes; on one node they do.
  const forKind = cluster.actions === undefined ? { stateClaim: { accessModes: ["ReadWriteOnce"] } } : {};
  const set = (more: HelmValues): string[] => [
    "--set-json",
    JSON.stringify({ image: { repository: image, tag }, ...forKind, ...more }),
  ];
  const told = async (what: Promise<unknown>): Promise<void> => {
    await what.catch(async (e: unknown) => {
      const reason = e instanceof Error ? e.message : String(e);
      throw new Error(`${reason}\n${await namespace.diagnosis()}`, { cause: e });
    });
  };
  const began = performance.now();
  await told(
    run("install", name, options.chart ?? chart, "--take-ownership", "--wait", "--timeout=180s", ...set(values)),
  );
  const readySeconds = (performance.now() - began) / 1000;

  const selector = `app.kubernetes.io/instance=${name},app.kubernetes.io/component=operator`;
  const metrics = (pod: string): Promise<string> =>
    cluster.kubectl(["get", "--raw", `/api/v1/namespaces/${namespace.name}/pods/${pod}:8081/proxy/metrics`]);
  return {
    name,
    namespace: namespace.name,
    readySeconds,
    operatorPods: () => namespace.pods(selector),
    metrics,
    leader: () =>
      eventually("a leader", async () => {
        for (const { metadata, status } of await namespace.pods(selector)) {
          if (status.phase !== "Running") continue;
          if (/^weir_leader\{.*\} 1$/m.test(await metrics(metadata.name).catch(() => ""))) return metadata.name;
        }
        return undefined;
      }),
    logs: async (...flags) => {
      const pods = await namespace.pods(selector);
      const texts = pods.map(
        async ({ metadata }) => `--- ${metadata.name}\n${await namespace.logs(metadata.name, ...flags)}`,
      );
      return (await Promise.all(texts)).join("\n");
    },
    upgrade: (more) => told(run("upgrade", name, chart, "--wait", "--timeout=180s", ...set(more))),
    uninstall: () => told(run("uninstall", name, "--wait", "--timeout=120s")),
  };
}
