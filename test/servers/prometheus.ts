/** A real Prometheus, and its promtool: Debian's package, installed on first use where this machine lets us. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { dump } from "js-yaml";
import type { RuleFile } from "../builders/alert-rules.ts";
import type { ApiServer } from "../../src/kube/credentials.ts";
import { freePorts, startGuarded } from "./guarded-process.ts";

const repository = join(import.meta.dirname, "../..");
const run = promisify(execFile);

export interface PromtoolResult {
  readonly code: number;
  /** Both streams. */
  readonly output: string;
}

/** Runs promtool in the repository; never rejects for a non-zero exit. */
export async function promtool(args: readonly string[], stdin = ""): Promise<PromtoolResult> {
  await install();
  return new Promise((resolve) => {
    const child = execFile("promtool", [...args], { cwd: repository }, (e, stdout, stderr) => {
      const code = e === null ? 0 : typeof e.code === "number" ? e.code : 1;
      resolve({ code, output: stdout + stderr + (code === 0 ? "" : (e?.message ?? "")) });
    });
    child.stdin?.on("error", () => undefined); // it may end before it has read everything
    child.stdin?.end(stdin);
  });
}

let installed: Promise<unknown> | undefined;
function install(): Promise<unknown> {
  installed ??= run("bash", [join(repository, "scripts/servers/packages.sh"), "prometheus"]);
  return installed;
}

/** An alert that Prometheus has now. */
export interface Alert {
  readonly state: "pending" | "firing";
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface PrometheusOptions {
  readonly rules: RuleFile;
  /** `host:port` of operators; `target` changes them later. */
  readonly operators: readonly string[];
  /** Where worker pods are discovered; their addresses must be reachable from here. */
  readonly workersOf?: { readonly server: ApiServer; readonly namespaces: readonly string[] } | undefined;
  /** Of a scrape and of an evaluation. */
  readonly everySeconds?: number;
}

export interface Prometheus {
  readonly url: string;
  /** The values of an instant query by their labels. */
  query(expr: string): Promise<{ readonly labels: Readonly<Record<string, string>>; readonly value: number }[]>;
  alerts(): Promise<readonly Alert[]>;
  /** Scrapes these operators from now on. */
  target(operators: readonly string[]): void;
  /** Resolves once it is so; rejects with the alerts and targets that were seen when it never is. */
  until(what: string, isSo: () => Promise<boolean>, timeoutMs?: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startPrometheus(options: PrometheusOptions): Promise<Prometheus> {
  await install();
  const dir = mkdtempSync(join(tmpdir(), "weir-prometheus-"));
  const [port = 0] = await freePorts(1);
  const file = (name: string, content: unknown): string => {
    const path = join(dir, name);
    writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
    return path;
  };
  const target = (operators: readonly string[]): void => void file("operators.json", [{ targets: operators }]);
  target(options.operators);
  file("rules.yaml", dump(options.rules));
  const every = `${options.everySeconds ?? 1}s`;
  const config = file(
    "prometheus.yaml",
    dump({
      global: { scrape_interval: every, scrape_timeout: every, evaluation_interval: every },
      rule_files: ["rules.yaml"],
      scrape_configs: [
        { job_name: "weir-operator", file_sd_configs: [{ files: ["operators.json"], refresh_interval: "1s" }] },
        ...(options.workersOf === undefined ? [] : [await workerScrape(options.workersOf, file)]),
      ],
    }),
  );
  const url = `http://127.0.0.1:${port}`;
  const server = await startGuarded({
    command: "prometheus",
    args: [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(dir, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=warn",
    ],
    logFile: join(dir, "prometheus.log"),
    folder: dir,
  });

  const ask = async (path: string): Promise<unknown> => {
    const response = await fetch(`${url}${path}`);
    const body = (await response.json()) as { data: unknown; error?: string };
    if (!response.ok) throw new Error(`${path}: ${body.error ?? response.status}`);
    return body.data;
  };
  const alerts = async (): Promise<readonly Alert[]> =>
    ((await ask("/api/v1/alerts")) as { alerts: readonly Alert[] }).alerts;
  const seen = async (): Promise<string> => {
    const firing = (await alerts()).map((a) => `${a.state} ${JSON.stringify(a.labels)}`);
    const { activeTargets } = (await ask("/api/v1/targets")) as {
      activeTargets: { scrapeUrl: string; health: string; lastError: string }[];
    };
    const targets = activeTargets.map((t) => `${t.scrapeUrl} ${t.health} ${t.lastError}`);
    return [...firing, ...targets, server.logTail()].join("\n");
  };
  const until: Prometheus["until"] = async (what, isSo, timeoutMs = 60_000) => {
    for (const deadline = Date.now() + timeoutMs; !(await isSo()); await delay(200)) {
      if (Date.now() > deadline) throw new Error(`never ${what}:\n${await seen()}`);
    }
  };
  const stop = async (): Promise<void> => {
    await server.stop();
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  };

  try {
    await isReady(url, server);
  } catch (e) {
    await stop();
    throw e;
  }
  return {
    url,
    alerts,
    target,
    until,
    stop,
    query: async (expr) => {
      const { result } = (await ask(`/api/v1/query?query=${encodeURIComponent(expr)}`)) as {
        result: { metric: Record<string, string>; value: [number, string] }[];
      };
      return result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
    },
  };
}

async function isReady(url: string, server: { hasExited: boolean; logTail(): string }): Promise<void> {
  for (const deadline = Date.now() + 60_000; ; await delay(100)) {
    const ok = await fetch(`${url}/-/ready`).then(
      (response) => response.ok,
      () => false,
    );
    if (ok) return;
    if (server.hasExited || Date.now() > deadline) throw new Error(`Prometheus is not ready:\n${server.logTail()}`);
  }
}

/** Worker pods as a PodMonitor finds them: by their labels, at the port of their control API. */
async function workerScrape(
  { server, namespaces }: NonNullable<PrometheusOptions["workersOf"]>,
  file: (name: string, content: unknown) => string,
): Promise<object> {
  const { headers, tls } = await server.credentials();
  const token = headers["authorization"]?.replace(/^Bearer /, "");
  const identity = {
    ...(tls.ca === undefined ? {} : { ca_file: file("ca.pem", tls.ca) }),
    ...(tls.cert === undefined ? {} : { cert_file: file("client.pem", tls.cert) }),
    ...(tls.key === undefined ? {} : { key_file: file("client-key.pem", tls.key) }),
  };
  return {
    job_name: "weir-workers",
    kubernetes_sd_configs: [
      {
        role: "pod",
        api_server: server.url,
        namespaces: { names: namespaces },
        ...(token === undefined ? {} : { authorization: { credentials_file: file("token", token) } }),
        tls_config: identity,
      },
    ],
    relabel_configs: [
      { source_labels: ["__meta_kubernetes_pod_label_weir_dev_component"], regex: "worker", action: "keep" },
      { source_labels: ["__meta_kubernetes_pod_phase"], regex: "Running", action: "keep" },
      { source_labels: ["__meta_kubernetes_namespace"], target_label: "namespace" },
      { source_labels: ["__meta_kubernetes_pod_name"], target_label: "pod" },
    ],
  };
}
