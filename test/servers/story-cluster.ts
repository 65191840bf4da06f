/** A cluster with Weir on it as a user meets it: kubectl, the workers' volumes, and a watch that writes every state down. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { startLocalCluster } from "../../src/main/local-cluster.ts";
import type { GuardedProcess } from "./guarded-process.ts";
import { startGuarded } from "./guarded-process.ts";
import { applyCrds, kubeBinary, runKubectl, startControlPlane } from "./kubernetes.ts";
import { startWeir } from "./weir-cluster.ts";

export interface StoryCluster {
  /** Where the jobs are. */
  readonly namespace: string;
  /** Folder of the jobs' volume. */
  readonly volume: string;
  /** Runs the real kubectl and gives its output; rejects when it fails, with what the jobs say. */
  kubectl(args: readonly string[], stdin?: string): Promise<string>;
  job(name: string): Promise<JobObject>;
  /** The states that a watch of kubectl has seen so far, without repetitions. */
  states(): string[];
  stop(): Promise<void>;
}

export interface StoryTarget {
  readonly name: string;
  start(): Promise<StoryCluster>;
}

export interface StartedCluster {
  /** Its context names the namespace of the story. */
  readonly kubeconfigPath: string;
  readonly namespace: string;
  readonly volume: string;
  stop(): Promise<void>;
}

/** The same commands on the embedded cluster of `make demo` and on a real kube-apiserver. */
export const storyTargets: readonly StoryTarget[] = [
  { name: "the embedded cluster", start: () => startEmbeddedStory() },
  { name: "a real kube-apiserver", start: () => storyOn(startReal) },
];

export const startEmbeddedStory = (): Promise<StoryCluster> => storyOn(startEmbedded);

/** What a user does to one job, and how long each act took. */
export interface Actor {
  readonly times: readonly string[];
  /** Runs the commands one after another; gives the job as it is then. */
  act(title: string, ...commands: readonly (readonly string[])[]): Promise<JobObject>;
  wait(condition: string): readonly string[];
  state(text: string): readonly string[];
  /** The job runs with this many workers, all of them ready. */
  workers(n: number): readonly (readonly string[])[];
}

export function actorOn(cluster: StoryCluster, job: string): Actor {
  const times: string[] = [];
  const wait: Actor["wait"] = (condition) => ["wait", `sj/${job}`, `--for=${condition}`, "--timeout=120s"];
  const state: Actor["state"] = (text) => wait(`jsonpath={.status.state}=${text}`);
  return {
    times,
    wait,
    state,
    act: async (title, ...commands) => {
      const began = performance.now();
      for (const command of commands) await cluster.kubectl(command);
      times.push(`${title} ${((performance.now() - began) / 1000).toFixed(1)} s`);
      return cluster.job(job);
    },
    workers: (n) => [
      wait(`jsonpath={.status.parallelism.effective}=${n}`),
      wait(`jsonpath={.status.parallelism.ready}=${n}`),
      state("RUNNING"),
      wait("condition=Ready"),
    ],
  };
}

/** Name of the window that `maintenance` makes. */
const WINDOW = "now";
const HOUR_MS = 3_600_000;
const inMs = (ms: number): string => `${new Date(Date.now() + ms).toISOString().slice(0, 19)}Z`;

/** kubectl's words for a one-off maintenance of a job: it begins in two seconds and lasts until it is told to end. */
export const maintenance = {
  begins: (job: string): string =>
    JSON.stringify({
      apiVersion: "weir.dev/v1alpha1",
      kind: "MaintenanceWindow",
      metadata: { name: WINDOW },
      spec: { jobs: [job], start: inMs(2_000), end: inMs(HOUR_MS) },
    }),
  /** In two seconds, by the clock: what is seen of the stopped job before does not depend on the speed of the machine. */
  ends: (): string[] => ["patch", "mw", WINDOW, "--type=merge", "-p", JSON.stringify({ spec: { end: inMs(2_000) } })],
};

async function startEmbedded(dir: string): Promise<StartedCluster> {
  const cluster = await startLocalCluster({ dataDir: dir, port: 0, log: () => undefined });
  return { kubeconfigPath: cluster.kubeconfigPath, ...inDefault(cluster.claims), stop: () => cluster.stop() };
}

async function startReal(): Promise<StartedCluster> {
  const plane = await startControlPlane();
  try {
    await applyCrds(plane);
    const weir = await startWeir(plane.server);
    const stop = async (): Promise<void> => {
      await weir.stop();
      await plane.stop();
    };
    return { kubeconfigPath: plane.kubeconfigPath, ...inDefault(weir.claims), stop };
  } catch (e) {
    await plane.stop();
    throw e;
  }
}

const inDefault = (claims: string) => ({ namespace: "default", volume: join(claims, "default/weir-state") });

export async function storyOn(start: (dir: string) => Promise<StartedCluster>): Promise<StoryCluster> {
  const dir = mkdtempSync(join(tmpdir(), "weir-story-"));
  const kube = await kubeBinary();
  const cluster = await start(dir);
  const place = { kube, kubeconfigPath: cluster.kubeconfigPath, dir };
  const logFile = join(dir, "states.log");
  const watch = await startGuarded({
    command: kube,
    args: ["kubectl", "get", "sj", "--watch", "-v=6", "-o", 'jsonpath={.status.state}{"\\n"}'],
    logFile,
    folder: dir,
    env: { KUBECONFIG: cluster.kubeconfigPath, HOME: dir },
  });
  await untilLogged(watch, logFile, "watch=true");
  const kubectl = async (args: readonly string[], stdin?: string): Promise<string> => {
    const { code, stdout, stderr } = await runKubectl(place, args, stdin);
    if (code !== 0) {
      const jobs = await runKubectl(place, ["get", "sj", "-o", "wide"]);
      throw new Error(`kubectl ${args.join(" ")} ended with ${code}: ${stderr}\n${jobs.stdout}`);
    }
    return stdout;
  };
  return {
    namespace: cluster.namespace,
    volume: cluster.volume,
    kubectl,
    job: async (name) => JSON.parse(await kubectl(["get", "sj", name, "-o", "json"])) as JobObject,
    states: () => {
      const lines = readFileSync(logFile, "utf8").split("\n");
      return lines.filter((line) => /^[A-Z]+$/.test(line)).filter((line, i, all) => line !== all[i - 1]);
    },
    stop: async () => {
      await watch.stop();
      await cluster.stop();
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** A state that comes and goes before the watch is open would never be seen. kubectl logs its calls to the same file. */
async function untilLogged(watch: GuardedProcess, logFile: string, text: string): Promise<void> {
  for (const deadline = performance.now() + 180_000; !readFileSync(logFile, "utf8").includes(text); await delay(20)) {
    if (watch.hasExited || performance.now() > deadline)
      throw new Error(`no ${text} in kubectl's log:\n${watch.logTail()}`);
  }
}
