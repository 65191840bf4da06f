import { createHash } from "node:crypto";
import { parseDuration } from "../../api/duration.ts";
import type { EffectiveSpec } from "../../api/effective-spec.ts";
import type { Quantity } from "../../api/quantity.ts";
import { LABEL, MANAGED_BY } from "../../api/group.ts";
import { WORKER_PORT } from "../../api/ports.ts";
import type { Plan } from "../../engine/plan.ts";
import type { KubeObject, OwnerReference } from "../../kube/resource.ts";
import { hugePages } from "./huge-pages.ts";
import { isMounted, STATE_DIR } from "./mounts.ts";
import { TOKEN_HASH } from "./pod-view.ts";
import { referencesOf, type References } from "./references.ts";

/** What is equal in all pods of an epoch; kept in its ConfigMap, so that a replacement is built as the first ones were. */
export interface PodTemplate {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: PodSpec;
}
interface PodSpec {
  readonly containers: readonly [WorkerContainer];
  readonly [field: string]: unknown;
}
interface WorkerContainer {
  readonly env: readonly object[];
  readonly [field: string]: unknown;
}

export interface WorkerPodOptions {
  readonly image: string;
  /** Claim that holds state and files below /var/lib/weir where the job mounts nothing there itself. */
  readonly stateClaim: string;
  readonly workerDefaults?: WorkerDefaults | undefined;
}

/** For jobs that say nothing of it themselves. */
export interface WorkerDefaults {
  readonly imagePullPolicy?: "Always" | "IfNotPresent" | "Never" | undefined;
  /** Names of Secrets in the job's namespace. */
  readonly imagePullSecrets?: readonly string[] | undefined;
  readonly priorityClassName?: string | undefined;
  readonly resources?: Resources | undefined;
  /** What is left out is chosen by the platform, as OpenShift does. */
  readonly podSecurityContext?: PodUser | undefined;
}
interface PodUser {
  readonly runAsUser?: number | null | undefined;
  readonly runAsGroup?: number | null | undefined;
  readonly fsGroup?: number | null | undefined;
}
interface Resources {
  readonly requests: Readonly<Record<string, Quantity>>;
  readonly limits: Readonly<Record<string, Quantity>>;
}

/** The image's user, `nonroot` of distroless. The state volume is written by this group. */
const USER: PodUser = { runAsUser: 65532, runAsGroup: 65532, fsGroup: 65532 };
const PLAN_DIR = "/etc/weir/plan";
const SECRETS_DIR = "/etc/weir/secrets";
const CONFIG_MAPS_DIR = "/etc/weir/configmaps";
const DEFAULT_GRACE = "30s";
const DEFAULT_RESOURCES = { requests: { cpu: "100m", memory: "128Mi" }, limits: { memory: "512Mi" } };

/** The pod's name says which worker it is: the API server refuses a second one. */
export const podName = (job: string, worker: { epoch: number; slot: number; attempt: number }): string =>
  `${job}-${worker.epoch}-${worker.slot}-${worker.attempt}`;
export const planName = (job: string, epoch: number): string => `${job}-${epoch}`;

/** Label values are at most 63 characters; a longer name is cut and told apart by a hash. */
export function jobLabel(name: string): string {
  if (name.length <= 63) return name;
  return `${name.slice(0, 52)}-${createHash("sha256").update(name).digest("hex").slice(0, 10)}`;
}

export function podTemplate(job: string, effective: EffectiveSpec, plan: Plan, options: WorkerPodOptions): PodTemplate {
  const { worker } = effective;
  const references = referencesOf(plan, effective);
  const grace = Math.ceil(parseDuration(worker.terminationGracePeriod ?? DEFAULT_GRACE) / 1000);
  const claim = isMounted(effective, STATE_DIR) || !usesState(effective, plan) ? [] : [options.stateClaim];
  return {
    labels: {
      ...worker.labels,
      // What NetworkPolicies and PodMonitors select by: a job cannot pass its pods off as the operator's.
      [LABEL.appName]: MANAGED_BY,
      [LABEL.appComponent]: "worker",
      [LABEL.job]: jobLabel(job),
      [LABEL.component]: "worker",
      [LABEL.managedBy]: MANAGED_BY,
    },
    annotations: { ...worker.annotations },
    spec: {
      restartPolicy: effective.restart.strategy === "Never" ? "Never" : "OnFailure",
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: grace,
      securityContext: {
        runAsNonRoot: true,
        ...present(options.workerDefaults?.podSecurityContext ?? USER),
        // A large volume is not gone through at every start.
        fsGroupChangePolicy: "OnRootMismatch",
        seccompProfile: { type: "RuntimeDefault" },
      },
      ...placement(worker, options.workerDefaults),
      containers: [container(effective, references, { options, grace, claim: claim.length > 0 })],
      volumes: [
        { name: "weir-tmp", emptyDir: {} },
        ...references.secrets.map((name, i) => ({ name: `weir-secret-${i}`, secret: { secretName: name } })),
        ...references.configMaps.map((name, i) => ({ name: `weir-configmap-${i}`, configMap: { name } })),
        ...claim.map((claimName) => ({ name: "weir-state", persistentVolumeClaim: { claimName } })),
        ...(worker.volumes ?? []),
      ],
    },
  };
}

