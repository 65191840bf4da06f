import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { type JobObject, streamingJobs } from "../../src/controllers/weir-resources.ts";
import { startApiServer } from "../../src/local/api-server/start.ts";
import { weirImages } from "../../src/local/kubelet/images.ts";
import { startKubelet } from "../../src/local/kubelet/kubelet.ts";
import type { PodObject } from "../../src/local/kubelet/pod-feed.ts";
import { installDefinitions } from "../../src/main/local-cluster.ts";
import { createKubeClient, type KubeClient } from "../../src/kube/client.ts";
import { fixedServer } from "../../src/kube/credentials.ts";
import { createInformer } from "../../src/kube/informer.ts";
import { type KubeObject, pods } from "../../src/kube/resource.ts";
import { createTransport } from "../../src/kube/transport.ts";
import { startFaultProxy } from "../../src/local/faults/proxy.ts";
import { cpuSeconds } from "../processes.ts";

const root = join(import.meta.dirname, "../..");
const STATE_LIMIT_MS = 300_000;
/** Longer than the coarsest status write, so that what is counted is the steady state. */
const SETTLE_MS = 35_000;
const WATCH_MS = 20_000;

const idleJob = (i: number): KubeObject =>
  ({
    apiVersion: "weir.dev/v1alpha1",
    kind: "StreamingJob",
    metadata: { name: `idle-${i}`, namespace: "default" },
    spec: {
      pipeline: {
        nodes: [
          { name: "in", source: { datagen: { splits: 1, rate: 1 } } },
          { name: "out", from: ["in"], sink: { blackhole: {} } },
        ],
      },
      checkpoint: { interval: "30s" },
    },
  }) as KubeObject;

/**
 * Memory and CPU of the operator process while `count` jobs run with one record a second each: real workers, one process
 * a job, on the embedded cluster. API calls are counted by a proxy between the operator and the API server.
 */
export async function operatorIdle(count: number): Promise<(readonly [string, string])[]> {
  const folder = await mkdtemp(join(tmpdir(), "weir-idle-"));
  const api = await startApiServer();
  const transport = createTransport({ server: fixedServer(api.url) });
  const client = createKubeClient(transport);
  const abort = new AbortController();
  await installDefinitions(client);
  const informer = createInformer<PodObject>({ client, resource: pods });
  const reflecting = informer.run(abort.signal);
  await informer.waitForSync();
  const kubelet = await startKubelet({
    client,
    pods: informer,
    images: weirImages({ entryPoints: { worker: join(root, "src/main/worker.ts") }, repositories: ["weir"] }),
    dataDir: folder,
    onError: () => undefined,
  });
  const proxy = await startFaultProxy(fixedServer(api.url));
  const operator = await startOperatorProcess(folder, api.kubeconfig.replaceAll(api.url, proxy.url));
  try {
    await Promise.all(Array.from({ length: count }, (_, i) => client.create<KubeObject>(streamingJobs, idleJob(i))));
    await untilRunning(client, count);
    await delay(SETTLE_MS);
    const before = { cpu: cpuSeconds(operator.pid), calls: proxy.calls.length };
    await delay(WATCH_MS);
    const cpu = (cpuSeconds(operator.pid) - before.cpu) / (WATCH_MS / 1000);
    const calls = proxy.calls.slice(before.calls).filter((call) => call.resource !== "leases").length;
    const callsPerHour = (calls * 3_600_000) / WATCH_MS / count;
    const rss = await residentMiB(operator.pid);
    return [
      [`operator memory with ${count} running idle jobs`, `${rss.toFixed(0)} MiB`],
      [`operator CPU with ${count} running idle jobs`, `${(cpu * 100).toFixed(1)} % of a core`],
      ["API calls per idle job and hour, without the leader's lease", callsPerHour.toFixed(1)],
    ];
  } finally {
    operator.end();
    await operator.ended;
    await kubelet.stop(1);
    abort.abort();
    await reflecting.catch(() => undefined);
    await proxy.close();
    await transport.close();
    await api.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

interface OperatorProcess {
  readonly pid: number;
  readonly ended: Promise<unknown>;
  end(): void;
}

async function startOperatorProcess(folder: string, kubeconfig: string): Promise<OperatorProcess> {
  const file = (name: string): string => join(folder, name);
  await writeFile(file("kubeconfig"), kubeconfig);
  await writeFile(file("key"), "the key of a bench that ends soon");
  const flags = ["--kubeconfig", file("kubeconfig"), "--token-key-file", file("key"), "--worker-image", "weir:bench"];
  // As in the image: one bundle, not the sources with their compiler.
  await promisify(execFile)(process.execPath, [join(root, "scripts/bundle.ts"), file("dist")]);
  const args = [file("dist/weir.mjs"), "operator", ...flags, "--metrics-bind", "127.0.0.1:0"];
  const child = spawn(process.execPath, args, { stdio: "ignore" });
  if (child.pid === undefined) throw new Error("the operator did not start");
  return { pid: child.pid, ended: once(child, "exit"), end: () => void child.kill("SIGTERM") };
}

async function untilRunning(client: KubeClient, count: number): Promise<void> {
  for (const end = performance.now() + STATE_LIMIT_MS; performance.now() < end; await delay(500)) {
    const { items } = await client.list<JobObject>(streamingJobs);
    if (items.filter((job) => job.status?.state === "RUNNING").length === count) return;
  }
  throw new Error(`${count} jobs were not running after ${STATE_LIMIT_MS / 1000} s`);
}

async function residentMiB(pid: number): Promise<number> {
  return Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
}
