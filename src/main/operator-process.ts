import { hostname } from "node:os";
import { pino } from "pino";
import { WeirError, messageOf } from "../errors.ts";
import type { ApiServer } from "../kube/credentials.ts";
import { serverFromKubeconfig, serverInCluster } from "../kube/kubeconfig.ts";
import type { OperatorConfig } from "./operator-config.ts";
import { startOperator } from "./operator.ts";
import type { OperatorLog, OperatorOptions } from "./operator.ts";
import type { OperatorFlags } from "./operator-options.ts";
import { operatorFlags } from "./operator-options.ts";
import { readTokenKeys } from "./token-keys.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** `weir operator`: runs until SIGTERM, or until another process leads. The answer is the exit code. */
export async function runOperator(argv: readonly string[], environment: Environment): Promise<number> {
  const flags = await operatorFlags(argv, environment);
  const { config } = flags;
  const logger = pino({ level: config.logLevel, base: null }, pino.destination({ fd: 2, sync: true }));
  const log: OperatorLog = (level, message, error, fields) =>
    logger[level]({ ...fields, ...(error === undefined ? {} : { error: messageOf(error) }) }, message);
  const server = await serverOf(flags, environment);
  const options = optionsOf(config, server.namespace);
  logger.info({ config: { ...config, namespaces: options.namespaces ?? "all" } }, "configuration");
  const name = environment["WEIR_POD_NAME"] ?? hostname();
  const tokenKeys = await readTokenKeys(config.tokenKeyFile);
  const operator = await startOperator({ ...options, server, log, name, tokenKeys });
  const stop = (): void => void operator.stop();
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  const end = await operator.ended;
  log("info", end === "Lost" ? "another process leads" : "stopped");
  return end === "Lost" ? 1 : 0;
}

/** The configuration in the operator's own words. */
export function optionsOf(config: OperatorConfig, own: string): Omit<OperatorOptions, "server" | "tokenKeys"> {
  const { leaderElection, worker, kubernetes, workerCalls, reconcile } = config;
  const { image, stateClaim, ...workerDefaults } = worker;
  const named = config.namespaces.length === 0 ? [own] : [...new Set(config.namespaces)];
  return {
    namespaces: config.allNamespaces ? undefined : named,
    workerImage: image,
    stateClaim,
    workerDefaults,
    lease: leaderElection.enabled
      ? { namespace: leaderElection.namespace ?? own, name: leaderElection.name }
      : undefined,
    tuning: {
      leaseDurationMs: leaderElection.leaseDuration,
      renewDeadlineMs: leaderElection.renewDeadline,
      retryMs: leaderElection.retryPeriod,
      resyncMs: kubernetes.resync,
      timeoutMs: kubernetes.timeout,
      workerTimeoutMs: workerCalls.timeout,
      silenceMs: workerCalls.silence,
      lostAfterMs: reconcile.lostPodAfter,
      concurrency: reconcile.concurrency,
    },
    probes: bindOf(config.metricsBind),
  };
}

async function serverOf(flags: OperatorFlags, environment: Environment): Promise<ApiServer> {
  if (flags.kubeconfig !== undefined) {
    return serverFromKubeconfig(flags.kubeconfig, flags.context === undefined ? {} : { context: flags.context });
  }
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = environment;
  if (host !== undefined && port !== undefined) return serverInCluster({ host, port });
  throw new WeirError("CONFIG_INVALID", "there is no --kubeconfig, and this is not a pod of a cluster");
}

function bindOf(bind: string): { host: string; port: number } {
  const colon = bind.lastIndexOf(":");
  return { host: bind.slice(0, colon).replace(/^\[|\]$/g, "") || "0.0.0.0", port: Number(bind.slice(colon + 1)) };
}
