import type { Engine, StreamingJobSpec } from "./streaming-job.schema.ts";

/**
 * The spec that Weir acts on: what the user wrote over the built-in defaults. The defaults are not in the CRD, where
 * they would hide what a TaskDefinition supplies and show up as differences to Git.
 */
type Optional<T> = { readonly [K in keyof T]?: T[K] | undefined };

interface CheckpointDefaults {
  readonly interval: string;
  readonly timeout: string;
  readonly minPause: string;
  readonly retain: number;
  readonly tolerableFailures: number;
  readonly delivery: "AtLeastOnce" | "ExactlyOnce";
  readonly storage: NonNullable<NonNullable<StreamingJobSpec["checkpoint"]>["storage"]>;
}
interface StopDefaults {
  readonly mode: "Savepoint" | "Checkpoint" | "Cancel";
  readonly drain: boolean;
  readonly timeout: string;
  readonly savepointDir?: string | undefined;
}
interface UpgradeDefaults {
  readonly mode: "Savepoint" | "LastCheckpoint" | "Stateless";
  readonly fallback: "LastCheckpoint" | "None";
  readonly rollback: { readonly enabled: boolean; readonly stableAfter?: string | undefined };
}
/** The fields of the chosen strategy and no others. */
export type EffectiveRestart =
  | ({ readonly strategy: "ExponentialBackoff" } & typeof RESTART_DEFAULTS.ExponentialBackoff)
  | ({ readonly strategy: "FixedDelay" } & typeof RESTART_DEFAULTS.FixedDelay)
  | ({ readonly strategy: "FailureRate" } & typeof RESTART_DEFAULTS.FailureRate)
  | { readonly strategy: "Never" };
interface DeletionDefaults {
  readonly mode: "Savepoint" | "Cancel" | "Orphan";
  readonly keepSnapshots: boolean;
  readonly timeout: string;
}

export interface EffectiveSpec extends Omit<
  StreamingJobSpec,
  "checkpoint" | "stop" | "upgrade" | "restart" | "deletion" | "state"
> {
  readonly engine: Engine;
  readonly parameters: Record<string, string>;
  readonly desiredState: "Running" | "Paused" | "Stopped";
  readonly parallelism: number;
  readonly maxParallelism: number;
  readonly checkpoint: CheckpointDefaults;
  readonly state: NonNullable<StreamingJobSpec["state"]> & { readonly backend: "Memory" | "RocksDB" };
  readonly startFrom: NonNullable<StreamingJobSpec["startFrom"]>;
  readonly stop: StopDefaults;
  readonly upgrade: UpgradeDefaults;
  readonly restart: EffectiveRestart;
  readonly deletion: DeletionDefaults;
  readonly worker: NonNullable<StreamingJobSpec["worker"]>;
}

type Plain = Pick<
  EffectiveSpec,
  "engine" | "desiredState" | "parallelism" | "maxParallelism" | "parameters" | "startFrom" | "worker"
>;

/** Values where neither the job nor a definition says anything. Documented in docs/spec, held together by a test. */
export const DEFAULTS = {
  engine: "Reactive",
  desiredState: "Running",
  parallelism: 1,
  maxParallelism: 32,
  checkpoint: {
    interval: "1s",
    timeout: "2m",
    minPause: "0s",
    retain: 3,
    tolerableFailures: 3,
    delivery: "AtLeastOnce",
    storage: { uri: "memory://" },
  },
  /** Object storage charges per request. */
  objectStorageInterval: "10s",
  state: { backend: "Memory" },
  stop: { mode: "Savepoint", drain: false, timeout: "5m" },
  upgrade: { mode: "Savepoint", fallback: "LastCheckpoint", rollback: { enabled: false } },
  deletion: { mode: "Savepoint", keepSnapshots: true, timeout: "5m" },
} as const;

interface Restarts {
  readonly ExponentialBackoff: {
    readonly initialDelay: string;
    readonly maxDelay: string;
    readonly multiplier: number;
    readonly jitter: number;
    readonly resetAfter: string;
    readonly maxAttempts: number;
  };
  readonly FixedDelay: { readonly delay: string; readonly maxAttempts: number };
  readonly FailureRate: { readonly maxFailures: number; readonly window: string; readonly delay: string };
  readonly Never: object;
}

export const RESTART_DEFAULTS: Restarts = {
  ExponentialBackoff: {
    initialDelay: "1s",
    maxDelay: "1m",
    multiplier: 2,
    jitter: 0.1,
    resetAfter: "10m",
    maxAttempts: -1,
  },
  FixedDelay: { delay: "10s", maxAttempts: -1 },
  FailureRate: { maxFailures: 3, window: "10m", delay: "10s" },
  Never: {},
};

function effectiveRestart(own: StreamingJobSpec["restart"]): EffectiveRestart {
  const strategy = own?.strategy ?? "ExponentialBackoff";
  return { ...over<object>(RESTART_DEFAULTS[strategy], own), strategy } as EffectiveRestart;
}

export function effectiveSpec(spec: StreamingJobSpec): EffectiveSpec {
  const storage = spec.checkpoint?.storage ?? DEFAULTS.checkpoint.storage;
  const interval = storage.uri.startsWith("s3:") ? DEFAULTS.objectStorageInterval : DEFAULTS.checkpoint.interval;
  const { engine, desiredState, parallelism, maxParallelism } = DEFAULTS;
  const plain: Plain = { engine, desiredState, parallelism, maxParallelism, parameters: {}, startFrom: {}, worker: {} };
  return {
    ...spec,
    ...over<Plain>(plain, spec),
    checkpoint: { ...over<CheckpointDefaults>({ ...DEFAULTS.checkpoint, interval }, spec.checkpoint), storage },
    state: over<EffectiveSpec["state"]>(DEFAULTS.state, spec.state),
    stop: over<StopDefaults>(DEFAULTS.stop, spec.stop),
    upgrade: {
      ...over<Omit<UpgradeDefaults, "rollback">>(DEFAULTS.upgrade, spec.upgrade),
      rollback: over<UpgradeDefaults["rollback"]>(DEFAULTS.upgrade.rollback, spec.upgrade?.rollback),
    },
    restart: effectiveRestart(spec.restart),
    deletion: over<DeletionDefaults>(DEFAULTS.deletion, spec.deletion),
  };
}

/** The fields that are set in `own`, over `defaults`. */
function over<T extends object>(defaults: T, own: Optional<T> | undefined): T {
  const set = Object.entries(own ?? {}).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(set) };
}
