/** A real Prometheus, and its promtool: Debian's package, installed on first use where this machine lets us. */
import { execFile } from "node:child_process";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { dump } from "js-yaml";
import type { RuleFile } from "../builders/alert-rules.ts";
import { LABEL } from "../../src/api/group.ts";
import { WORKER_PORT } from "../../src/api/ports.ts";
import type { PodObject } from "../../src/controllers/streamingjob/pod-view.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { createInformer } from "../../src/kube/informer.ts";
import { pods } from "../../src/kube/resource.ts";
import { freePorts } from "./free-ports.ts";
import { startGuarded } from "./guarded-process.ts";

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
  readonly workersOf: KubeClient;
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
    writeFileSync(`${path}.new`, typeof content === "string" ? content : JSON.stringify(content));
    renameSync(`${path}.new`, path); // Prometheus watches the file and must not read half of it
    return path;
  };
  const target = (operators: readonly string[]): void => void file("operators.json", [{ targets: operators }]);
  target(options.operators);
  const forget = await discoverWorkers(options.workersOf, (targets) => file("workers.json", targets));
  file("rules.yaml", dump(options.rules));
  const every = `${options.everySeconds ?? 1}s`;
  const config = file(
    "prometheus.yaml",
    dump({
      global: { scrape_interval: every, scrape_timeout: every, evaluation_interval: every },
      rule_files: ["rules.yaml"],
      scrape_configs: [
        { job_name: "weir-operator", file_sd_configs: [{ files: ["operators.json"], refresh_interval: "1s" }] },
        { job_name: "weir-workers", file_sd_configs: [{ files: ["workers.json"], refresh_interval: "1s" }] },
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
  const until: Prometheus["until"] = async (what, isSo, timeoutMs = 120_000) => {
    for (const deadline = Date.now() + timeoutMs; !(await isSo()); await delay(200)) {
      if (Date.now() > deadline) throw new Error(`never ${what}:\n${await seen()}`);
    }
  };
  const stop = async (): Promise<void> => {
    await forget();
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
  for (const deadline = Date.now() + 180_000; ; await delay(100)) {
    const ok = await fetch(`${url}/-/ready`).then(
      (response) => response.ok,
      () => false,
    );
    if (ok) return;
    if (server.hasExited || Date.now() > deadline) throw new Error(`Prometheus is not ready:\n${server.logTail()}`);
  }
}

/**
 * Worker pods as a PodMonitor finds them: by their label, at the port of their control API. Debian's Prometheus is built
 * without its own discovery in Kubernetes, so an informer writes the targets into a file.
 */
async function discoverWorkers(
  client: KubeClient,
  write: (targets: readonly object[]) => void,
): Promise<() => Promise<void>> {
  const labelSelector = `${LABEL.component}=worker`;
  const informer = createInformer<PodObject>({ client, resource: pods, selection: { labelSelector } });
  const targets = (): object[] =>
    informer.list().flatMap(({ metadata, status }) => {
      if (status?.phase !== "Running" || status.podIP === undefined) return [];
      const labels = { namespace: metadata.namespace ?? "", pod: metadata.name };
      return [{ targets: [`${status.podIP}:${WORKER_PORT}`], labels }];
    });
  write([]);
  informer.onChange(() => write(targets()));
  const abort = new AbortController();
  const running = informer.run(abort.signal);
  return async () => {
    abort.abort();
    await running;
  };
}
