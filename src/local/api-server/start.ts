import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "../../clock.ts";
import { systemClock } from "../../clock.ts";
import { admitted, withBuiltinDefaults } from "./builtin-defaults.ts";
import type { Cluster, PodLogs } from "./cluster.ts";
import { createCatalogue } from "./cluster.ts";
import { collectGarbage } from "./garbage-collector.ts";
import { serve } from "./http-server.ts";
import { followDefinitions } from "./installed-definitions.ts";
import { kubeconfig } from "./kubeconfig.ts";
import { kubeTime } from "./object.ts";
import { createStore } from "./store.ts";

export interface ApiServerOptions {
  /** 0, the default, takes a free port. */
  port?: number;
  host?: string;
  clock?: Clock;
  /** How many changes of one kind a watch may lag behind before it is told 410 Gone. */
  watchWindow?: number;
  podLogs?: PodLogs;
}

export interface ApiServer {
  readonly url: string;
  /** YAML. */
  readonly kubeconfig: string;
  /** Connects `kubectl logs` to whoever runs the pods. */
  servePodLogs(podLogs: PodLogs): void;
  stop(): Promise<void>;
}

const NAMESPACES = ["default", "kube-node-lease", "kube-public", "kube-system"];

function createNamespaces(cluster: Cluster): void {
  for (const name of NAMESPACES) {
    const metadata = { name, uid: cluster.newUid(), creationTimestamp: kubeTime(new Date(cluster.clock.now())) };
    cluster.store.put(
      "/namespaces",
      admitted("/namespaces", withBuiltinDefaults("/namespaces", { apiVersion: "v1", kind: "Namespace", metadata })),
    );
  }
}

/** An in-memory Kubernetes API server in this process: just enough for kubectl, the operator and the process kubelet. */
export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const { host = "127.0.0.1", port = 0, clock = systemClock } = options;
  const store = createStore(options.watchWindow === undefined ? {} : { window: options.watchWindow });
  const cluster: Cluster = { store, catalogue: createCatalogue(), clock, newUid: randomUUID, podLogs: options.podLogs };
  const endings = [followDefinitions(cluster), collectGarbage(cluster)];
  createNamespaces(cluster);
  const stopping = new AbortController();
  const server = createServer((request, response) => void serve(cluster, request, response, stopping.signal));
  server.listen(port, host);
  await once(server, "listening");
  const { port: bound } = server.address() as AddressInfo;
  const url = `http://${host}:${bound}`;
  return {
    url,
    kubeconfig: kubeconfig(url),
    servePodLogs: (podLogs) => {
      cluster.podLogs = podLogs;
    },
    stop: async () => {
      stopping.abort();
      for (const end of endings) end();
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
