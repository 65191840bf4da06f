/**
 * Everything of Weir but the operator, on any API server: a kubelet whose workers are real but share this process, and
 * eyes on what happens. Tests start, crash and replace operators on it; each story has a namespace of its own.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { EpochPlan } from "../../src/controllers/streamingjob/epoch-plan.ts";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { createKubeClient } from "../../src/kube/client.ts";
import type { ApiServer } from "../../src/kube/credentials.ts";
import { createInformer } from "../../src/kube/informer.ts";
import type { RunningInformer } from "../../src/kube/informer.ts";
import { isNotFound } from "../../src/kube/kube-error.ts";
import { configMaps, namespaces, pods } from "../../src/kube/resource.ts";
import type { KubeObject, Resource } from "../../src/kube/resource.ts";
import { createTransport } from "../../src/kube/transport.ts";
import { weirImages } from "../../src/local/kubelet/images.ts";
import type { RunningProcess } from "../../src/local/kubelet/container-process.ts";
import { startKubelet } from "../../src/local/kubelet/kubelet.ts";
import type { PodObject } from "../../src/local/kubelet/pod-feed.ts";
import type { OperatorOptions, RunningOperator } from "../../src/main/operator.ts";
import { startOperator } from "../../src/main/operator.ts";
import { inProcessWorkers } from "../builders/in-process-worker.ts";

/** What happened in a namespace, each time it happened: "Pod j-1-0-0". */
export interface Happenings {
  readonly created: string[];
  readonly deleted: string[];
  /** Containers that were started. */
  readonly started: string[];
}

export interface Ground {
  readonly client: KubeClient;
  /** What a claim holds: `<folder>/<namespace>/<claim>`. */
  readonly claims: string;
  readonly jobs: RunningInformer<JobObject>;
  readonly pods: RunningInformer<PodObject>;
  readonly plans: RunningInformer<EpochPlan>;
  /** A new namespace, and what happens in it from now on. */
  open(namespace: string): Promise<Happenings>;
  /** What happens from now on in a namespace that is there. */
  watch(namespace: string): Happenings;
  /** Its container ends as a SIGTERM ends it, and the kubelet starts it again. */
  restart(namespace: string, pod: string): void;
  operator(namespace: string, options?: Partial<OperatorOptions>): Promise<RunningOperator>;
  /** Resolves once it is so; rejects with `seen()` when it never is. */
  until(what: string, isSo: () => boolean, seen: () => unknown, timeoutMs?: number): Promise<void>;
  /** Ends what a story has left behind, without its operator. */
  clear(namespace: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startGround(server: ApiServer): Promise<Ground> {
  const folder = mkdtempSync(join(tmpdir(), "weir-ground-"));
  const abort = new AbortController();
  const transport = createTransport({ server });
  const client = createKubeClient(transport);
  const seen = new Map<string, Happenings>();
  const watch = (namespace: string): Happenings => {
    const happenings: Happenings = { created: [], deleted: [], started: [] };
    seen.set(namespace, happenings);
    return happenings;
  };
  const follow = <T extends KubeObject>(resource: Resource): RunningInformer<T> => {
    const informer = createInformer<T>({ client, resource });
    informer.onChange(({ type, object }) => {
      const what = `${resource.kind} ${object.metadata.name}`;
      const there = seen.get(object.metadata.namespace ?? "");
      if (type === "Added") there?.created.push(what);
      if (type === "Deleted") there?.deleted.push(what);
    });
    return informer;
  };
  const informers = {
    jobs: follow<JobObject>(streamingJobs),
    pods: follow<PodObject>(pods),
    plans: follow<EpochPlan>(configMaps),
  };
  const all = Object.values(informers);
  const reflecting = all.map((informer) => informer.run(abort.signal));
  await Promise.all(all.map((informer) => informer.waitForSync()));
  const containers = new Map<string, RunningProcess>();
  let launched = "";
  const launch = inProcessWorkers(({ environment, start }) => {
    launched = `${start.namespace}/${environment.WEIR_POD_NAME}`;
    seen.get(start.namespace)?.started.push(environment.WEIR_POD_NAME);
  });
  const kubelet = await startKubelet({
    client,
    pods: informers.pods,
    images: weirImages({ entryPoints: { worker: "worker" }, repositories: ["weir"] }),
    dataDir: folder,
    backoff: { initialMs: 200, maxMs: 2_000 },
    launch: (spec) => {
      const container = launch(spec);
      containers.set(launched, container);
      return container;
    },
    onError: report,
  });

  return {
    client,
    claims: join(folder, "claims"),
    ...informers,
    watch,
    open: async (namespace) => {
      const happenings = watch(namespace);
      await client.create<KubeObject>(namespaces, {
        apiVersion: "v1",
        kind: "Namespace",
        metadata: { name: namespace },
      });
      return happenings;
    },
    restart: (namespace, pod) => containers.get(`${namespace}/${pod}`)?.signal("SIGTERM"),
    operator: (namespace, options = {}) =>
      startOperator({
        server,
        namespaces: [namespace],
        workerImage: "weir:test",
        tokenKeys: ["test-key"],
        log,
        ...options,
      }),
    until: async (what, isSo, shown, timeoutMs = 120_000) => {
      const deadline = performance.now() + timeoutMs;
      while (!isSo()) {
        if (performance.now() > deadline) throw new Error(`never ${what}: ${JSON.stringify(shown(), null, 1)}`);
        await delay(20);
      }
    },
    clear: async (namespace) => {
      const here = (object: KubeObject): boolean => object.metadata.namespace === namespace;
      for (const { metadata } of informers.jobs.list().filter(here)) {
        await client.patch(streamingJobs, metadata, { metadata: { finalizers: [] } }).catch(unlessGone);
        await client.delete(streamingJobs, metadata).catch(unlessGone);
      }
      for (const { metadata } of informers.pods.list().filter(here)) {
        await client.delete(pods, metadata).catch(unlessGone);
      }
    },
    stop: async () => {
      await kubelet.stop(1);
      abort.abort();
      await Promise.all(reflecting);
      await transport.close();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** The collector may be faster. */
const unlessGone = (e: unknown): void => {
  if (!isNotFound(e)) throw e;
};
const report = (e: unknown): void => {
  if (process.env["WEIR_TEST_LOG"] !== undefined) console.error("kubelet:", e);
};
const log: NonNullable<OperatorOptions["log"]> = (level, message, error) => {
  if (process.env["WEIR_TEST_LOG"] !== undefined) console.error(level, message, error);
};
