/** One namespace of the real node: what a test puts into it and sees in it. */
import { join } from "node:path";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import type { KubeObject } from "../../src/kube/resource.ts";
import type { NodeCluster } from "./node-cluster.ts";

export interface ContainerStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly containerID?: string;
  readonly state?: Readonly<Record<string, { readonly reason?: string; readonly message?: string }>>;
  readonly lastState?: Readonly<Record<string, { readonly reason?: string; readonly exitCode?: number }>>;
}

export interface NodePod extends KubeObject {
  readonly spec: { readonly nodeName?: string; readonly containers: readonly { readonly image: string }[] };
  readonly status: {
    readonly phase: string;
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly message?: string }[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

export interface NodeNamespace {
  readonly name: string;
  /** kubectl in this namespace; rejects with its errors and what is in the namespace. */
  kubectl(args: readonly string[], stdin?: string): Promise<string>;
  /** `kubectl apply` of files (paths) and objects. */
  apply(...what: readonly (string | object)[]): Promise<void>;
  /**
   * `kubectl wait OBJECT --for=CONDITION`, for example `waitFor("sj/etl", "jsonpath={.status.state}=RUNNING")`. Rejects after
   * `seconds` (default 120) with what is in the namespace.
   */
  waitFor(object: string, condition: string, seconds?: number): Promise<void>;
  job(name: string): Promise<JobObject>;
  pods(selector?: string): Promise<NodePod[]>;
  /** Of the pod's container, also after it ended. */
  logs(pod: string, ...flags: readonly string[]): Promise<string>;
  /** Folder on this machine that the claim is. */
  volume(claim?: string): Promise<string>;
  /** Pods, jobs, events and the ends of the logs. Never rejects. */
  diagnosis(): Promise<string>;
  /** Deletes it with everything in it, and offers its volumes again. */
  remove(): Promise<void>;
}

export async function openNamespace(cluster: NodeCluster, name: string): Promise<NodeNamespace> {
  await cluster.kubectl(
    ["apply", "-f", "-"],
    JSON.stringify({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, labels: { "pod-security.kubernetes.io/enforce": "restricted", "weir.dev/e2e": "true" } },
    }),
  );
  const within = (args: readonly string[]): string[] => ["--namespace", name, ...args];
  const tried = async (args: readonly string[]): Promise<string> => {
    const { stdout, stderr } = await cluster.tryKubectl(within(args));
    return `${stdout}${stderr}`.trim();
  };
  const kubectl: NodeNamespace["kubectl"] = async (args, stdin) => {
    try {
      return await cluster.kubectl(within(args), stdin);
    } catch (e) {
      const there = await tried(["get", "streamingjobs,pods"]);
      throw new Error(`${e instanceof Error ? e.message : String(e)}\n${there}`, { cause: e });
    }
  };
  const pods: NodeNamespace["pods"] = async (selector = "") => {
    const { items } = JSON.parse(await kubectl(["get", "pods", "-l", selector, "-o", "json"])) as { items: NodePod[] };
    return items;
  };
  const volumeOf = (claim: string): Promise<string> =>
    kubectl(["get", "pvc", claim, "-o", "jsonpath={.spec.volumeName}"]);
  return {
    name,
    kubectl,
    apply: async (...what) => {
      const objects = what.filter((one) => typeof one === "object").map((one) => JSON.stringify(one));
      const files = what.filter((one) => typeof one === "string").flatMap((file) => ["-f", file]);
      const stdin = objects.length > 0 ? ["-f", "-"] : [];
      await kubectl(["apply", ...files, ...stdin], objects.join("\n---\n"));
    },
    waitFor: async (object, condition, seconds = 120) =>
      void (await kubectl(["wait", object, `--for=${condition}`, `--timeout=${seconds}s`])),
    job: async (job) => JSON.parse(await kubectl(["get", "streamingjob", job, "-o", "json"])) as JobObject,
    pods,
    logs: (pod, ...flags) => kubectl(["logs", pod, ...flags]),
    volume: async (claim = "weir-state") => {
      const volume = await volumeOf(claim);
      const own = join(cluster.facts.volumes, volume);
      // KinD's provisioner adds whose it is to the name.
      return cluster.actions === undefined ? `${own}_${name}_${claim}` : own;
    },
    diagnosis: async () => {
      const parts = [`--- namespace ${name}`, await tried(["get", "streamingjobs,pods,pvc,leases", "-o", "wide"])];
      parts.push(
        await tried(["get", "events", "--sort-by=.metadata.creationTimestamp", "--no-headers"]).then(last(25)),
      );
      const found = await tried(["get", "pods", "-o", "name"]);
      for (const pod of found
        .split("\n")
        .filter((line) => line.startsWith("pod/"))
        .slice(0, 8)) {
        parts.push(`--- ${pod}`, await tried(["logs", pod, "--tail=15", "--all-containers"]));
      }
      return parts.join("\n");
    },
    remove: () => removeNamespace(cluster, name),
  };
}

const last =
  (count: number) =>
  (text: string): string =>
    text.split("\n").slice(-count).join("\n");

interface Claim {
  readonly spec: { readonly volumeName?: string };
}

/** What a test asserts of deleting jobs it has asserted before: here they go at once, with or without an operator. */
async function removeNamespace(cluster: NodeCluster, name: string): Promise<void> {
  const { items } = await cluster.get<{ items: Claim[] }>(["pvc", "--namespace", name]);
  const jobs = await cluster.tryKubectl(["get", "streamingjobs", "--namespace", name, "-o", "name"]);
  await cluster.tryKubectl(["delete", "streamingjobs", "--all", "--namespace", name, "--wait=false"]);
  for (const job of jobs.stdout.split("\n").filter((line) => line !== "")) {
    await cluster.tryKubectl(["patch", job, "-n", name, "--type=merge", "-p", '{"metadata":{"finalizers":null}}']);
  }
  await cluster.kubectl(["delete", "namespace", name, "--timeout=180s", "--ignore-not-found"]);
  for (const { spec } of items) {
    if (spec.volumeName !== undefined) await cluster.actions?.recycle(spec.volumeName);
  }
}
