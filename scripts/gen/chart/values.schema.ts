import { z } from "zod";
import { IMAGE_REPOSITORY } from "../../../src/main/version.ts";
import { configValues } from "./config-values.schema.ts";
import { metricValues, networkPolicyValues, stateClaimValues } from "./cluster-values.schema.ts";
import { listOf, looseObject, stringMap } from "./value-types.ts";

const image = z
  .strictObject({
    repository: z.string().min(1).default(IMAGE_REPOSITORY).describe("The image without tag."),
    tag: z.string().default("").describe("Empty: the chart's appVersion."),
    digest: z
      .string()
      .regex(/^(sha256:[0-9a-f]{64})?$/)
      .default("")
      .describe("`sha256:…` pins the image whatever its tag says."),
    pullPolicy: z.enum(["Always", "IfNotPresent", "Never"]).default("IfNotPresent").describe("Of the operator's pods."),
  })
  .describe("The one image of operator, workers and command line.");

const workerServiceAccount = z
  .strictObject({
    create: z
      .boolean()
      .default(true)
      .describe(
        "Makes it, without rights and without token, in each watched namespace. It is kept on uninstall, because running workers use it.",
      ),
    name: z.string().min(1).default("weir-worker").describe("Its name, for `spec.worker.serviceAccountName` of a job."),
    annotations: stringMap().describe("For example the cloud identity that workers reach their object store with."),
    imagePullSecrets: listOf("object").describe("Pull secrets in the watched namespaces: `[{name: registry}]`."),
  })
  .describe("A service account that jobs may name.");

const workerKey = z
  .strictObject({
    create: z
      .boolean()
      .default(true)
      .describe(
        "Makes the Secret at the first install and keeps it for ever. It needs an API server while rendering: with Argo CD and `helm template` name an existing one.",
      ),
    existingSecret: z
      .string()
      .default("")
      .describe("A Secret of yours in the release's namespace; `create` is ignored then."),
    existingSecretKey: z.string().min(1).default("key").describe("The entry in it: 16 random characters or more."),
  })
  .describe("The key that the workers' tokens are derived from. The kubelet mounts it; the operator reads no Secret.");

const crds = z
  .strictObject({
    enabled: z.boolean().default(true).describe("Installs and upgrades the CustomResourceDefinitions with the chart."),
    keep: z
      .boolean()
      .default(true)
      .describe(
        "Keeps them on uninstall. Without it an uninstall deletes every job, policy and window of the cluster.",
      ),
  })
  .describe("The kinds of weir.dev. They are cluster-wide objects.");

const rbac = z
  .strictObject({
    create: z
      .boolean()
      .default(true)
      .describe("Makes the Roles and RoleBindings, or the ClusterRole, of the operator."),
    aggregatedRoles: z
      .boolean()
      .default(true)
      .describe(
        "Lets the cluster's own roles `view`, `edit` and `admin` cover the kinds of weir.dev (3 ClusterRoles).",
      ),
  })
  .describe("Rights.");

const serviceAccount = z
  .strictObject({
    create: z.boolean().default(true).describe("Makes the operator's service account."),
    name: z.string().default("").describe("Empty: `<fullname>-operator`."),
    annotations: stringMap().describe("Annotations of it."),
  })
  .describe("The operator's service account, the only one with a mounted token.");

const podDisruptionBudget = z
  .strictObject({
    enabled: z.boolean().default(true).describe("Makes a PodDisruptionBudget for the operator's pods."),
    maxUnavailable: z
      .union([z.int().min(0), z.string()])
      .default(1)
      .describe("Pods that a drain may take away at once; a number or a percentage."),
  })
  .describe("Protection against drains. Workers need none: the operator saves and moves them.");

const podSecurityContext = { runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, fsGroup: 65532 };

/** Values of the chart: the source of values.yaml, values.schema.json and the table in the chart's README. */
export const chartValues = z.strictObject({
  enabled: z
    .boolean()
    .optional()
    .describe("Not used here: for a chart that has this one as a dependency with a condition."),
  global: z.looseObject({}).optional().describe("Not used here: Helm hands it to every dependency."),
  nameOverride: z.string().max(63).default("").describe("Replaces the chart's name in the names of objects."),
  fullnameOverride: z.string().max(50).default("").describe("Replaces release and chart name in the names of objects."),
  image,
  imagePullSecrets: listOf("object").describe("Pull secrets of the operator's pods: `[{name: registry}]`."),
  replicas: z.int().min(0).max(10).default(2).describe("Pods of the operator; one of them leads."),
  watchNamespaces: z
    .array(z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/))
    .default([])
    .describe(
      "Namespaces with jobs; they must exist. Each gets a Role, the state claim, the workers' service account and a NetworkPolicy. Empty: the release's namespace.",
    ),
  watchAllNamespaces: z
    .boolean()
    .default(false)
    .describe(
      "Watches every namespace, by a ClusterRole. The state claim and the workers' account are still made only in `watchNamespaces`.",
    ),
  config: configValues,
  workerServiceAccount,
  workerKey,
  stateClaim: stateClaimValues,
  crds,
  rbac,
  serviceAccount,
  podDisruptionBudget,
  networkPolicy: networkPolicyValues,
  metrics: metricValues,
  resources: looseObject({
    requests: { cpu: "50m", memory: "128Mi", "ephemeral-storage": "16Mi" },
    limits: { cpu: "1", memory: "512Mi", "ephemeral-storage": "128Mi" },
  }).describe("Of the operator's container."),
  podSecurityContext: looseObject({ ...podSecurityContext, seccompProfile: { type: "RuntimeDefault" } }).describe(
    "Of the operator's pods: the restricted Pod Security profile. Set runAsUser, runAsGroup and fsGroup to null where the platform chooses them.",
  ),
  securityContext: looseObject({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    runAsNonRoot: true,
    capabilities: { drop: ["ALL"] },
  }).describe("Of the operator's container."),
  livenessProbe: looseObject({ periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 }).describe(
    "Times of the probe of /healthz.",
  ),
  readinessProbe: looseObject({ periodSeconds: 2, timeoutSeconds: 5, failureThreshold: 3 }).describe(
    "Times of the probe of /readyz, which is well when the caches are warm.",
  ),
  terminationGracePeriodSeconds: z.int().min(0).default(30).describe("Time to hand over the lead."),
  podAnnotations: stringMap().describe("More annotations of the operator's pods."),
  podLabels: stringMap().describe("More labels of the operator's pods."),
  priorityClassName: z.string().default("").describe("For example `system-cluster-critical`."),
  nodeSelector: stringMap().describe("Nodes for the operator."),
  tolerations: listOf("object").describe("Taints that the operator's pods tolerate."),
  podAntiAffinity: z
    .enum(["preferred", "required", "none"])
    .default("preferred")
    .describe("Keeps the replicas on different nodes. Not used where `affinity` is set."),
  affinity: looseObject({}).describe("Affinity of the operator's pods."),
  topologySpreadConstraints: listOf("object").describe(
    "Spread of the operator's pods; a constraint without labelSelector gets the one of these pods.",
  ),
  extraArgs: listOf("string").describe("More flags of the operator; they win over `config`: `[--log-level=debug]`."),
  extraEnv: listOf("object").describe("More environment of the operator."),
  extraVolumes: listOf("object").describe("More volumes of the operator's pods."),
  extraVolumeMounts: listOf("object").describe("Where they are mounted."),
  extraObjects: z
    .array(z.union([z.string(), z.looseObject({})]))
    .default([])
    .describe("More objects of this release, as YAML or as text; both may use templates."),
});
export type ChartValues = z.input<typeof chartValues>;
