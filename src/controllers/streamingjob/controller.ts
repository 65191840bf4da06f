import { refOfKey } from "../../kube/resource.ts";
import type { Change } from "../../kube/store.ts";
import { createWorkQueue } from "../../kube/work-queue.ts";
import type { Controller, ControllerContext } from "../caches.ts";
import { BY_NAMESPACE, BY_OWNER, cacheKey, ownersOf } from "../caches.ts";
import type { WeirObject } from "../weir-resources.ts";
import { createWorkerRegistry } from "../workers/registry.ts";
import type { TokenKeys } from "../workers/token.ts";
import type { WorkerClient } from "../workers/worker-client.ts";
import type { Written } from "./act.ts";
import { createGatherer } from "./gather.ts";
import { workersAtWork } from "./job-metrics.ts";
import type { JobReading } from "./job-metrics.ts";
import { reconcileJob } from "./reconcile.ts";
import type { StateChange } from "./reconcile.ts";
import type { WorkerDefaults } from "./worker-pod.ts";

export interface JobControllerOptions extends ControllerContext {
  readonly workers: WorkerClient;
  readonly tokenKeys: TokenKeys;
  /** After this long without a word a worker does not answer, ms. */
  readonly silenceMs?: number | undefined;
  /** A pod that should have been gone for this long is lost, ms. */
  readonly lostAfterMs?: number | undefined;
  readonly image: string;
  readonly stateClaim: string;
  readonly workerDefaults?: WorkerDefaults | undefined;
  readonly concurrency?: number;
  readonly onState?: ((change: StateChange) => void) | undefined;
}

/** Figures that may wait are looked at together. */
const LIVE_DELAY_MS = 250;

export interface JobController extends Controller {
  /** All jobs with what their workers say now. */
  readings(): readonly JobReading[];
}

export function createJobController(options: JobControllerOptions): JobController {
  const { caches, timers, meter, onError, workers } = options;
  const registry = createWorkerRegistry({
    client: workers,
    timers,
    tokenKeys: options.tokenKeys,
    silenceMs: options.silenceMs,
    onError: (job, e) => onError("worker", e, fieldsOf(job)),
    changed: (key, weight) => (weight === "Live" ? queue.addAfter(key, LIVE_DELAY_MS) : queue.add(key)),
  });
  const gatherer = createGatherer({ ...options, registry, clock: timers });
  const settled = async (written: readonly NonNullable<Written>[]): Promise<void> => {
    await Promise.all(written.map(({ resource, object }) => caches.settled(resource, object)));
  };
  const reconciler = { ...options, registry, gatherer, settled, changed: options.onState ?? (() => {}) };
  const fieldsOf = (key: string): Readonly<Record<string, unknown>> => {
    const { metadata, status } = caches.jobs.get(key) ?? {};
    const version = { uid: metadata?.uid, generation: metadata?.generation, epoch: status?.epoch };
    return { controller: "streamingjob", ...refOfKey(key), ...version };
  };
  const queue = createWorkQueue({
    name: "streamingjob",
    process: (key) => reconcileJob(reconciler, key),
    concurrency: options.concurrency ?? 8,
    onError: (key, e) => onError("reconcile failed", e, fieldsOf(key)),
    meter,
    timers,
  });

  caches.jobs.onChange(({ object }) => queue.add(cacheKey(object)));
  caches.pods.onChange(({ object }) => ownersOf(object).forEach(queue.add));
  caches.plans.onChange(({ object }) => ownersOf(object).forEach(queue.add));
  /** A changed policy or window concerns the jobs that it selects, and those that it selected before; its status nobody. */
  const neighbours = ({ type, object, old }: Change<WeirObject>): void => {
    if (type === "Modified" && old?.metadata.generation === object.metadata.generation) return;
    for (const job of caches.jobs.byIndex(BY_NAMESPACE, object.metadata.namespace ?? "")) queue.add(cacheKey(job));
  };
  caches.policies.onChange(neighbours);
  caches.windows.onChange(neighbours);

  return {
    queue,
    readings: () =>
      caches.jobs.list().map((job) => ({
        job,
        spec: gatherer.spec(cacheKey(job)),
        live: registry.live(cacheKey(job), workersAtWork(job, caches.pods.byIndex(BY_OWNER, job.metadata.uid ?? ""))),
        now: timers.now(),
      })),
    run: async (signal) => {
      await queue.run(signal);
      registry.close();
    },
  };
}
