/**
 * A real Argo CD against a cluster: Redis, repository server and application controller as processes of this machine, and a Git
 * repository in a folder. Everything is gone when `remove` resolves, in the cluster too.
 */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { createKubeClient } from "../../src/kube/client.ts";
import type { KubeObject, Resource } from "../../src/kube/resource.ts";
import { createTransport } from "../../src/kube/transport.ts";
import type { GuardedProcess } from "./guarded-process.ts";
import { freePorts } from "./free-ports.ts";
import { startGuarded } from "./guarded-process.ts";
import type { ControlPlane } from "./kubernetes.ts";
import { applyCrds } from "./kubernetes.ts";
import { goModule } from "./go-module.ts";
import { toolBinary } from "./tools.ts";

/** As in scripts/servers/argocd/go.mod. */
const ARGO_CD = "github.com/argoproj/argo-cd/v3@v3.2.11";
const run = promisify(execFile);

const applications: Resource = {
  group: "argoproj.io",
  version: "v1alpha1",
  plural: "applications",
  kind: "Application",
  namespaced: true,
};

export interface Application extends KubeObject {
  readonly status?: {
    readonly sync?: { readonly status?: string; readonly revisions?: readonly string[] };
    readonly health?: { readonly status?: string };
    readonly resources?: readonly ApplicationResource[];
    readonly conditions?: readonly { readonly type: string; readonly message: string }[];
    readonly operationState?: { readonly phase?: string; readonly message?: string };
    readonly reconciledAt?: string;
  };
}

export interface ApplicationResource {
  readonly kind: string;
  readonly name: string;
  readonly status?: string;
  readonly health?: { readonly status?: string; readonly message?: string };
}

export interface ArgoCD {
  /** Of the Git repository; branch main. */
  readonly repoUrl: string;
  readonly repoFolder: string;
  /** Writes these files (null removes one) and commits everything. Resolves with the revision. */
  commit(files: Readonly<Record<string, string | null>>): Promise<string>;
  /** Makes it look at Git now. */
  refresh(application: string): Promise<void>;
  /** Resolves once it fits; rejects with what was seen last when it never does. */
  until(name: string, what: string, fits: (application: Application) => boolean): Promise<Application>;
  /** Of its processes: memory and processor time. */
  figures(): string;
  /** Its Applications are deleted without what they made. */
  remove(): Promise<void>;
}

/** The cluster that it takes for its own. */
type Cluster = Pick<ControlPlane, "kubeconfigPath" | "server" | "kubectl">;

export async function startArgoCD(plane: Cluster): Promise<ArgoCD> {
  const [command, helm] = await Promise.all([toolBinary("argocd"), toolBinary("helm3")]);
  const folder = mkdtempSync(join(tmpdir(), "weir-argocd-"));
  const at = (...path: string[]): string => join(folder, ...path);
  for (const name of ["repo", "bin", "ssh", "tls", "home", "tmp"]) mkdirSync(at(name));
  writeFileSync(at("ssh/ssh_known_hosts"), "");
  symlinkSync(helm, at("bin/helm"));
  const [redis = 0, repoServer = 0, repoMetrics = 0, metrics = 0] = await freePorts(4);
  const env = {
    PATH: `${at("bin")}:${process.env["PATH"] ?? ""}`,
    HOME: at("home"),
    TMPDIR: at("tmp"),
    ARGOCD_GPG_ENABLED: "false",
    ARGOCD_FAKE_IN_CLUSTER: "true",
    ARGOCD_EXEC_TIMEOUT: "60s",
    ARGOCD_SYNC_WAVE_DELAY: "0",
    ARGOCD_SSH_DATA_PATH: at("ssh"),
    ARGOCD_TLS_DATA_PATH: at("tls"),
    REDIS_PASSWORD: "",
    KUBECONFIG: plane.kubeconfigPath,
  };
  const processes = new Map<string, GuardedProcess>();
  const launch = async (name: string, program: string, args: readonly string[]): Promise<void> => {
    const logFile = at(`${name}.log`);
    processes.set(name, await startGuarded({ command: program, args, logFile, folder, env }));
  };
  const stop = async (): Promise<void> => {
    await Promise.all([...processes.values()].map((p) => p.stop()));
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await installObjects(plane);
    const host = "127.0.0.1";
    await launch("redis", "redis-server", flags({ port: redis, bind: host, save: "", dir: folder }));
    const cache = { redis: `${host}:${redis}` };
    await launch("repo-server", command, [
      "repo-server",
      ...flags({ ...cache, address: host, port: repoServer, "metrics-address": host, "metrics-port": repoMetrics }),
      "--disable-tls",
    ]);
    const cluster = { kubeconfig: plane.kubeconfigPath, namespace: "argocd" };
    const resync = { "app-resync": 10, "app-resync-jitter": 0 };
    await launch("controller", command, [
      "controller",
      ...flags({ ...cache, ...cluster, ...resync, "repo-server": `${host}:${repoServer}`, "metrics-port": metrics }),
      "--repo-server-plaintext",
      "--persist-resource-health",
    ]);
  } catch (e) {
    await stop();
    throw e;
  }

  const git = (...args: string[]) =>
    run("git", ["-c", "user.name=test", "-c", "user.email=test@example.com", ...args], { cwd: at("repo") });
  await git("init", "--quiet", "--initial-branch=main");
  const refTo = (name: string) => ({ namespace: "argocd", name });
  const transport = createTransport({ server: plane.server });
  const client = createKubeClient(transport);
  const logs = (): string => [...processes].map(([name, p]) => `--- ${name}\n${p.logTail()}`).join("\n");
  return {
    repoUrl: `file://${at("repo")}`,
    repoFolder: at("repo"),
    commit: async (files) => {
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(at("repo", path)), { recursive: true });
        if (text === null) rmSync(at("repo", path));
        else writeFileSync(at("repo", path), text);
      }
      await git("add", "--all");
      await git("commit", "--quiet", "--message", Object.keys(files).join(" "));
      return (await git("rev-parse", "HEAD")).stdout.trim();
    },
    refresh: async (name) => {
      const annotations = { "argocd.argoproj.io/refresh": "hard" };
      await client.patch(applications, refTo(name), { metadata: { annotations } });
    },
    until: async (name, what, fits) => {
      for (const deadline = Date.now() + 240_000; ; await delay(150)) {
        const seen = await client.find<Application>(applications, refTo(name));
        if (seen !== undefined && fits(seen)) return seen;
        if (Date.now() > deadline)
          throw new Error(`${name} never was ${what}: ${JSON.stringify(seen?.status, null, 1)}\n${logs()}`);
      }
    },
    figures: () => [...processes].map(([name, { pid }]) => `${name} ${usedBy(pid)}`).join(", "),
    remove: async () => {
      await transport.close();
      await stop();
      await removeObjects(plane);
    },
  };
}

