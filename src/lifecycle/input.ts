import type { StreamingJobStatus } from "../api/streaming-job-status.schema.ts";
import type {
  CheckpointReport,
  Exchange,
  SavepointStatus,
  WorkerFailure,
  WorkerMetrics,
  WorkerPhase,
} from "../api/worker-protocol.ts";
import type { Intent } from "./intent.ts";
import type { RestartStrategy } from "./restart-strategy.ts";

/** Everything a decision may look at. The controller gathers it; nothing else is read. All times are ms since the epoch. */
export interface LifecycleInput {
  readonly now: number;
  readonly job: JobIdentity;
  /** The effective spec, or undefined when it has never been valid enough to read. */
  readonly spec: LifecycleSpec | undefined;
  /** Why the current generation must not be launched; the running epoch goes on. */
  readonly refusal: Refusal | undefined;
  readonly status: StreamingJobStatus;
  readonly observed: Observed;
  /** What the policies say now; undefined where none concerns the job. */
  readonly policy: PolicyVerdict | undefined;
}

/** The policies' decisions and what they must remember; written together with the operation that they start. */
export interface PolicyVerdict {
  readonly intents: readonly Intent[];
  readonly notices: readonly { readonly by: string; readonly message: string }[];
  readonly memory: Pick<StreamingJobStatus, "policy" | "decisions" | "maintenance">;
  readonly nextEvaluationAt: number | undefined;
}

export interface JobIdentity {
  readonly namespace: string;
  readonly name: string;
  /** The name as its pods' label value says it. */
  readonly label: string;
  /** What the names of all topics between its workers match, as a regular expression. */
  readonly topics: string;
  readonly uid: string;
  readonly generation: number;
  readonly annotations: Readonly<Record<string, string>>;
  readonly finalizers: readonly string[];
  readonly deletedAt: number | undefined;
}

export interface Refusal {
  readonly reason: string;
  readonly message: string;
}

export interface LifecycleSpec {
  /** Shown in status as what is really in force. */
  readonly engine: string;
  readonly delivery: string;
  readonly desiredState: "Running" | "Paused" | "Stopped";
  readonly parallelism: number;
  readonly maxParallelism: number;
  /** Hash over the fields whose change needs a relaunch: two equal hashes run the same. */
  readonly launchHash: string;
  /** Hash of all of it, with the defaults that fill it up. */
  readonly specHash?: string | undefined;
  /** Hash of what the planner makes of it; absent where that is nothing. */
  readonly planHash?: string | undefined;
  /** Most workers the plan can use, with the reason; null is without limit. */
  readonly limit: { readonly max: number; readonly reason: string } | null;
  readonly checkpoint: {
    readonly intervalMs: number;
    readonly timeoutMs: number;
    /** A checkpoint that is older than this is late. */
    readonly maxAgeMs: number;
    readonly uri: string;
  };
  /** The objective, null where the user states none. */
  readonly maxLagMs: number | null;
  /** Folder of savepoints that no request names a place for; null where nothing durable is configured. */
  readonly savepointUri: string | null;
  readonly startFrom: {
    readonly savepoint?: string | undefined;
    readonly allowNonRestoredState: boolean;
    readonly acceptEmptyState?: string | undefined;
    readonly acceptReplay?: string | undefined;
  };
  readonly stop: {
    readonly mode: "Savepoint" | "Checkpoint" | "Cancel";
    readonly drain: boolean;
    readonly uri?: string | undefined;
    readonly timeoutMs: number;
  };
  readonly upgrade: { readonly mode: "Savepoint" | "LastCheckpoint" | "Stateless"; readonly fallback: boolean };
  readonly restart: RestartStrategy;
  /** Brokers of the Kafka clusters that hold the topics between its workers; none where it needs no such topics. */
  readonly exchanges: readonly string[];
  readonly deletion: { readonly mode: "Savepoint" | "Cancel" | "Orphan"; readonly timeoutMs: number };
}

export interface Observed {
  readonly pods: readonly PodView[];
  readonly workers: readonly WorkerView[];
  /** Epochs whose ConfigMap exists. */
  readonly plans: readonly number[];
  /** What the newest of them says of itself: all that is left when a status was lost. */
  readonly newestPlan:
    | {
        readonly epoch: number;
        readonly slots: number;
        readonly lineage: string;
        readonly exchange?: Exchange | undefined;
      }
    | undefined;
  /** Why the state of the running epoch does not fit the plan that the spec asks for instead, where plans can tell. */
  readonly misfit?: string | undefined;
  /** Workers whose pods this operator has made and its cache has seen, also when they are gone again: safe to lose. */
  readonly created: readonly WorkerIdentity[];
  /** Workers that the cluster has moved and whose pods are gone already; a memory: who loses it takes them for failed. */
  readonly moved?: readonly MovedWorker[];
  /** Savepoints whose metadata this operator has written: a memory, safe to lose. */
  readonly sealed: readonly string[];
  /** Why the last action failed, for example a quota: shown until one succeeds. */
  readonly hindrance?: Refusal | undefined;
}

export interface WorkerIdentity {
  readonly epoch: number;
  readonly slot: number;
  readonly attempt: number;
}

export interface MovedWorker extends WorkerIdentity {
  readonly disruption: Refusal;
}

export interface PodView extends WorkerIdentity {
  readonly name: string;
  readonly uid: string;
  readonly phase: "Pending" | "Running" | "Succeeded" | "Failed" | "Unknown";
  readonly deleting: boolean;
  /** The node is gone and nobody will ever report the end of this pod. */
  readonly lost: boolean;
  /** How often its container ended with an error. */
  readonly failures: number;
  readonly createdAt: number;
  /** What the container waits for, for example CrashLoopBackOff or CreateContainerConfigError. */
  readonly waiting?: { readonly reason: string; readonly message: string } | undefined;
  /** How the container ended last. */
  readonly exit?:
    | {
        readonly code: number;
        readonly reason: string;
        readonly at: number;
        readonly failure?: WorkerFailure | undefined;
      }
    | undefined;
  /** Why the cluster takes the pod away through no fault of its own: a drain, a preemption, a node's shutdown. */
  readonly disruption?: Refusal | undefined;
  /** Why no node takes it, or why the kubelet gave it up. */
  readonly trouble?: Refusal | undefined;
}

export interface WorkerView {
  readonly pod: string;
  readonly epoch: number;
  readonly slot: number;
  readonly attempt: number;
  /** It answered within the heartbeat's time. */
  readonly reachable: boolean;
  readonly phase: WorkerPhase | undefined;
  readonly metrics: WorkerMetrics | undefined;
  readonly metricsAt: number;
  readonly checkpoint: CheckpointReport | undefined;
  /** Failed checkpoints since the last good one. */
  readonly checkpointFailures: number;
  readonly restored: string | undefined;
  readonly problem: (WorkerFailure & { readonly nextTryAt: number }) | undefined;
  readonly failure: WorkerFailure | undefined;
  /** Its part of the savepoint that the operation in flight waits for. */
  readonly savepoint: SavepointStatus | undefined;
  /** Savepoints that it is about to take, wanted or not. */
  readonly saving: readonly string[];
}
