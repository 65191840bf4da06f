/**
 * A real Kubernetes control plane for a test: etcd and kube-apiserver, on demand the controllers, with its own folder,
 * certificates and free ports. Several run side by side; all are gone when the test process is gone.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent, request } from "undici";
import type { ApiServer } from "../../src/kube/credentials.ts";
import { fixedServer } from "../../src/kube/credentials.ts";
import type { GuardedProcess } from "./guarded-process.ts";
import { freePorts } from "./free-ports.ts";
import { startGuarded } from "./guarded-process.ts";
import type { Pki } from "./kubernetes-pki.ts";
import { makePki } from "./kubernetes-pki.ts";
import { toolBinary } from "./tools.ts";

const repository = join(import.meta.dirname, "../..");
const TOKEN = "test-admin-token";

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ControlPlaneOptions {
  /**
   * true: garbage collection by owner references, namespace deletion and default ServiceAccounts. A list names other
   * controllers of kube-controller-manager. Default: none, which starts faster.
   */
  readonly controllers?: boolean | readonly string[];
  /** More flags for kube-apiserver. */
  readonly apiServerFlags?: readonly string[];
}

export interface ControlPlane {
  /** An administrator by client certificate. */
  readonly kubeconfigPath: string;
  readonly url: string;
  /** The same rights as a bearer token. */
  readonly token: string;
  /** PEM. */
  readonly ca: string;
  readonly server: ApiServer;
  /** Runs the real kubectl; never rejects for a non-zero exit. */
  kubectl(args: readonly string[], stdin?: string): Promise<CommandResult>;
  /** Ends kube-apiserver alone, as an outage; etcd keeps the data. */
  stopApiServer(): Promise<void>;
  startApiServer(): Promise<void>;
  /** Ends everything and removes the folder. */
  stop(): Promise<void>;
}

/** The path of the one binary with all components, built on first use. */
export const kubeBinary = (): Promise<string> => toolBinary("kube");

export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const kube = await kubeBinary();
  const dir = mkdtempSync(join(tmpdir(), "weir-kube-"));
  const cleanUp = (): void => rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  process.on("exit", cleanUp);
  const [apiPort = 0, etcdPort = 0, peerPort = 0, controllerPort = 0] = await freePorts(4);
  const pki = await makePki(dir);
  const cluster: Cluster = { kube, dir, pki, apiPort, etcdPort, peerPort, controllerPort, options };
  const processes = new Map<string, GuardedProcess>();
  const launch = async (name: string, args: readonly string[]): Promise<void> => {
    processes.set(
      name,
      await startGuarded({
        command: kube,
        args: [name, ...args],
        logFile: join(dir, `${name}.log`),
        folder: dir,
        env: { GOGC: "75" },
      }),
    );
  };
  const end = async (name: string): Promise<void> => {
    await processes.get(name)?.stop();
    processes.delete(name);
  };
  const startApiServer = async (): Promise<void> => {
    await launch("apiserver", apiServerFlags(cluster));
    await waitFor(`https://127.0.0.1:${apiPort}/readyz`, pki.ca, processes.get("apiserver"));
  };
  const stop = async (): Promise<void> => {
    for (const name of ["controller-manager", "apiserver", "etcd"]) await end(name);
    process.off("exit", cleanUp);
    cleanUp();
  };

  const url = `https://127.0.0.1:${apiPort}`;
  const kubeconfigPath = join(dir, "kubeconfig");
  writeFileSync(kubeconfigPath, kubeconfig(url, pki));
  try {
    await launch("etcd", etcdFlags(cluster));
    await startApiServer();
    if (options.controllers !== undefined && options.controllers !== false) {
      await launch("controller-manager", controllerFlags(cluster, kubeconfigPath));
      await waitFor(`https://127.0.0.1:${controllerPort}/healthz`, undefined, processes.get("controller-manager"));
    }
  } catch (e) {
    await stop();
    throw e;
  }
  return {
    kubeconfigPath,
    url,
    token: TOKEN,
    ca: pki.ca,
    server: fixedServer(url, { token: TOKEN, tls: { ca: pki.ca } }),
    kubectl: (args, stdin) => runKubectl({ kube, kubeconfigPath, dir }, args, stdin),
    stopApiServer: () => end("apiserver"),
    startApiServer,
    stop,
  };
}

