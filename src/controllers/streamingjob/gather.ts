import { LABEL } from "../../api/group.ts";
import type { StreamingJobStatus } from "../../api/streaming-job-status.schema.ts";
import { ownerOf, startDocument } from "../../api/worker-protocol.ts";
import type { Clock } from "../../clock.ts";
import { topicPattern } from "../../engine/connectors/exchange/topic-name.ts";
import type { KubeClient } from "../../kube/client.ts";
import { apiVersionOf, pods as podResource } from "../../kube/resource.ts";
import type { KubeObject } from "../../kube/resource.ts";
import type { LifecycleInput, MovedWorker, Refusal, WorkerIdentity } from "../../lifecycle/input.ts";
import { savingOperation } from "../../lifecycle/operations/save.ts";
import type { Caches } from "../caches.ts";
import { BY_OWNER, ownersOf } from "../caches.ts";
import { policiesOf, windowsOf } from "../selection.ts";
import type { JobObject } from "../weir-resources.ts";
import { streamingJobs } from "../weir-resources.ts";
import type { ObservedPod, WorkerRegistry } from "../workers/registry.ts";
import type { Scene, Written } from "./act.ts";
import { contentsOf } from "./epoch-plan.ts";
import type { EpochContents, EpochPlan } from "./epoch-plan.ts";
import { createMountTroubles } from "./mount-trouble.ts";
import { lifecycleSpec, planJob } from "./planned-job.ts";
import type { PlannedJob } from "./planned-job.ts";
import { planMisfit } from "./plan-misfit.ts";
import { policyVerdict } from "./policies.ts";
import { identityOf as identityOfPod, podView } from "./pod-view.ts";
import { jobLabel, podTemplate } from "./worker-pod.ts";
import type { WorkerPodOptions } from "./worker-pod.ts";

export interface Gathered {
  readonly input: LifecycleInput;
  readonly scene: Scene;
  /** True when a savepoint was sealed since. */
  readonly sealedNow: () => boolean;
  /** Remembers the pods among these writes, which the cache has seen. */
  readonly seen: (written: readonly NonNullable<Written>[]) => void;
  /** Remembers why an action failed, or that all went well; true when that is news. */
  readonly hinder: (hindrance: Refusal | undefined) => boolean;
}

export interface Gatherer {
  /** The spec that the last reconcile acted on. */
  spec(key: string): LifecycleInput["spec"];
  /** All reads of one reconcile; `undefined` when the job is gone. */
  gather(key: string): Promise<Gathered | undefined>;
}

export interface GatherOptions extends WorkerPodOptions {
  readonly client: KubeClient;
  readonly caches: Caches;
  readonly registry: WorkerRegistry;
  readonly clock: Clock;
  /** A pod that should have been gone for this long is lost, ms. */
  readonly lostAfterMs?: number | undefined;
}

interface JobMemory {
  readonly uid: string;
  planned: { generation: number; result: PlannedJob } | undefined;
  /** In force. */
  spec: LifecycleInput["spec"];
  created: readonly WorkerIdentity[];
  moved: readonly MovedWorker[];
  sealed: string[];
  hindrance: Refusal | undefined;
}

