import type { StreamingJobStatus } from "../../src/api/streaming-job-status.schema.ts";
import type { SavepointStatus, WorkerFailure, WorkerPhase } from "../../src/api/worker-protocol.ts";
import { FINALIZER } from "../../src/api/group.ts";
import { decide } from "../../src/lifecycle/decide.ts";
import type { Action, JobEvent, LifecycleDecision } from "../../src/lifecycle/decision.ts";
import type {
  LifecycleInput,
  LifecycleSpec,
  MovedWorker,
  PodView,
  Refusal,
  WorkerIdentity,
  WorkerView,
} from "../../src/lifecycle/input.ts";
import type { Intent } from "../../src/lifecycle/intent.ts";

/** A spec as the lifecycle sees it, with short times. */
export function lifecycleSpec(over: Partial<LifecycleSpec> = {}): LifecycleSpec {
  return {
    engine: "Reactive",
    delivery: "AtLeastOnce",
    desiredState: "Running",
    parallelism: 2,
    maxParallelism: 8,
    launchHash: "v1",
    limit: null,
    checkpoint: { intervalMs: 1_000, timeoutMs: 10_000, maxAgeMs: 11_000, uri: "file:///state" },
    maxLagMs: null,
    savepointUri: "file:///state",
    startFrom: { allowNonRestoredState: false },
    stop: { mode: "Savepoint", drain: false, timeoutMs: 20_000 },
    upgrade: { mode: "Savepoint", fallback: true },
    restart: { kind: "FixedDelay", delay: 1_000, maxAttempts: 3 },
    exchanges: [],
    deletion: { mode: "Savepoint", timeoutMs: 20_000 },
    ...over,
  };
}

interface WorldPod {
  name: string;
  uid: string;
  epoch: number;
  slot: number;
  attempt: number;
  phase: PodView["phase"];
  deleting: boolean;
  lost: boolean;
  failures: number;
  waiting: { reason: string; message: string } | undefined;
  exit: PodView["exit"];
  disruption: Refusal | undefined;
  worker: {
    phase: WorkerPhase;
    reachable: boolean;
    checkpoint: number;
    savepoint: SavepointStatus | undefined;
    problem: (WorkerFailure & { nextTryAt: number }) | undefined;
    stopping: boolean;
  };
}

