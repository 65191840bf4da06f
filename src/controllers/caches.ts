import { LABEL, MANAGED_BY } from "../api/group.ts";
import type { ControlPolicyStatus } from "../api/control-policy.schema.ts";
import type { MaintenanceWindowStatus } from "../api/maintenance-window.schema.ts";
import type { KubeClient } from "../kube/client.ts";
import type { EventRecorder } from "../kube/event-recorder.ts";
import { createInformer } from "../kube/informer.ts";
import type { Informer, RunningInformer } from "../kube/informer.ts";
import type { Meter } from "../kube/meter.ts";
import { configMaps, keyOf, pods, refOf } from "../kube/resource.ts";
import type { KubeObject, OwnerReference, Resource } from "../kube/resource.ts";
import type { IndexFunction } from "../kube/store.ts";
import type { Timers } from "../kube/timers.ts";
import type { WorkQueue } from "../kube/work-queue.ts";
import type { EpochPlan } from "./streamingjob/epoch-plan.ts";
import type { PodObject } from "./streamingjob/pod-view.ts";
import type { JobObject, WeirObject } from "./weir-resources.ts";
import { controlPolicies, maintenanceWindows, streamingJobs } from "./weir-resources.ts";

/** What every controller is given. */
export interface ControllerContext {
  readonly client: KubeClient;
  /** One namespace, or undefined for all. */
  readonly namespace: string | undefined;
  readonly recorder: EventRecorder;
  readonly timers: Timers;
  readonly meter: Meter;
  readonly onError: (what: string, error: unknown) => void;
  readonly caches: Caches;
}

export interface Controller {
  readonly queue: WorkQueue;
  /** Reconciles until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export type PolicyObject = WeirObject<ControlPolicyStatus>;
export type WindowObject = WeirObject<MaintenanceWindowStatus>;

/** One cache a kind, shared by all controllers. */
export interface Caches {
  readonly jobs: Informer<JobObject>;
  readonly pods: Informer<PodObject>;
  readonly plans: Informer<EpochPlan>;
  readonly policies: Informer<PolicyObject>;
  readonly windows: Informer<WindowObject>;
  readonly all: readonly Pick<RunningInformer<KubeObject>, "run" | "waitForSync" | "hasSynced">[];
  /** Resolves when the cache has seen a write. */
  settled(resource: Resource, object: KubeObject): Promise<void>;
}

/** Index of pods and ConfigMaps by the uid of the job that owns them. */
export const BY_OWNER = "owner";
const byOwner = (object: { metadata: { ownerReferences?: OwnerReference[] } }): readonly string[] =>
  (object.metadata.ownerReferences ?? []).filter((o) => o.kind === streamingJobs.kind).map((o) => o.uid);
export const BY_NAMESPACE = "namespace";
const byNamespace = (object: KubeObject): readonly string[] => [object.metadata.namespace ?? ""];

export function createCaches(options: Omit<ControllerContext, "caches" | "recorder">): Caches {
  const { client, timers, meter, namespace, onError } = options;
  const cache = <T extends KubeObject>(
    resource: Resource,
    labelSelector: string | undefined,
    indexes: Readonly<Record<string, IndexFunction<T>>>,
  ): RunningInformer<T> =>
    createInformer<T>({
      client,
      timers,
      meter,
      resource,
      indexes,
      selection: { namespace, labelSelector },
      transform: slim,
      onError: (e) => onError(`watch ${resource.plural}`, e),
    });
  const ours = `${LABEL.managedBy}=${MANAGED_BY}`;
  const jobs = cache<JobObject>(streamingJobs, undefined, { [BY_NAMESPACE]: byNamespace });
  const workerPods = cache<PodObject>(pods, ours, { [BY_OWNER]: byOwner });
  const plans = cache<EpochPlan>(configMaps, ours, { [BY_OWNER]: byOwner });
  const policies = cache<PolicyObject>(controlPolicies, undefined, { [BY_NAMESPACE]: byNamespace });
  const windows = cache<WindowObject>(maintenanceWindows, undefined, { [BY_NAMESPACE]: byNamespace });
  const all = [jobs, workerPods, plans, policies, windows];
  return {
    jobs,
    plans,
    policies,
    windows,
    all,
    pods: workerPods,
    settled: async (resource, object) => {
      await all.find((i) => i.resource === resource)?.waitForWrite(object);
    },
  };
}

export function ownersOf(object: KubeObject): string[] {
  const owners = (object.metadata.ownerReferences ?? []).filter((o) => o.kind === streamingJobs.kind);
  return owners.map((o) => keyOf({ namespace: object.metadata.namespace, name: o.name }));
}

export const cacheKey = (object: KubeObject): string => keyOf(refOf(object));

/** managedFields are half of an object and nobody here reads them. */
function slim<T extends KubeObject>(object: T): T {
  const { metadata } = object;
  if (!("managedFields" in metadata)) return object;
  const { managedFields: _, ...rest } = metadata as KubeObject["metadata"] & { managedFields?: unknown };
  return { ...object, metadata: rest };
}
