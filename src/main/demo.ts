import { mkdir, readFile, rm } from "node:fs/promises";
import { get } from "node:http";
import { join, resolve as absolute } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { FIELD_MANAGER, LABEL } from "../api/group.ts";
import { WORKER_PORT } from "../api/ports.ts";
import { EXIT, type Terminal } from "../cli/command.ts";
import { quickstartActs } from "../cli/demo/acts.ts";
import { followResults } from "../cli/demo/result-reader.ts";
import { type Screen, openScreen } from "../cli/demo/show.ts";
import { type ActResult, type View, play } from "../cli/demo/story.ts";
import { type JobObject, controlPolicies, maintenanceWindows, streamingJobs } from "../controllers/weir-resources.ts";
import { type KubeObject, type Resource, pods } from "../kube/resource.ts";
import { POD_PORT_ANNOTATION } from "../local/kubelet/addresses.ts";
import type { PodObject } from "../local/kubelet/pod-feed.ts";
import { parseManifests } from "../local/manifests.ts";
import { type LocalCluster, startLocalCluster } from "./local-cluster.ts";
import type { OperatorLog } from "./operator.ts";

const NAMESPACE = "default";
const JOB = "realtime-etl";
const RESULTS = "weir-state/results";
const LOOK_MS = 200;
const samples = join(import.meta.dirname, "../../config/samples/quickstart");

/** Starts the embedded cluster, plays the quickstart's story on it and says how it went. */
export async function demo(args: readonly string[], io: Terminal): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { keep: { type: "boolean", default: false }, "data-dir": { type: "string", default: ".weir/demo" } },
  });
  return runDemo(absolute(values["data-dir"]), values.keep, io);
}

async function runDemo(dataDir: string, keep: boolean, io: Terminal): Promise<number> {
  await rm(dataDir, { recursive: true, force: true });
  await mkdir(dataDir, { recursive: true });
  const screen = openScreen(io, () => performance.now());
  const cluster = await startLocalCluster({ dataDir, port: 0, log: problemsOnly(screen) });
  try {
    screen.line("cluster", `embedded Kubernetes API server at ${cluster.url}, operator leading`);
    screen.line("cluster", `kubectl --kubeconfig ${cluster.kubeconfigPath} get sj -w`);
    const acts = await tell(cluster, screen);
    const ok = acts.every((a) => a.ok);
    summary(acts, cluster, { io, keep });
    if (keep) await interrupted();
    return ok ? EXIT.ok : EXIT.failed;
  } finally {
    await cluster.stop();
  }
}

function tell(cluster: LocalCluster, screen: Screen): Promise<ActResult[]> {
  const results = followResults(join(cluster.claims, NAMESPACE, RESULTS), "tenant");
  const acts = quickstartActs({
    applyQuickstart: async () => {
      await applySample(cluster, "job.yaml", streamingJobs);
      await applySample(cluster, "policy.yaml", controlPolicies);
      screen.line("apply", `streamingjob/${JOB}, controlpolicy/keep-up`);
    },
    applyMaintenance: async () => {
      const start = new Date(Date.now() + 2_000);
      const end = new Date(Date.now() + 6_000);
      await applyWindow(cluster, start, end);
      screen.line("apply", `maintenancewindow/demo from ${clock(start)} to ${clock(end)}`);
    },
  });
  return play(acts, {
    next: async () => {
      await delay(LOOK_MS);
      return look(cluster, results);
    },
    now: () => performance.now(),
    show: screen.show,
    finished: screen.finished,
  });
}

async function look(cluster: LocalCluster, results: ReturnType<typeof followResults>): Promise<View> {
  const [job, lag, rows] = await Promise.all([
    cluster.client.find<JobObject>(streamingJobs, { namespace: NAMESPACE, name: JOB }),
    liveLag(cluster),
    results.read(),
  ]);
  return { job, lag, results: rows };
}

async function applySample(cluster: LocalCluster, file: string, resource: Resource): Promise<void> {
  for (const object of parseManifests(await readFile(join(samples, file), "utf8"), file)) {
    await apply(cluster, resource, object);
  }
}

async function applyWindow(cluster: LocalCluster, start: Date, end: Date): Promise<void> {
  await apply(cluster, maintenanceWindows, {
    apiVersion: "weir.dev/v1alpha1",
    kind: "MaintenanceWindow",
    metadata: { name: "demo" },
    spec: { jobs: [JOB], start: seconds(start), end: seconds(end) },
  } as KubeObject);
}

async function apply(cluster: LocalCluster, resource: Resource, object: KubeObject): Promise<void> {
  const named = { ...object, metadata: { ...object.metadata, namespace: NAMESPACE } };
  await cluster.client.apply(resource, named, { fieldManager: FIELD_MANAGER.children, fieldValidation: "Strict" });
}

/** Sum over the workers, read from their metrics: the status only has it in coarse steps. */
async function liveLag(cluster: LocalCluster): Promise<number | undefined> {
  const { items } = await cluster.client.list<PodObject>(pods, {
    namespace: NAMESPACE,
    labelSelector: `${LABEL.job}=${JOB}`,
  });
  const lags = await Promise.all(items.filter((p) => p.metadata.deletionTimestamp === undefined).map(workerLag));
  return lags.length > 0 && lags.every((l) => l !== undefined) ? lags.reduce((a, b) => a + b, 0) : undefined;
}

async function workerLag(pod: PodObject): Promise<number | undefined> {
  const host = pod.status?.podIP;
  if (host === undefined) return undefined;
  const port = Number(pod.metadata.annotations?.[POD_PORT_ANNOTATION] ?? WORKER_PORT);
  const text = await textOf(`http://${host}:${port}/metrics`);
  const value = /^weir_worker_lag_records(?:\{[^}]*\})? (\S+)$/m.exec(text)?.[1];
  return value === undefined ? undefined : Number(value);
}

function textOf(url: string): Promise<string> {
  return new Promise((resolve) => {
    const call = get(url, { timeout: 500, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve(text));
    });
    call.on("timeout", () => call.destroy());
    call.on("error", () => resolve(""));
  });
}

function summary(
  acts: readonly ActResult[],
  cluster: LocalCluster,
  { io, keep }: { io: Terminal; keep: boolean },
): void {
  const done = acts.filter((a) => a.ok).length;
  io.out("");
  for (const { ok, title, ms } of acts) io.out(`  ${ok ? "✓" : "✗"} ${title} (${(ms / 1000).toFixed(1)} s)`);
  io.out(`\n${done === acts.length ? "The whole story worked." : "The story stopped here."}`);
  io.out(`Result files: ${join(cluster.claims, NAMESPACE, RESULTS)}`);
  if (!keep) {
    io.out("Go on by hand with: make demo KEEP=1");
    return;
  }
  io.out(`Still running. In another terminal:
  kubectl --kubeconfig ${cluster.kubeconfigPath} get sj,cpol,mw,pods
  node src/main/cli.ts why ${JOB} --kubeconfig ${cluster.kubeconfigPath}
Ctrl-C ends it.`);
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    const hold = setInterval(() => undefined, 60_000);
    const end = (): void => {
      clearInterval(hold);
      resolve();
    };
    process.once("SIGINT", end);
    process.once("SIGTERM", end);
  });
}

const problemsOnly =
  (screen: Screen): OperatorLog =>
  (level, message, error) => {
    if (level === "error")
      screen.line("operator", `${message}: ${error instanceof Error ? error.message : String(error)}`);
  };

const seconds = (at: Date): string => `${at.toISOString().slice(0, 19)}Z`;
const clock = (at: Date): string => at.toISOString().slice(11, 19);