export function createGatherer(options: GatherOptions): Gatherer {
  const memories = new Map<string, JobMemory>();
  const mounts = createMountTroubles(options.client);

  const memoryOf = (key: string, uid: string): JobMemory => {
    const known = memories.get(key);
    if (known?.uid === uid) return known;
    const fresh: JobMemory = {
      uid,
      planned: undefined,
      spec: undefined,
      created: [],
      moved: [],
      sealed: [],
      hindrance: undefined,
    };
    memories.set(key, fresh);
    return fresh;
  };

  // A worker that is drained may be gone before the next reconcile looks: only the last word on its pod says that it was moved.
  options.caches.pods.onChange(({ type, object }) => {
    const view = type === "Deleted" ? podView(object, options.clock.now(), options.lostAfterMs) : undefined;
    if (view?.disruption === undefined) return;
    const { epoch, slot, attempt, disruption } = view;
    const owners = object.metadata.ownerReferences?.map((o) => o.uid) ?? [];
    for (const memory of ownersOf(object).flatMap((key) => memories.get(key) ?? [])) {
      if (owners.includes(memory.uid)) memory.moved = newestOf([...memory.moved, { epoch, slot, attempt, disruption }]);
    }
  });

  const planned = (memory: JobMemory, job: JobObject): PlannedJob => {
    const generation = job.metadata.generation ?? 0;
    if (memory.planned?.generation !== generation) memory.planned = { generation, result: planJob(job.spec) };
    return memory.planned.result;
  };

  return {
    spec: (key) => memories.get(key)?.spec,
    gather: async (key) => {
      const job = options.caches.jobs.get(key);
      if (job === undefined) {
        memories.delete(key);
        options.registry.drop(key);
        return undefined;
      }
      const uid = job.metadata.uid ?? "";
      const memory = memoryOf(key, uid);
      const now = options.clock.now();
      const status: StreamingJobStatus = job.status ?? {};
      const plans = options.caches.plans.byIndex(BY_OWNER, uid).filter((p) => !Number.isNaN(epochOf(p)));
      const seen = options.caches.pods.byIndex(BY_OWNER, uid).map(async (object): Promise<ObservedPod[]> => {
        const view = podView(object, now, options.lostAfterMs);
        if (view === undefined) return [];
        return [{ object, view: await mounts.explain(object.metadata.namespace ?? "default", view, now) }];
      });
      const pods = (await Promise.all(seen)).flat();
      const workers = await options.registry.sync({ key, uid }, pods, savingOperation(status));
      const newest = plans.toSorted((a, b) => epochOf(b) - epochOf(a))[0];
      const result = withLastGood(planned(memory, job), newest);
      memory.spec = result.spec;
      const sealedBefore = memory.sealed;
      return {
        input: {
          now,
          job: identityOf(job),
          spec: result.spec,
          refusal: result.refusal,
          status,
          observed: {
            pods: pods.map((p) => p.view),
            workers,
            plans: plans.map(epochOf),
            newestPlan: status.epoch === undefined ? newestPlan(newest) : undefined,
            misfit: planMisfit(result, newest),
            created: memory.created,
            moved: memory.moved,
            sealed: memory.sealed,
            hindrance: memory.hindrance,
          },
          policy:
            result.spec === undefined
              ? undefined
              : policyVerdict({
                  now,
                  job,
                  status,
                  workers,
                  spec: result.spec,
                  policies: policiesOf(job, options.caches),
                  windows: windowsOf(job, options.caches),
                }),
        },
        scene: {
          key,
          job,
          place: placeOf(job),
          contents: () => contentsOfPlanned(job.metadata.name, result, options),
          plan: (epoch) => plans.find((p) => epochOf(p) === epoch),
          sealed: (id) => {
            memory.sealed = [...memory.sealed.slice(-8), id];
          },
        },
        seen: (written) => {
          const made = written.flatMap(({ resource, object }) => (resource === podResource ? workerOf(object) : []));
          memory.created = newestOf([...memory.created, ...made]);
        },
        sealedNow: () => memory.sealed !== sealedBefore,
        hinder: (hindrance) => {
          const isNews = memory.hindrance?.message !== hindrance?.message;
          memory.hindrance = hindrance;
          return isNews;
        },
      };
    },
  };
}

const epochOf = (plan: EpochPlan): number => Number.parseInt(plan.metadata.labels?.[LABEL.epoch] ?? "", 10);

function newestPlan(newest: EpochPlan | undefined): LifecycleInput["observed"]["newestPlan"] {
  const text = newest?.data?.["start.json"];
  if (text === undefined) return undefined;
  const { epoch, slots, lineage, exchange } = startDocument.parse(JSON.parse(text));
  return { epoch, slots, lineage, exchange };
}

/** A spec that cannot even be read leaves the running epoch as it is: by the spec that its own plan carries. */
function withLastGood(result: PlannedJob, newest: EpochPlan | undefined): PlannedJob {
  if (result.spec !== undefined || newest === undefined) return result;
  const { effective, plan } = contentsOf(newest);
  return { ...result, spec: lifecycleSpec(effective, plan) };
}

function contentsOfPlanned(
  job: string,
  { effective, plan }: PlannedJob,
  options: WorkerPodOptions,
): EpochContents | undefined {
  if (effective === undefined || plan === undefined) return undefined;
  return { plan, effective, pod: podTemplate(job, effective, plan, options) };
}

function workerOf(pod: KubeObject): WorkerIdentity[] {
  const worker = identityOfPod(pod);
  return worker === undefined ? [] : [worker];
}

/** The newest pod of each slot: older ones are answered for by the journal. */
function newestOf<W extends WorkerIdentity>(workers: readonly W[]): readonly W[] {
  return [...new Map(workers.map((w) => [w.slot, w])).values()];
}

function identityOf(job: JobObject): LifecycleInput["job"] {
  const { namespace = "default", name, uid = "", generation = 0, annotations = {}, finalizers = [] } = job.metadata;
  const { deletionTimestamp } = job.metadata;
  return {
    namespace,
    name,
    label: jobLabel(name),
    topics: topicPattern(`${namespace}.${name}`, ownerOf(uid)),
    uid,
    generation,
    annotations,
    finalizers,
    deletedAt: deletionTimestamp === undefined ? undefined : Date.parse(deletionTimestamp),
  };
}

function placeOf(job: JobObject): Scene["place"] {
  const { namespace = "default", name, uid = "", deletionTimestamp } = job.metadata;
  const owner = {
    apiVersion: apiVersionOf(streamingJobs),
    kind: "StreamingJob",
    name,
    uid,
    controller: true,
    // With --cascade=foreground the collector ends at once what blocks the deletion: not what takes part in it.
    blockOwnerDeletion: deletionTimestamp === undefined,
  };
  return { namespace, job: name, uid, owner };
}
