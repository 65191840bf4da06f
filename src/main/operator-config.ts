import { z } from "zod";
import { duration, parseDuration } from "../api/duration.ts";
import { OPERATOR_PORT } from "../api/ports.ts";
import { quantity } from "../api/quantity.ts";
import { objectName } from "../api/text.ts";
import { IMAGE } from "./version.ts";

/**
 * Everything that a platform engineer may tune, as in the file of --config and in the chart's value `config`. Defaults are
 * the ones the tests run with. No secret belongs in it: it is printed at start.
 */

/** A duration between two others. Its default is text too, as people write it. */
const span = (standard: string, min: string, max: string) =>
  duration
    .refine((v) => isBetween(v, min, max), `must be between ${min} and ${max}`)
    .transform((v) => parseDuration(v))
    .prefault(standard);

function isBetween(text: string, min: string, max: string): boolean {
  // What is no duration at all has been said by its pattern already.
  if (!duration.safeParse(text).success) return true;
  return parseDuration(text) >= parseDuration(min) && parseDuration(text) <= parseDuration(max);
}

const namespace = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, "must be the name of a namespace");

const leaderElection = z
  .strictObject({
    enabled: z.boolean().default(true).describe("Off only for a single replica: two processes would act at once."),
    namespace: namespace.optional().describe("Where the Lease is. Default: the operator's own namespace."),
    name: objectName.default("weir-operator").describe("Two installations in one namespace need two names."),
    leaseDuration: span("15s", "2s", "10m").describe("Another replica may take over after this long without renewal."),
    renewDeadline: span("10s", "1s", "10m").describe("The leader stops when it could not renew for this long."),
    retryPeriod: span("2s", "100ms", "1m").describe("Between two tries to get or to renew the Lease."),
  })
  .refine((v) => v.renewDeadline < v.leaseDuration, {
    path: ["renewDeadline"],
    message: "must be shorter than leaseDuration, or two leaders could act at once",
  })
  .refine((v) => v.retryPeriod < v.renewDeadline, {
    path: ["retryPeriod"],
    message: "must be shorter than renewDeadline, or a leader could never renew in time",
  });

/** Null is as good as absent. */
const id = z.int().min(1, "must not be root").max(2_147_483_647).nullish();
const podUser = z.strictObject({
  runAsUser: id.describe("User of the worker."),
  runAsGroup: id.describe("Its group."),
  fsGroup: id.describe("Group that the state volume is given to."),
});

const worker = z.strictObject({
  image: z.string().min(1).max(512).default(IMAGE).describe("For jobs that name none."),
  imagePullPolicy: z
    .enum(["Always", "IfNotPresent", "Never"])
    .optional()
    .describe("Default: Kubernetes' own, which is Always for the tag latest and IfNotPresent otherwise."),
  imagePullSecrets: z
    .array(objectName)
    .max(8)
    .default([])
    .describe("Names of Secrets in the job's namespace, for jobs that name none."),
  stateClaim: objectName
    .default("weir-state")
    .describe("PersistentVolumeClaim at /var/lib/weir of workers that mount nothing there."),
  priorityClassName: objectName.optional().describe("For jobs that name none."),
  resources: z
    .strictObject({
      requests: z
        .record(z.string(), quantity)
        .default({ cpu: "100m", memory: "128Mi" })
        .describe("What a worker gets at least."),
      limits: z
        .record(z.string(), quantity)
        .refine((limits) => "memory" in limits, "must name memory: no worker is without a limit of it")
        .default({ memory: "512Mi" })
        .describe("What it gets at most."),
    })
    .prefault({})
    .describe("For jobs that name none."),
  podSecurityContext: podUser
    .default({ runAsUser: 65532, runAsGroup: 65532, fsGroup: 65532 })
    .describe("User and groups of worker pods. What is left out is chosen by the platform: `{}` on OpenShift."),
});

export const operatorConfig = z
  .strictObject({
    logLevel: z.enum(["debug", "info", "warn", "error"]).default("info").describe("Least level that is logged."),
    namespaces: z
      .array(namespace)
      .max(100, "are more than 100: use allNamespaces")
      .default([])
      .describe("Watched namespaces; each needs the Role. Default: the operator's own namespace."),
    allNamespaces: z.boolean().default(false).describe("Watches the whole cluster; needs the ClusterRole."),
    tokenKeyFile: z
      .string({
        error: "is missing: name the file with the key that worker tokens are made from, here or by --token-key-file",
      })
      .min(1)
      .describe(
        "File with the key that worker tokens are made from: a mounted Secret. Further lines are keys of before, which open the workers that were made with them.",
      ),
    metricsBind: z
      .string()
      .regex(/^[^\s]*:\d{1,5}$/, "must be host:port, for example :8081")
      .default(`:${OPERATOR_PORT}`)
      .describe("Where probes and metrics are served."),
    leaderElection: leaderElection.prefault({}),
    worker: worker.prefault({}),
    reconcile: z
      .strictObject({
        concurrency: z.int().min(1).max(64).default(8).describe("Jobs that are reconciled at the same time."),
        lostPodAfter: span("1m", "10s", "1h").describe(
          "A pod that should have been gone for this long is lost with its node: its successor starts. Longer than a node that hangs may go on working.",
        ),
      })
      .prefault({}),
    kubernetes: z
      .strictObject({
        timeout: span("30s", "1s", "5m").describe("For one call of the API server."),
        resync: span("10m", "1m", "24h").describe("A full list this often finds what a faulty proxy lost."),
      })
      .prefault({}),
    workerCalls: z
      .strictObject({
        timeout: span("5s", "500ms", "1m").describe("For one call of a worker."),
        silence: span("5s", "3s", "5m").describe(
          "A worker that says nothing for this long does not answer. Each sends a heartbeat every second.",
        ),
      })
      .prefault({}),
  })
  .refine((v) => !(v.allNamespaces && v.namespaces.length > 0), {
    path: ["allNamespaces"],
    message: "and namespaces exclude each other: name namespaces, or watch all of them",
  });
export type OperatorConfig = z.infer<typeof operatorConfig>;