/** A cluster and workers that do what they are told, one `tick` later; and misbehave when a test says so. */
export function lifecycleWorld(spec: LifecycleSpec = lifecycleSpec()) {
  const world = {
    now: 1_000_000,
    spec,
    refusal: undefined as Refusal | undefined,
    misfit: undefined as string | undefined,
    hindrance: undefined as Refusal | undefined,
    generation: 1,
    annotations: {} as Record<string, string>,
    finalizers: [] as string[],
    deletedAt: undefined as number | undefined,
    released: false,
    status: { observedGeneration: -1 } as StreamingJobStatus,
    pods: [] as WorldPod[],
    plans: new Map<number, Action & { kind: "ApplyPlan" }>(),
    /** Pods that came and went before a decision saw them. */
    vanished: [] as WorkerIdentity[],
    /** Pods that a drain took away before a decision saw that. */
    moved: [] as MovedWorker[],
    sealed: [] as string[],
    intents: [] as Intent[],
    events: [] as JobEvent[],
    created: [] as string[],
    /** Pods that a written decision knew of. */
    known: new Set<string>(),
    writes: 0,
    /** New pods hang in Pending while false. */
    schedulable: true,
  };

  const input = (): LifecycleInput => ({
    now: world.now,
    job: {
      namespace: "ns",
      name: "job",
      label: "job",
      topics: "weir\\.ns\\.job\\..*",
      uid: "0123456789abcdef",
      generation: world.generation,
      annotations: world.annotations,
      finalizers: world.finalizers,
      deletedAt: world.deletedAt,
    },
    spec: world.spec,
    refusal: world.refusal,
    status: world.status,
    observed: {
      pods: world.pods.map(podView),
      workers: world.pods.filter((p) => p.phase === "Running").map((p) => workerView(p)),
      plans: [...world.plans.keys()],
      newestPlan: newest(world.plans),
      misfit: world.misfit,
      created: world.vanished,
      moved: world.moved,
      sealed: world.sealed,
      hindrance: world.hindrance,
    },
    policy:
      world.intents.length === 0
        ? undefined
        : { intents: world.intents, notices: [], memory: {}, nextEvaluationAt: undefined },
  });

  const find = (name: string): WorldPod | undefined => world.pods.find((p) => p.name === name);
  const each = (names: readonly string[], change: (pod: WorldPod) => void): void => {
    for (const name of names) {
      const pod = find(name);
      if (pod?.worker.reachable === true) change(pod);
    }
  };

  const perform = (action: Action): void => {
    switch (action.kind) {
      case "AddFinalizer":
        world.finalizers = [FINALIZER];
        return;
      case "RemoveFinalizer":
        world.finalizers = [];
        world.released = true;
        return;
      case "ApplyPlan":
        world.plans.set(action.epoch, action);
        return;
      case "DeletePlan":
        world.plans.delete(action.epoch);
        return;
      case "CreatePod": {
        const pod = newPod(action);
        if (find(pod.name) !== undefined) return;
        if (world.known.has(pod.name)) throw new Error(`${pod.name} is created twice`);
        world.created.push(pod.name);
        world.pods.push(pod);
        return;
      }
      case "DeletePod": {
        const pod = find(action.name);
        if (pod?.uid === action.uid) pod.deleting = true;
        return;
      }
      case "Orphan":
        return;
      case "TriggerSavepoint":
        return each(action.pods, (p) => {
          const { savepoint } = p.worker;
          if (savepoint?.id !== action.id) p.worker.savepoint = { id: action.id, state: "InProgress" };
          if (action.pause) p.worker.phase = "Paused";
        });
      case "AbandonSavepoint":
        return each(action.pods, ({ worker }) => {
          if (worker.savepoint?.id !== action.id || worker.savepoint.state !== "InProgress") return;
          worker.savepoint = { id: action.id, state: "Failed", error: "nobody waits for it" };
        });
      case "SealSavepoint":
        if (action.parts.some((part) => !part.manifest.startsWith(`${action.id}/`)))
          throw new Error(`${action.id} is sealed with parts of another savepoint`);
        world.sealed.push(action.id);
        return;
      case "StopWorkers":
        return each(action.pods, (p) => {
          p.worker.phase = "Stopping";
          p.worker.stopping = true;
        });
      case "PauseWorkers":
        return each(action.pods, (p) => {
          p.worker.phase = "Paused";
        });
      case "ResumeWorkers":
        return each(action.pods, (p) => {
          p.worker.phase = "Running";
          p.worker.savepoint = undefined;
        });
    }
  };

  /** One reconcile: decide, write, act. `crashAt` loses everything from that action on. */
  const reconcile = (crashAt = Number.POSITIVE_INFINITY): LifecycleDecision => {
    const before = JSON.stringify(world.status);
    const decision = decide(input());
    if (JSON.stringify(decision.status) !== before) world.writes += 1;
    world.status = structuredClone(decision.status);
    for (const { name } of world.pods) world.known.add(name);
    world.intents = [];
    world.events.push(...decision.events);
    decision.actions.slice(0, crashAt).forEach(perform);
    return decision;
  };

  /** The outside moves on by `ms`: pods start, checkpoints and savepoints complete, told workers end. */
  const tick = (ms = 1_000): void => {
    world.now += ms;
    world.pods = world.pods.filter((p) => !(p.deleting && !p.lost));
    world.pods.forEach(live);
  };

  const live = (pod: WorldPod): void => {
    const { worker } = pod;
    if (pod.phase === "Pending" && world.schedulable) pod.phase = "Running";
    else if (pod.phase === "Running" && world.plans.get(pod.epoch)?.slots === 0) pod.phase = "Succeeded";
    else if (pod.phase === "Running") work(pod);
    if (worker.savepoint?.state === "InProgress" && worker.reachable) {
      const { id } = worker.savepoint;
      const part = { slot: pod.slot, manifest: `${id}/slot-${pod.slot}`, bytes: 10, sha256: "00" };
      worker.savepoint = { id, state: "Completed", part };
    }
  };

  const work = (pod: WorldPod): void => {
    const { worker } = pod;
    if (worker.stopping) pod.phase = "Succeeded";
    else if (worker.phase === "Starting") worker.phase = "Running";
    else if (worker.phase === "Running") worker.checkpoint = world.now;
  };

  const settle = (rounds = 40): void => {
    for (let i = 0; i < rounds; i++) {
      reconcile();
      tick();
    }
    reconcile();
  };

  const running = (): WorldPod[] => world.pods.filter((p) => p.phase === "Running" && !p.deleting);
  return Object.assign(world, { input, reconcile, tick, settle, running, perform });
}
export type LifecycleWorld = ReturnType<typeof lifecycleWorld>;

function newest(plans: ReadonlyMap<number, Action & { kind: "ApplyPlan" }>): LifecycleInput["observed"]["newestPlan"] {
  const plan = plans.get(Math.max(...plans.keys()));
  if (plan === undefined) return undefined;
  const { epoch, slots, lineage, exchange } = plan;
  return { epoch, slots, lineage, exchange };
}

function newPod({ epoch, slot, attempt }: { epoch: number; slot: number; attempt: number }): WorldPod {
  const name = `job-${epoch}-${slot}-${attempt}`;
  return {
    name,
    uid: `uid-${name}`,
    epoch,
    slot,
    attempt,
    phase: "Pending",
    deleting: false,
    lost: false,
    failures: 0,
    waiting: undefined,
    exit: undefined,
    disruption: undefined,
    worker: {
      phase: "Starting",
      reachable: true,
      checkpoint: 0,
      savepoint: undefined,
      problem: undefined,
      stopping: false,
    },
  };
}

function podView(pod: WorldPod): PodView {
  const { name, uid, epoch, slot, attempt, phase, deleting, lost, failures, waiting, exit, disruption } = pod;
  return { name, uid, epoch, slot, attempt, phase, deleting, lost, failures, createdAt: 0, waiting, exit, disruption };
}

function workerView(pod: WorldPod): WorkerView {
  const { worker } = pod;
  return {
    pod: pod.name,
    epoch: pod.epoch,
    slot: pod.slot,
    attempt: pod.attempt,
    reachable: worker.reachable,
    phase: worker.phase,
    metrics: undefined,
    metricsAt: 0,
    checkpoint:
      worker.checkpoint === 0
        ? undefined
        : { id: 1, ok: true, completedAt: worker.checkpoint, durationMs: 5, bytes: 10, uri: "file:///state/c1" },
    checkpointFailures: 0,
    restored: undefined,
    problem: worker.problem,
    failure: undefined,
    savepoint: worker.savepoint,
    saving: worker.savepoint?.state === "InProgress" ? [worker.savepoint.id] : [],
  };
}
