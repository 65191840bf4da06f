import { FIELD_MANAGER, FINALIZER } from "../../api/group.ts";
import { WeirError } from "../../errors.ts";
import type { KubeClient } from "../../kube/client.ts";
import { isAlreadyExists, isConflict, isNotFound } from "../../kube/kube-error.ts";
import { configMaps, pods } from "../../kube/resource.ts";
import type { KubeObject, Resource } from "../../kube/resource.ts";
import type { Action } from "../../lifecycle/decision.ts";
import type { JobObject } from "../weir-resources.ts";
import { streamingJobs } from "../weir-resources.ts";
import { tokenHash, workerToken } from "../workers/token.ts";
import type { TokenKeys } from "../workers/token.ts";
import type { WorkerRegistry } from "../workers/registry.ts";
import type { WorkerAddress, WorkerClient } from "../workers/worker-client.ts";
import { contentsOf, epochPlan } from "./epoch-plan.ts";
import type { EpochContents, EpochPlace, EpochPlan, LaunchContents } from "./epoch-plan.ts";
import { modulesOf, readModules } from "./modules.ts";
import { looseParts } from "./pod-security.ts";
import { planName, workerPod } from "./worker-pod.ts";

export interface Actor {
  readonly client: KubeClient;
  readonly workers: WorkerClient;
  readonly registry: WorkerRegistry;
  readonly tokenKeys: TokenKeys;
}

/** What the actions of one reconcile need to know. */
export interface Scene {
  readonly key: string;
  readonly job: JobObject;
  readonly place: EpochPlace;
  /** What the newest spec compiles to; undefined while it is refused. */
  readonly contents: () => EpochContents | undefined;
  readonly plan: (epoch: number) => EpochPlan | undefined;
  /** Called after each successful seal: the next decision goes on from it. */
  readonly sealed: (id: string) => void;
}

export type Written = { readonly resource: Resource; readonly object: KubeObject } | undefined;

type ActionOf<K extends Action["kind"]> = Extract<Action, { kind: K }>;
type Performers = {
  readonly [K in Action["kind"]]: (actor: Actor, scene: Scene, action: ActionOf<K>) => Promise<Written>;
};

/** A new action does not compile until it is here. */
const performers: Performers = {
  AddFinalizer: (actor, scene) => setFinalizers(actor, scene, [...(scene.job.metadata.finalizers ?? []), FINALIZER]),
  RemoveFinalizer: (actor, scene) =>
    setFinalizers(
      actor,
      scene,
      (scene.job.metadata.finalizers ?? []).filter((f) => f !== FINALIZER),
    ),
  ApplyPlan: async (actor, scene, action) => {
    const contents = await contentsFor(actor, scene, action);
    return createOwned(actor, scene, configMaps, epochPlan(action, contents, scene.place));
  },
  DeletePlan: (actor, scene, { epoch }) =>
    remove(actor, scene, configMaps, { name: planName(scene.place.job, epoch), uid: scene.plan(epoch)?.metadata.uid }),
  CreatePod: createPod,
  DeletePod: (actor, scene, action) => remove(actor, scene, pods, action),
  Orphan: async (actor, scene, { pods: names, plans }) => {
    await orphan(actor, scene, pods, names);
    const maps = plans.map((epoch) => planName(scene.place.job, epoch));
    await orphan(actor, scene, configMaps, maps);
    return undefined;
  },
  SealSavepoint: async (actor, scene, { pod, id, uri, parts }) => {
    await toWorkers(actor, scene, [pod], (w) => actor.workers.sealSavepoint(w, { id, uri, parts }));
    scene.sealed(id);
    return undefined;
  },
  TriggerSavepoint: (actor, scene, { pods: names, id, uri, pause, drain }) =>
    toWorkers(actor, scene, names, (w) => actor.workers.triggerSavepoint(w, { id, uri, pause, drain })),
  AbandonSavepoint: (actor, scene, { pods: names, id }) =>
    toWorkers(actor, scene, names, (w) => actor.workers.abandonSavepoint(w, id)),
  StopWorkers: (actor, scene, { pods: names, mode, drain, discard = false }) =>
    toWorkers(actor, scene, names, (w) => actor.workers.stop(w, { mode, drain, discard })),
  PauseWorkers: (actor, scene, { pods: names }) => toWorkers(actor, scene, names, (w) => actor.workers.pause(w)),
  ResumeWorkers: (actor, scene, { pods: names }) => toWorkers(actor, scene, names, (w) => actor.workers.resume(w)),
};

/** Does one action. Safe to repeat: it finds its own effect, or is named by what status already holds. */
export function perform(actor: Actor, scene: Scene, action: Action): Promise<Written> {
  const performer = performers[action.kind] as (actor: Actor, scene: Scene, action: Action) => Promise<Written>;
  return performer(actor, scene, action);
}

