/** When things happened in a namespace, to the millisecond: an object's own times are whole seconds. */
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import { createKubeClient } from "../../src/kube/client.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { createInformer } from "../../src/kube/informer.ts";
import { serverFromKubeconfig } from "../../src/kube/kubeconfig.ts";
import { pods } from "../../src/kube/resource.ts";
import type { KubeObject, Resource } from "../../src/kube/resource.ts";
import { createTransport } from "../../src/kube/transport.ts";
import type { NodeCluster } from "./node-cluster.ts";
import type { NodeNamespace, NodePod } from "./node-namespace.ts";

export interface PodTimes {
  /** Date.now() of the first event of each pod. */
  readonly created: ReadonlyMap<string, number>;
  /** The addresses of pods whose container runs. */
  readonly addresses: ReadonlyMap<string, string>;
  stop(): Promise<void>;
}

export async function watchPods(cluster: NodeCluster, namespace: NodeNamespace): Promise<PodTimes> {
  const transport = createTransport({ server: await serverFromKubeconfig(cluster.facts.kubeconfigPath) });
  const created = new Map<string, number>();
  const addresses = new Map<string, string>();
  const informer = createInformer<NodePod>({
    client: createKubeClient(transport),
    resource: pods,
    selection: { namespace: namespace.name },
  });
  informer.onChange(({ object }) => {
    const { name } = object.metadata;
    if (!created.has(name)) created.set(name, Date.now());
    const running = object.status.containerStatuses?.[0]?.state?.["running"] !== undefined;
    if (running && object.status.podIP !== undefined) addresses.set(name, object.status.podIP);
  });
  const abort = new AbortController();
  const reflecting = informer.run(abort.signal);
  await informer.waitForSync();
  return {
    created,
    addresses,
    stop: async () => {
      abort.abort();
      await reflecting;
      await transport.close();
    },
  };
}

export interface Endings {
  /** "Pod etl-1-0-0", in the order in which they were gone. */
  readonly seen: readonly string[];
  stop(): Promise<void>;
}

/** The ends of jobs and pods. */
export async function watchEndings(client: KubeClient, namespace: string): Promise<Endings> {
  const seen: string[] = [];
  const abort = new AbortController();
  const follow = (resource: Resource) => {
    const informer = createInformer({ client, resource, selection: { namespace } });
    informer.onChange(({ type, object }) => {
      if (type === "Deleted") seen.push(`${resource.kind} ${object.metadata.name}`);
    });
    return { reflecting: informer.run(abort.signal), synced: informer.waitForSync() };
  };
  const followed = [streamingJobs, pods].map(follow);
  await Promise.all(followed.map(({ synced }) => synced));
  return {
    seen,
    stop: async () => {
      abort.abort();
      await Promise.all(followed.map(({ reflecting }) => reflecting));
    },
  };
}

export interface FirstAvailable {
  /** By the Deployment's name: ms since the epoch, in whole seconds. */
  readonly since: ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

const deployments: Resource = {
  group: "apps",
  version: "v1",
  plural: "deployments",
  kind: "Deployment",
  namespaced: true,
};
interface Deployment extends KubeObject {
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly lastTransitionTime: string;
    }[];
  };
}

/** When each Deployment became available for the first time: on a busy node it may cease to be for a moment. */
export async function watchAvailable(client: KubeClient, namespace: string): Promise<FirstAvailable> {
  const since = new Map<string, number>();
  const informer = createInformer<Deployment>({ client, resource: deployments, selection: { namespace } });
  informer.onChange(({ object: { metadata, status } }) => {
    const found = status?.conditions?.find((c) => c.type === "Available" && c.status === "True");
    if (found !== undefined && !since.has(metadata.name))
      since.set(metadata.name, Date.parse(found.lastTransitionTime));
  });
  const abort = new AbortController();
  const reflecting = informer.run(abort.signal);
  await informer.waitForSync();
  return {
    since,
    stop: async () => {
      abort.abort();
      await reflecting;
    },
  };
}