const flags = (values: Readonly<Record<string, string | number>>): string[] =>
  Object.entries(values).flatMap(([name, value]) => [`--${name}`, `${value}`]);

function usedBy(pid: number): string {
  const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  // After the name in parentheses: utime is the 12th field, stime the 13th, in hundredths of a second.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  const seconds = (Number(fields[11]) + Number(fields[12])) / 100;
  return `${Math.round(Number(kib) / 1024)} MiB and ${seconds.toFixed(0)} CPU s`;
}

/** What Argo CD's own installation brings, as far as a sync needs it. */
async function installObjects(plane: Cluster): Promise<void> {
  await applyCrds(plane, ...(await definitions()));
  const labels = { "app.kubernetes.io/part-of": "argocd" };
  const metadata = (name: string) => ({ name, namespace: "argocd", labels });
  const timeouts = { "timeout.reconciliation": "10s", "timeout.reconciliation.jitter": "0s" };
  const objects = [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: "argocd" } },
    { apiVersion: "v1", kind: "ConfigMap", metadata: metadata("argocd-cm"), data: timeouts },
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: metadata("argocd-secret"),
      stringData: { "server.secretkey": "test" },
    },
  ];
  const text = objects.map((object) => JSON.stringify(object)).join("\n---\n");
  const { code, stderr } = await plane.kubectl(["apply", "-f", "-"], text);
  if (code !== 0) throw new Error(`Argo CD's objects were not applied: ${stderr}`);
}

const definitions = async (): Promise<string[]> => {
  const crds = join(await goModule(ARGO_CD), "manifests/crds");
  return ["application-crd.yaml", "appproject-crd.yaml"].map((file) => join(crds, file));
};

/** Nothing is there any more that would handle a finalizer. */
async function removeObjects(plane: Cluster): Promise<void> {
  const listed = await plane.kubectl(["get", "applications", "-n", "argocd", "-o", "name"]);
  for (const name of listed.stdout.split("\n").filter((line) => line !== "")) {
    await plane.kubectl(["patch", name, "-n", "argocd", "--type=merge", "-p", '{"metadata":{"finalizers":null}}']);
  }
  const files = (await definitions()).flatMap((file) => ["-f", file]);
  const waiting = ["--ignore-not-found", "--timeout=120s"];
  for (const what of [files, ["namespace", "argocd"]]) {
    const { code, stderr } = await plane.kubectl(["delete", ...what, ...waiting]);
    if (code !== 0) throw new Error(`Argo CD's objects were not removed: ${stderr}`);
  }
}
