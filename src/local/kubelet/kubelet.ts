import { mkdir } from "node:fs/promises";
import { configMaps, pods, secrets } from "../../kube/resource.ts";
import type { KubeClient } from "../../kube/client.ts";
import type { Informer } from "../../kube/informer.ts";
import { isNotFound } from "../../kube/kube-error.ts";
import { POD_PORT_ANNOTATION, openAddressPool } from "./addresses.ts";
import { type BackoffPolicy, defaultBackoff } from "./backoff.ts";
import { type Launch, startProcess } from "./container-process.ts";
import type { ImageRunner } from "./images.ts";
import { startNode } from "./node.ts";
import type { ObjectReader } from "./object-reader.ts";
import type { Pod, PodStatus } from "./pod.ts";
import { startPodEvents } from "./pod-events.ts";
import { type PodObject, followPods } from "./pod-feed.ts";
import { type PodRun, runPod } from "./pod-run.ts";
import { startStatusWriter } from "./status-writer.ts";

export interface KubeletOptions {
  readonly client: KubeClient;
  /** All pods of the cluster: this node is the only one, and the scheduler too. */
  readonly pods: Informer<PodObject>;
  readonly images: ImageRunner;
  /** Where pods' folders, logs and claims live. */
  readonly dataDir: string;
  readonly nodeName?: string;
  readonly backoff?: BackoffPolicy;
  /** How a container's process is started; default: a child process. */
  readonly launch?: Launch;
  readonly onError: (error: unknown) => void;
}

export interface Kubelet {
  readonly nodeName: string;
  /** The file that `kubectl logs` shows, or undefined when the pod does not run here. */
  logFile(uid: string, container: string | undefined, previous: boolean): Promise<string | undefined>;
  /** Stops every pod's processes (SIGTERM, then SIGKILL after the grace); the objects stay. */
  stop(graceSeconds?: number): Promise<void>;
}

/**
 * A kubelet whose containers are child processes of this one. It takes every pod that no node has yet (there is no
 * scheduler), runs it, restarts it by its policy, probes it, and tells the API server what it sees. It works against
 * the embedded API server and against a real one.
 */
export async function startKubelet(options: KubeletOptions): Promise<Kubelet> {
  const { client, images, dataDir, nodeName = "weir-local", backoff = defaultBackoff, onError } = options;
  const { launch = startProcess } = options;
  await mkdir(dataDir, { recursive: true });
  const abort = new AbortController();
  const addresses = await openAddressPool();
  const runs = new Map<string, Promise<PodRun>>();
  const writer = startStatusWriter(client, onError);
  const podEvents = startPodEvents(client, nodeName, onError);
  const node = await startNode(client, nodeName, { signal: abort.signal, onError });

  const start = (pod: Pod): Promise<PodRun> =>
    runPod(pod, {
      dataDir,
      addresses,
      images,
      reader: objectReader(client),
      backoff,
      launch,
      report: (which, status, address) => writer.write(which, status, portAnnotation(address.port)),
      event: (which, event) => podEvents.record(which, event),
    });

  /** The object goes only after its processes have: whoever sees the pod gone may rely on that. */
  const end = async (pod: Pod, running: Promise<PodRun>): Promise<void> => {
    const run = await running;
    await run.stop(pod.metadata.deletionGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30);
    await writer.settled(pod);
    await client
      .delete(pods, pod.metadata, { uid: pod.metadata.uid, gracePeriodSeconds: 0 })
      .catch((e: unknown) => (isNotFound(e) ? undefined : onError(e)));
    await run.dispose();
    runs.delete(pod.metadata.uid);
  };

  const ending = new Set<string>();
  const seen = (pod: Pod): void => {
    const { uid } = pod.metadata;
    if (finished(pod.status) && pod.metadata.deletionTimestamp === undefined && !runs.has(uid)) return;
    const running = runs.get(uid) ?? start(pod);
    runs.set(uid, running);
    if (pod.metadata.deletionTimestamp === undefined || ending.has(uid)) return;
    ending.add(uid);
    void end(pod, running)
      .catch(onError)
      .finally(() => ending.delete(uid));
  };

  const gone = (pod: Pod): void => {
    const running = runs.get(pod.metadata.uid);
    if (running === undefined || ending.has(pod.metadata.uid)) return;
    runs.delete(pod.metadata.uid);
    void running
      .then(async (run) => {
        await run.stop(0);
        await run.dispose();
      })
      .catch(onError);
  };

  const unfollow = followPods(client, { informer: options.pods, nodeName, onError, seen, gone });

  return {
    nodeName,
    logFile: async (uid, container, previous) => (await runs.get(uid))?.logFile(container, previous),
    stop: async (graceSeconds = 5) => {
      unfollow();
      const started = await Promise.all(runs.values());
      await Promise.all(started.map((run) => run.stop(graceSeconds)));
      await writer.stop();
      await podEvents.stop();
      abort.abort();
      await node.stopped;
    },
  };
}

const finished = (status: PodStatus | undefined): boolean =>
  status?.phase === "Succeeded" || status?.phase === "Failed";

const portAnnotation = (port: number | undefined): Record<string, string> =>
  port === undefined ? {} : { [POD_PORT_ANNOTATION]: String(port) };

interface DataObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string };
  data?: Record<string, string>;
  binaryData?: Record<string, string>;
}

function objectReader(client: KubeClient): ObjectReader {
  return {
    configMap: async (namespace, name) => {
      const found = await client.find<DataObject>(configMaps, { namespace, name });
      return found && { ...decode(found.data, "utf8"), ...decode(found.binaryData, "base64") };
    },
    secret: async (namespace, name) => {
      const found = await client.find<DataObject>(secrets, { namespace, name });
      return found && decode(found.data, "base64");
    },
  };
}

function decode(data: Record<string, string> | undefined, encoding: BufferEncoding): Record<string, Buffer> {
  return Object.fromEntries(Object.entries(data ?? {}).map(([key, value]) => [key, Buffer.from(value, encoding)]));
}
