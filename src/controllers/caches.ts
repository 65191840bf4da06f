import { LABEL, MANAGED_BY } from "../api/group.ts";
import type { ControlPolicyStatus } from "../api/control-policy.schema.ts";
import type { MaintenanceWindowStatus } from "../api/maintenance-window.schema.ts";
import type { KubeClient } from "../kube/client.ts";
import type { EventRecorder } from "../kube/event-recorder.ts";
import type { Meter } from "../kube/meter.ts";
import { configMaps, keyOf, pods, refOf } from "../kube/resource.ts";
import type { KubeObject, OwnerReference, Resource } from "../kube/resource.ts";
import type { Timers } from "../kube/timers.ts";
import { unionInformer } from "../kube/union-informer.ts";
import type { SharedCache } from "../kube/union-informer.ts";
import { createWaiters } from "../kube/waiters.ts";
import type { WorkQueue } from "../kube/work-queue.ts";
import { kindWatch, watchNamespace } from "./namespace-watch.ts";
import type { Mover, NamespaceWatchOptions, WatchedNamespace } from "./namespace-watch.ts";
import type { EpochPlan } from "./streamingjob/epoch-plan.ts";
import type { PodObject } from "./streamingjob/pod-view.ts";
import type { JobObject, WeirObject } from "./weir-resources.ts";
import { controlPolicies, maintenanceWindows, streamingJobs } from "./weir-resources.ts";

/** What every controller is given. */
export interface ControllerContext {
  readonly client: KubeClient;
  readonly recorder: EventRecorder;
  readonly timers: Timers;
  readonly meter: Meter;
  readonly onError: ErrorLog;
  readonly caches: Caches;
}

/** `fields` say of which object: {controller, namespace, name, …}. */
export type ErrorLog = (what: string, error: unknown, fields?: Readonly<Record<string, unknown>>) => void;

export interface Controller {
  readonly queue: WorkQueue;
  /** Reconciles until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export type PolicyObject = WeirObject<ControlPolicyStatus>;
export type WindowObject = WeirObject<MaintenanceWindowStatus>;

/** One cache a kind, over all watched namespaces, shared by all controllers. */
export interface Caches {
  readonly jobs: SharedCache<JobObject>;
  readonly pods: SharedCache<PodObject>;
  readonly plans: SharedCache<EpochPlan>;
  readonly policies: SharedCache<PolicyObject>;
  readonly windows: SharedCache<WindowObject>;
  readonly namespaces: readonly WatchedNamespace[];
  /** In each namespace, the reflector that has done nothing for longest. */
  readonly slowest: readonly Mover[];
  /** Lists and watches until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves when each namespace is open or refused; rejects when the signal aborts first. */
  decided(signal: AbortSignal): Promise<void>;
  /** Resolves when the cache has seen a write. */
  settled(resource: Resource, object: KubeObject): Promise<void>;
}

/** Index of pods and ConfigMaps by the uid of the job that owns them. */
export const BY_OWNER = "owner";
const byOwner = (object: { metadata: { ownerReferences?: OwnerReference[] } }): readonly string[] =>
  (object.metadata.ownerReferences ?? []).filter((o) => o.kind === streamingJobs.kind).map((o) => o.uid);
export const BY_NAMESPACE = "namespace";
const byNamespace = (object: KubeObject): readonly string[] => [object.metadata.namespace ?? ""];

export interface CacheOptions extends Omit<NamespaceWatchOptions, "changed"> {
  /** Undefined is all of them. */
  readonly namespaces: readonly string[] | undefined;
  readonly onNamespace?: ((namespace: WatchedNamespace) => void) | undefined;
}

export function createCaches(options: CacheOptions): Caches {
  const jobs = unionInformer<JobObject>(streamingJobs);
  const workerPods = unionInformer<PodObject>(pods);
  const plans = unionInformer<EpochPlan>(configMaps);
  const policies = unionInformer<PolicyObject>(controlPolicies);
  const windows = unionInformer<WindowObject>(maintenanceWindows);
  const all = [jobs, workerPods, plans, policies, windows];
  const labelSelector = `${LABEL.managedBy}=${MANAGED_BY}`;
  const kinds = [
    kindWatch({ cache: jobs, indexes: { [BY_NAMESPACE]: byNamespace } }),
    kindWatch({ cache: workerPods, labelSelector, indexes: { [BY_OWNER]: byOwner } }),
    kindWatch({ cache: plans, labelSelector, indexes: { [BY_OWNER]: byOwner } }),
    kindWatch({ cache: policies, indexes: { [BY_NAMESPACE]: byNamespace } }),
    kindWatch({ cache: windows, indexes: { [BY_NAMESPACE]: byNamespace } }),
  ];
  const waiters = createWaiters(options.timers);
  const changed = (namespace: WatchedNamespace): void => {
    options.onNamespace?.(namespace);
    waiters.check();
  };
  const watches = (options.namespaces ?? [undefined]).map((name) =>
    watchNamespace(name, kinds, { ...options, changed }),
  );
  const isDecided = (): boolean => watches.every((watch) => watch.namespace.state !== "Syncing");
  return {
    jobs,
    plans,
    policies,
    windows,
    pods: workerPods,
    get namespaces() {
      return watches.map((watch) => watch.namespace);
    },
    get slowest() {
      return watches.map((watch) => watch.slowest);
    },
    run: async (signal) => {
      await Promise.all(watches.map((watch) => watch.run(signal)));
    },
    decided: (signal) => waiters.wait(isDecided, { what: "the watched namespaces", signal }),
    settled: async (resource, object) => {
      await all.find((cache) => cache.resource === resource)?.waitForWrite(object);
    },
  };
}

export function ownersOf(object: KubeObject): string[] {
  const owners = (object.metadata.ownerReferences ?? []).filter((o) => o.kind === streamingJobs.kind);
  return owners.map((o) => keyOf({ namespace: object.metadata.namespace, name: o.name }));
}

export const cacheKey = (object: KubeObject): string => keyOf(refOf(object));
