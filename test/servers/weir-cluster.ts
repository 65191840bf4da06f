/**
 * Weir on any API server: the operator in this process, and a kubelet that runs worker pods as child processes. Everything
 * is gone when `stop` resolves.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { createKubeClient } from "../../src/kube/client.ts";
import type { ApiServer } from "../../src/kube/credentials.ts";
import { createInformer } from "../../src/kube/informer.ts";
import { pods } from "../../src/kube/resource.ts";
import { createTransport } from "../../src/kube/transport.ts";
import { weirImages } from "../../src/local/kubelet/images.ts";
import type { Kubelet } from "../../src/local/kubelet/kubelet.ts";
import { startKubelet } from "../../src/local/kubelet/kubelet.ts";
import type { PodObject } from "../../src/local/kubelet/pod-feed.ts";
import type { OperatorOptions, RunningOperator } from "../../src/main/operator.ts";
import { startOperator } from "../../src/main/operator.ts";

const IMAGE = "weir:test";
const worker = join(import.meta.dirname, "../../src/main/worker.ts");

export interface WeirCluster {
  readonly client: KubeClient;
  readonly operator: RunningOperator;
  /** What a claim holds: `<folder>/<namespace>/<claim>`. */
  readonly claims: string;
  job(name: string, namespace?: string): Promise<JobObject>;
  /** Resolves with the job once it fits; rejects with its last status when it never does. */
  until(name: string, what: string, fits: (job: JobObject) => boolean, timeoutMs?: number): Promise<JobObject>;
  logs(pod: string): Promise<string | undefined>;
  startOperator(options?: Partial<OperatorOptions>): Promise<RunningOperator>;
  stop(): Promise<void>;
}

export async function startWeir(server: ApiServer, options: Partial<OperatorOptions> = {}): Promise<WeirCluster> {
  const folder = mkdtempSync(join(tmpdir(), "weir-cluster-"));
  const abort = new AbortController();
  const transport = createTransport({ server });
  const client = createKubeClient(transport);
  const informer = createInformer<PodObject>({ client, resource: pods });
  const reflecting = informer.run(abort.signal);
  await informer.waitForSync();
  const kubelet: Kubelet = await startKubelet({
    client,
    pods: informer,
    images: weirImages({ entryPoints: { worker }, repositories: ["weir"] }),
    dataDir: folder,
    backoff: { initialMs: 200, maxMs: 2_000 },
    onError: report,
  });
  const running: RunningOperator[] = [];
  const start = async (more: Partial<OperatorOptions> = {}): Promise<RunningOperator> => {
    const operator = await startOperator({
      server,
      workerImage: IMAGE,
      tokenKeys: ["test-key"],
      log,
      ...options,
      ...more,
    });
    running.push(operator);
    return operator;
  };
  const operator = await start();
  const job = (name: string, namespace = "default"): Promise<JobObject> =>
    client.get(streamingJobs, { namespace, name });

  return {
    client,
    operator,
    claims: join(folder, "claims"),
    job,
    until: async (name, what, fits, timeoutMs = 180_000) => {
      const deadline = Date.now() + timeoutMs;
      for (;;) {
        const now = await job(name);
        if (fits(now)) return now;
        if (Date.now() > deadline) throw new Error(`${name} never was ${what}: ${JSON.stringify(now.status, null, 1)}`);
        await delay(100);
      }
    },
    logs: async (pod) => {
      const found = await client.find<PodObject>(pods, { namespace: "default", name: pod });
      const file = found === undefined ? undefined : await kubelet.logFile(found.metadata.uid, undefined, false);
      return file === undefined ? undefined : readFileSync(file, "utf8");
    },
    startOperator: start,
    stop: async () => {
      await Promise.all(running.map((o) => o.stop()));
      await kubelet.stop(1);
      abort.abort();
      await reflecting.catch(() => undefined);
      await transport.close();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

const report = (e: unknown): void => {
  if (process.env["WEIR_TEST_LOG"] !== undefined) console.error("kubelet:", e);
};
const log: NonNullable<OperatorOptions["log"]> = (level, message, error) => {
  if (process.env["WEIR_TEST_LOG"] !== undefined) console.error(level, message, error);
};
