import { randomBytes } from "node:crypto";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FIELD_MANAGER } from "../api/group.ts";
import { type KubeClient, createKubeClient } from "../kube/client.ts";
import { type ApiServer as Server, fixedServer } from "../kube/credentials.ts";
import { createInformer } from "../kube/informer.ts";
import { type KubeObject, customResourceDefinitions, pods } from "../kube/resource.ts";
import { createTransport } from "../kube/transport.ts";
import { type PodLogRequest } from "../local/api-server/cluster.ts";
import { startApiServer } from "../local/api-server/start.ts";
import { weirImages } from "../local/kubelet/images.ts";
import { type Kubelet, startKubelet } from "../local/kubelet/kubelet.ts";
import { readLog } from "../local/kubelet/logs.ts";
import type { PodObject } from "../local/kubelet/pod-feed.ts";
import { parseManifests } from "../local/manifests.ts";
import { type OperatorLog, type RunningOperator, startOperator } from "./operator.ts";

export const LOCAL_IMAGE = "weir:local";

export interface LocalClusterOptions {
  /** State of the cluster: kubeconfig, pods' folders, claims. */
  readonly dataDir: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly log: OperatorLog;
}

export interface LocalCluster {
  readonly url: string;
  readonly kubeconfigPath: string;
  readonly client: KubeClient;
  /** Folder of a claim's files: `<claims>/<namespace>/<claim>`. */
  readonly claims: string;
  readonly operator: RunningOperator;
  stop(): Promise<void>;
}

/** The embedded cluster in this process: API server, operator and process kubelet, the same code as in a real one. */
export async function startLocalCluster({ dataDir, port, log }: LocalClusterOptions): Promise<LocalCluster> {
  await mkdir(dataDir, { recursive: true });
  const stopping = new AbortController();
  const api = await startApiServer({ port });
  const kubeconfigPath = join(dataDir, "kubeconfig");
  await writeFile(kubeconfigPath, api.kubeconfig, { mode: 0o600 });
  const server: Server = fixedServer(api.url);
  const transport = createTransport({ server });
  const client = createKubeClient(transport);
  await installDefinitions(client);

  const podInformer = createInformer<PodObject>({ client, resource: pods });
  const reflecting = podInformer.run(stopping.signal);
  await podInformer.waitForSync();
  const kubelet = await startKubelet({
    client,
    pods: podInformer,
    images: weirImages({ entryPoints: { worker: await entryPoint("worker") }, repositories: ["weir"] }),
    dataDir,
    onError: (e) => log("warn", "kubelet", e),
  });
  api.servePodLogs((request) => podLogs(kubelet, request));
  const operator = await startOperator({
    server,
    workerImage: LOCAL_IMAGE,
    tokenKeys: [randomBytes(32).toString("hex")],
    lease: { namespace: "kube-system", name: "weir" },
    probes: { host: "127.0.0.1", port: 0 },
    log,
  });
  await operator.leading;

  return {
    url: api.url,
    kubeconfigPath,
    client,
    claims: join(dataDir, "claims"),
    operator,
    stop: async () => {
      await operator.stop();
      await kubelet.stop();
      stopping.abort();
      await reflecting.catch(() => undefined);
      await transport.close();
      await api.stop();
    },
  };
}

async function* podLogs(kubelet: Kubelet, request: PodLogRequest): AsyncIterable<Uint8Array> {
  const file = await kubelet.logFile(request.pod.metadata.uid ?? "", request.container, request.previous);
  if (file !== undefined) yield* readLog(file, request);
}

/** Weir's own kinds, from crds/. */
export async function installDefinitions(client: KubeClient): Promise<void> {
  const folder = join(import.meta.dirname, "../../crds");
  for (const name of (await readdir(folder)).filter((file) => file.endsWith(".yaml"))) {
    for (const object of parseManifests(await readFile(join(folder, name), "utf8"), name)) {
      await client.apply<KubeObject>(customResourceDefinitions, object, {
        fieldManager: FIELD_MANAGER.children,
        force: true,
      });
    }
  }
}

/** Beside this file: a bundle in the image, a source in the repository. */
async function entryPoint(name: string): Promise<string> {
  const files = await readdir(import.meta.dirname);
  return join(import.meta.dirname, files.includes(`${name}.mjs`) ? `${name}.mjs` : `${name}.ts`);
}