async function contentsFor(
  actor: Actor,
  scene: Scene,
  { copyOf, slots }: ActionOf<"ApplyPlan">,
): Promise<LaunchContents> {
  const source = copyOf === undefined ? undefined : scene.plan(copyOf);
  if (source !== undefined) return { ...contentsOf(source), modules: modulesOf(source) };
  const contents = scene.contents();
  if (contents !== undefined && slots === 0) return { ...contents, modules: {} };
  if (contents !== undefined)
    return { ...contents, modules: await readModules(actor.client, scene.place.namespace, contents.plan) };
  throw new WeirError("INTERNAL", `job ${scene.key} has no plan to launch`);
}

async function createPod(actor: Actor, scene: Scene, action: Action & { kind: "CreatePod" }): Promise<Written> {
  // A plan that was written a moment ago may not be in the cache yet.
  const name = planName(scene.place.job, action.epoch);
  const ref = { namespace: scene.place.namespace, name };
  const plan = scene.plan(action.epoch) ?? (await actor.client.get<EpochPlan>(configMaps, ref));
  const hash = tokenHash(workerToken(actor.tokenKeys[0], scene.place.uid, action));
  const pod = workerPod(contentsOf(plan).pod, action, { ...scene.place, tokenHash: hash });
  const loose = looseParts({ annotations: pod.metadata.annotations, spec: pod.spec });
  if (loose.length > 0) {
    const message = `ConfigMap ${name} was changed: its pods would not be restricted, they need ${loose.join("; ")}. Restart the job`;
    throw new WeirError("SPEC_INVALID", message);
  }
  return createOwned(actor, scene, pods, pod);
}

/** An object of this name that belongs to somebody else is never taken over. */
async function createOwned(actor: Actor, scene: Scene, resource: Resource, object: KubeObject): Promise<Written> {
  try {
    return { resource, object: await actor.client.create(resource, object, { fieldManager: FIELD_MANAGER.children }) };
  } catch (e) {
    if (!isAlreadyExists(e)) throw e;
    const existing = await actor.client.get(resource, { namespace: scene.place.namespace, name: object.metadata.name });
    if (existing.metadata.ownerReferences?.some((o) => o.uid === scene.place.uid) === true)
      return { resource, object: existing };
    const what = `${resource.kind} ${object.metadata.name}`;
    throw new WeirError("API_REJECTED", `${what} exists and is not of this job; rename the job or delete it`);
  }
}

async function remove(
  actor: Actor,
  scene: Scene,
  resource: Resource,
  target: { name: string; uid: string | undefined; force?: boolean },
): Promise<undefined> {
  if (target.uid === undefined) return;
  const ref = { namespace: scene.place.namespace, name: target.name };
  const options = target.force === true ? { uid: target.uid, gracePeriodSeconds: 0 } : { uid: target.uid };
  try {
    await actor.client.delete(resource, ref, options);
  } catch (e) {
    if (!isNotFound(e) && !isConflict(e)) throw e; // gone, or already another incarnation
  }
}

async function setFinalizers(actor: Actor, scene: Scene, finalizers: string[]): Promise<Written> {
  const { resourceVersion, uid, name, namespace } = scene.job.metadata;
  try {
    const patch = { metadata: { finalizers, resourceVersion, uid } };
    return { resource: streamingJobs, object: await actor.client.patch(streamingJobs, { namespace, name }, patch) };
  } catch (e) {
    if (!isNotFound(e)) throw e;
    return undefined;
  }
}

/** They go on without an owner; the garbage collector leaves them alone. */
async function orphan(actor: Actor, scene: Scene, resource: Resource, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const ref = { namespace: scene.place.namespace, name };
    await actor.client.patch(resource, ref, { metadata: { ownerReferences: null } }).catch((e: unknown) => {
      if (!isNotFound(e)) throw e;
    });
  }
}

/** Tells all at once; one that does not answer is asked again by the next decision. */
async function toWorkers(
  actor: Actor,
  scene: Scene,
  names: readonly string[],
  tell: (worker: WorkerAddress) => Promise<void>,
): Promise<undefined> {
  const told = names.map(async (name) => {
    const connection = actor.registry.connection(scene.key, name);
    if (connection === undefined) throw new WeirError("WORKER_UNREACHABLE", `there is no connection to worker ${name}`);
    await tell(connection.address).catch((e: unknown) => {
      // Whoever answers too late may be about it all the same: the next decision goes by what it says of it then.
      void connection.refresh();
      throw e;
    });
    await connection.refresh();
  });
  const failed = (await Promise.allSettled(told)).find((r) => r.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