/** Installs definitions, by default those of the product's kinds, and waits until they are served. */
export async function applyCrds(cluster: Pick<ControlPlane, "kubectl">, ...paths: readonly string[]): Promise<void> {
  const files = (paths.length === 0 ? [join(repository, "crds")] : paths).flatMap((path) => ["-f", path]);
  const applied = await cluster.kubectl(["apply", "--server-side", ...files]);
  if (applied.code !== 0) throw new Error(`the definitions were not applied: ${applied.stderr}`);
  for (const deadline = Date.now() + 120_000; ;) {
    const result = await cluster.kubectl(["wait", "--for=condition=Established", "--timeout=120s", ...files]);
    if (result.code === 0) break;
    // It fails at once where the conditions of a definition are null: the server has not looked at it yet.
    const isTooEarly = result.stderr.includes("accessor error");
    if (!isTooEarly || Date.now() > deadline) throw new Error(`the definitions are not served: ${result.stderr}`);
  }
  // Established is said before every part of the server has heard of it.
  const named = await cluster.kubectl(["get", "-o", "name", ...files]);
  const kinds = named.stdout.trim().replaceAll(/^.*\//gm, "").split("\n").join(",");
  for (const deadline = Date.now() + 120_000; ;) {
    const listed = await cluster.kubectl(["get", kinds, "-A"]);
    if (listed.code === 0) return;
    if (Date.now() > deadline) throw new Error(`${kinds} are not served: ${listed.stderr}`);
  }
}

/** Runs kubectl against any API server; the embedded one too. */
export function runKubectl(
  place: { kube: string; kubeconfigPath: string; dir: string },
  args: readonly string[],
  stdin = "",
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(place.kube, ["kubectl", ...args], {
      env: {
        ...process.env,
        KUBECONFIG: place.kubeconfigPath,
        KUBECACHEDIR: join(place.dir, "kubectl-cache"),
        HOME: place.dir,
      },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.stdin.on("error", () => undefined);
    child.stdin.end(stdin);
    child.on("error", reject);
    child.on("close", (code) =>
      resolve({ code: code ?? 1, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
    );
  });
}

interface Cluster {
  readonly kube: string;
  readonly dir: string;
  readonly pki: Pki;
  readonly apiPort: number;
  readonly etcdPort: number;
  readonly peerPort: number;
  readonly controllerPort: number;
  readonly options: ControlPlaneOptions;
}

/** Without fsync: the data lives as long as the test. */
function etcdFlags({ dir, etcdPort, peerPort }: Cluster): string[] {
  const client = `http://127.0.0.1:${etcdPort}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  return [
    "--name=default",
    `--data-dir=${join(dir, "etcd")}`,
    "--unsafe-no-fsync",
    "--log-level=warn",
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
  ];
}

function apiServerFlags({ dir, pki, apiPort, etcdPort, options }: Cluster): string[] {
  writeFileSync(join(dir, "tokens.csv"), `${TOKEN},test-admin,test-admin,system:masters\n`);
  mkdirSync(join(dir, "apiserver"), { recursive: true });
  const accounts = Array.isArray(options.controllers)
    ? options.controllers.includes("serviceaccount-controller")
    : options.controllers === true;
  return [
    `--etcd-servers=http://127.0.0.1:${etcdPort}`,
    "--bind-address=127.0.0.1",
    `--secure-port=${apiPort}`,
    `--client-ca-file=${pki.caFile}`,
    `--tls-cert-file=${pki.serverCertFile}`,
    `--tls-private-key-file=${pki.serverKeyFile}`,
    `--cert-dir=${join(dir, "apiserver")}`,
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${pki.accountKeyFile}`,
    `--service-account-signing-key-file=${pki.accountKeyFile}`,
    "--service-cluster-ip-range=10.96.0.0/16",
    "--authorization-mode=RBAC",
    `--token-auth-file=${join(dir, "tokens.csv")}`,
    "--profiling=false",
    "--allow-privileged=true",
    // Nobody makes the default ServiceAccount then, and pods would be refused without it.
    ...(accounts ? [] : ["--disable-admission-plugins=ServiceAccount"]),
    ...(options.apiServerFlags ?? []),
  ];
}

const DEFAULT_CONTROLLERS = ["garbage-collector-controller", "namespace-controller", "serviceaccount-controller"];

function controllerFlags({ dir, pki, controllerPort, options }: Cluster, kubeconfigPath: string): string[] {
  const controllers = Array.isArray(options.controllers) ? options.controllers : DEFAULT_CONTROLLERS;
  return [
    ...["", "authentication-", "authorization-"].map((kind) => `--${kind}kubeconfig=${kubeconfigPath}`),
    "--bind-address=127.0.0.1",
    `--secure-port=${controllerPort}`,
    `--cert-dir=${join(dir, "controllers")}`,
    "--leader-elect=false",
    `--controllers=${controllers.join(",")}`,
    `--service-account-private-key-file=${pki.accountKeyFile}`,
    `--root-ca-file=${pki.caFile}`,
    "--kube-api-qps=300",
    "--kube-api-burst=600",
  ];
}

function kubeconfig(url: string, pki: Pki): string {
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "test",
    clusters: [{ name: "test", cluster: { server: url, "certificate-authority-data": base64(pki.ca) } }],
    users: [
      {
        name: "admin",
        user: { "client-certificate-data": base64(pki.adminCert), "client-key-data": base64(pki.adminKey) },
      },
    ],
    contexts: [{ name: "test", context: { cluster: "test", user: "admin" } }],
  });
}

/** Polls, because the components have no other word for "ready"; ends at once when the process does. */
async function waitFor(url: string, ca: string | undefined, server: GuardedProcess | undefined): Promise<void> {
  const dispatcher = new Agent({ connect: ca === undefined ? { rejectUnauthorized: false } : { ca } });
  const deadline = Date.now() + 300_000;
  try {
    while (Date.now() < deadline) {
      if (server?.hasExited === true) throw new Error(`it ended before ${url} was ready:\n${server.logTail()}`);
      if (await answers(url, dispatcher)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${url} was not ready within 300 s:\n${server?.logTail() ?? ""}`);
  } finally {
    await dispatcher.close();
  }
}

async function answers(url: string, dispatcher: Agent): Promise<boolean> {
  try {
    const { statusCode, body } = await request(url, { dispatcher, signal: AbortSignal.timeout(10_000) });
    await body.dump();
    return statusCode === 200;
  } catch {
    return false;
  }
}