function container(
  effective: EffectiveSpec,
  { secrets, configMaps }: References,
  { options, grace, claim }: { options: WorkerPodOptions; grace: number; claim: boolean },
): WorkerContainer {
  const { worker } = effective;
  const { workerDefaults = {} } = options;
  const { imagePullPolicy } = workerDefaults;
  const probe = (path: string) => ({ httpGet: { path, port: WORKER_PORT }, periodSeconds: 5, timeoutSeconds: 3 });
  return {
    name: "worker",
    image: worker.image ?? options.image,
    ...(imagePullPolicy === undefined ? {} : { imagePullPolicy }),
    args: ["worker"],
    ports: [{ name: "control", containerPort: WORKER_PORT }],
    resources: limited(worker.resources, workerDefaults.resources ?? DEFAULT_RESOURCES),
    env: [
      ...(worker.env ?? []),
      ...hugePages(worker.env),
      { name: "WEIR_POD_IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
      { name: "WEIR_POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
      { name: "WEIR_GRACE_SECONDS", value: String(grace) },
    ],
    readinessProbe: { ...probe("/readyz"), periodSeconds: 1 },
    // Long enough for a slow start and for a busy event loop; a worker that hangs is ended by it without the operator.
    livenessProbe: { ...probe("/healthz"), initialDelaySeconds: 30, failureThreshold: 6 },
    terminationMessagePath: "/dev/termination-log",
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      capabilities: { drop: ["ALL"] },
    },
    volumeMounts: [
      { name: "weir-plan", mountPath: PLAN_DIR, readOnly: true },
      { name: "weir-tmp", mountPath: "/tmp" },
      ...secrets.map((name, i) => ({ name: `weir-secret-${i}`, mountPath: `${SECRETS_DIR}/${name}`, readOnly: true })),
      ...configMaps.map((name, i) => ({
        name: `weir-configmap-${i}`,
        mountPath: `${CONFIG_MAPS_DIR}/${name}`,
        readOnly: true,
      })),
      ...(claim ? [{ name: "weir-state", mountPath: STATE_DIR }] : []),
      ...(worker.volumeMounts ?? []),
    ],
  };
}

/** No worker is without a limit of memory: one that only asks for some gets as much. */
function limited(own: EffectiveSpec["worker"]["resources"], standard: Resources): object {
  if (own === undefined) return standard;
  const memory = own.requests?.["memory"] ?? standard.limits["memory"] ?? DEFAULT_RESOURCES.limits.memory;
  return { ...own, limits: { memory, ...own.limits } };
}

/** Fields of the pod that the user's template may set as they are. */
function placement(worker: EffectiveSpec["worker"], standard: WorkerDefaults = {}): Record<string, unknown> {
  const { nodeSelector, tolerations, affinity, topologySpreadConstraints, serviceAccountName } = worker;
  const pullSecrets = (standard.imagePullSecrets ?? []).map((name) => ({ name }));
  const set = {
    nodeSelector,
    tolerations,
    affinity,
    topologySpreadConstraints,
    serviceAccountName,
    priorityClassName: worker.priorityClassName ?? standard.priorityClassName,
    imagePullSecrets: worker.imagePullSecrets ?? (pullSecrets.length === 0 ? undefined : pullSecrets),
  };
  return present(set);
}

const present = (fields: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null));

function usesState(effective: EffectiveSpec, plan: Plan): boolean {
  const places = [effective.checkpoint.storage.uri, effective.savepoint?.uri, effective.stop.savepointDir];
  const files = [...plan.sources, ...plan.sinks].map((end) => JSON.stringify(end.config));
  return [...places, ...files].some((text) => text?.includes(STATE_DIR));
}

export interface WorkerIdentity {
  readonly epoch: number;
  readonly slot: number;
  readonly attempt: number;
}

/** One worker's pod from its epoch's template. */
export function workerPod(
  template: PodTemplate,
  worker: WorkerIdentity,
  at: { namespace: string; job: string; owner: OwnerReference; tokenHash: string },
): KubeObject & { spec: object } {
  const [main] = template.spec.containers;
  const { epoch, slot, attempt } = worker;
  const own = [
    { name: "WEIR_SLOT", value: String(slot) },
    { name: "WEIR_ATTEMPT", value: String(attempt) },
    { name: TOKEN_HASH, value: at.tokenHash },
  ];
  const volumes = [
    { name: "weir-plan", configMap: { name: planName(at.job, epoch) } },
    ...(template.spec["volumes"] as object[]),
  ];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: podName(at.job, worker),
      namespace: at.namespace,
      labels: {
        ...template.labels,
        [LABEL.epoch]: String(epoch),
        [LABEL.slot]: String(slot),
        [LABEL.attempt]: String(attempt),
      },
      annotations: { ...template.annotations },
      ownerReferences: [at.owner],
    },
    spec: { ...template.spec, containers: [{ ...main, env: [...main.env, ...own] }], volumes },
  };
}
