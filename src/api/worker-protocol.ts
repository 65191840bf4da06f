import { z } from "zod";
import { WORKER_PORT } from "./ports.ts";

/**
 * What the operator and a worker say to each other. The worker serves HTTP on port 8080 of its pod address:
 *
 *   GET  /healthz  /readyz  /metrics          no token
 *   GET  /v1/status                           WorkerStatus
 *   GET  /v1/events                           NDJSON of WorkerEvent, one heartbeat a second; stays open
 *   POST /v1/checkpoints  {id}                202, idempotent by id
 *   POST /v1/savepoints   {id, uri, pause, drain}   202, idempotent by id; with pause the sources stay stopped
 *                                             afterwards, also over a restart of the container, until resume or
 *                                             stop (they go on by themselves when this worker's part fails)
 *   GET  /v1/savepoints/:id                   SavepointStatus
 *   DELETE /v1/savepoints/:id                 204: nobody waits for it; if it is in progress it fails, and sources go on
 *   PUT  /v1/savepoints/:id/metadata          writes `_metadata.json` over all parts, last; any one worker does it. A large one
 *                                             takes longer than a caller waits: a repeat joins what runs, or has its result
 *   POST /v1/pause   /v1/resume               204, sources stop or go on, also over a restart of the container; state and
 *                                             checkpoints stay
 *   POST /v1/stop    {mode, drain}            202, the process exits 0 when done
 *
 * Every /v1 call carries `Authorization: Bearer <token>` and may carry `X-Weir-Term: <leader term>`; a term below the
 * highest seen is refused with 409. The token is HMAC-SHA256(operator key, `${jobUid}/${epoch}/${slot}`) in hex; the
 * worker is given only its SHA-256 (the pod's environment is readable by many).
 */

/** For the files of state in RocksDB. On the pod's `/tmp`, an emptyDir, or a volume of its own: nothing in it need outlive the process. */
export const STATE_FOLDER = "/tmp/weir-state";

/** Environment of a worker container, read once in src/main/worker.ts. */
export const workerEnvironment = z.object({
  /** Folder of the mounted ConfigMap with plan.json and start.json. */
  WEIR_PLAN_DIR: z.string().default("/etc/weir/plan"),
  WEIR_SLOT: z.coerce.number().int().min(0),
  WEIR_ATTEMPT: z.coerce.number().int().min(0),
  /** The pod's address (downward API); the control API listens on it. */
  WEIR_POD_IP: z.string().default("0.0.0.0"),
  WEIR_POD_NAME: z.string().default("worker"),
  WEIR_PORT: z.coerce.number().int().min(0).max(65535).default(WORKER_PORT),
  /** Hex SHA-256 of the control token; empty only for `weir run`. */
  WEIR_TOKEN_SHA256: z.string().default(""),
  /** Folder of mounted Secrets: <dir>/<secret name>/<key>. */
  WEIR_SECRETS_DIR: z.string().default("/etc/weir/secrets"),
  /** Folder of mounted ConfigMaps: <dir>/<name>/<key>. */
  WEIR_CONFIG_MAPS_DIR: z.string().default("/etc/weir/configmaps"),
  /** Set by the embedded kubelet: absolute pod paths are resolved below this folder. */
  WEIR_POD_ROOT: z.string().optional(),
  WEIR_TERMINATION_LOG: z.string().default("/dev/termination-log"),
  /** The pod's terminationGracePeriodSeconds: the final checkpoint after SIGTERM must fit in. */
  WEIR_GRACE_SECONDS: z.coerce.number().min(1).default(30),
  WEIR_LOG_LEVEL: z.enum(["debug", "info", "warn", "error"]).default("info"),
});
export type WorkerEnvironment = z.infer<typeof workerEnvironment>;

/**
 * The first of the epochs that were launched from this place and of which nobody knows whether they ran: the newest that did
 * counts, not the place.
 */
const since = z.number().int().optional();
/** The user allows to go back behind what was committed, for this start. */
const acceptReplay = z.literal(true).optional();

/** Where an epoch starts from. It is recorded by the operator before the launch and never guessed by a worker. */
export const restorePoint = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("none"), since, acceptReplay }),
  z.object({
    kind: z.literal("savepoint"),
    uri: z.string(),
    allowNonRestoredState: z.boolean().default(false),
    since,
    acceptReplay,
  }),
  /** The newest completed checkpoints of all slots of an earlier epoch of the same lineage. */
  z.object({
    kind: z.literal("checkpoint"),
    epoch: z.number().int(),
    slots: z.number().int(),
    acceptReplay,
    /** State of nodes that the job no longer has is dropped. */
    allowNonRestoredState: z.literal(true).optional(),
    since,
  }),
]);
export type RestorePoint = z.infer<typeof restorePoint>;

/** Which topics between workers: an owner's generation. */
export const exchange = z.object({
  generation: z.number().int(),
  /** By `ownerOf`; absent in what an older version has launched. */
  owner: z
    .string()
    .regex(/^[0-9a-z]{1,16}$/)
    .optional(),
});
export type Exchange = z.infer<typeof exchange>;

/** Of the job's UID: another job of its name, in another cluster or at another time, must not have the same topics. */
export const ownerOf = (jobUid: string): string => jobUid.replaceAll(/[^0-9a-z]/g, "").slice(0, 8);

/** start.json beside plan.json in the epoch's ConfigMap: what differs from epoch to epoch. */
export const startDocument = z.object({
  version: z.literal(1),
  namespace: z.string(),
  job: z.string(),
  jobUid: z.string(),
  /** Names the line of state: new for a start without state, kept over stop, start, rescale and upgrade. */
  lineage: z.string(),
  epoch: z.number().int(),
  /** Workers that share the keys. 0, which older workers refuse: this one deletes the topics between the job's workers, and ends. */
  slots: z.number().int().min(0),
  restore: restorePoint,
  checkpoint: z.object({
    intervalMs: z.number(),
    timeoutMs: z.number(),
    minPauseMs: z.number(),
    retain: z.number().int(),
    tolerableFailures: z.number().int(),
    /** file:///…, s3://bucket/… or memory:// ; below it: <namespace>/<job>/<lineage>/… */
    uri: z.string(),
    /** Of every s3:// URI of the job; `secret` is the name of the mounted Secret. */
    objectStore: z
      .object({ endpoint: z.string().optional(), region: z.string().optional(), secret: z.string() })
      .optional(),
  }),
  /**
   * Keys that are not those of the sources' splits go through topics of this generation; without it each worker keeps
   * its own, as a single one does.
   */
  exchange: exchange.optional(),
  /** Keyed state is in RocksDB, with so much memory; absent where it is in the worker's own. */
  rocksdb: z.object({ memoryBytes: z.number().min(1) }).optional(),
  /** Start with the sources paused (desiredState: Paused). */
  paused: z.boolean().default(false),
});
export type StartDocument = z.infer<typeof startDocument>;

export const workerFailure = z.object({ code: z.string(), message: z.string(), restartable: z.boolean() });
export type WorkerFailure = z.infer<typeof workerFailure>;

/** Written to the termination log (≤ 4 KiB) when a worker exits by itself with an error. */
export const terminationMessage = workerFailure;

const edgeMetrics = z.object({
  /** The node that reads. */
  node: z.string(),
  /** Records that wait in its buffer, and those that its strategy dropped since the process started. */
  buffered: z.number(),
  dropped: z.number(),
  /** Whether it takes no more for now. */
  backpressure: z.boolean(),
});
export type EdgeMetrics = z.infer<typeof edgeMetrics>;

const lookupMetrics = z.object({
  node: z.string(),
  /** Records that were answered at once, keys that were asked for, and requests with the time that all of them took. */
  hits: z.number(),
  misses: z.number(),
  requests: z.number(),
  seconds: z.number(),
});
export type LookupMetrics = z.infer<typeof lookupMetrics>;

export const workerMetrics = z.object({
  /** Records not yet read; null is unknown. */
  lag: z.number().nullable(),
  /** Age of the oldest unread record or of the watermark, ms; null is unknown. */
  lagMs: z.number().nullable(),
  /** Records per second over the last interval. */
  in: z.number(),
  out: z.number(),
  /** Totals since the process started. */
  totalIn: z.number(),
  totalOut: z.number(),
  malformed: z.number(),
  late: z.number(),
  keys: z.number(),
  /** Share of the interval the event loop was busy, 0–1. */
  busy: z.number(),
  watermark: z.number().nullable(),
  /** Splits that this worker reads, over all sources; absent from a worker of an older version. */
  splits: z.number().int().optional(),
  /** Records that were gone before they were read, since the process started, and the words on the newest of them. */
  lost: z.object({ records: z.number(), message: z.string() }).optional(),
  /** Sinks, and nodes with a buffer; absent from a worker of an older version. */
  edges: z.array(edgeMetrics).max(200).optional(),
  lookups: z.array(lookupMetrics).max(100).optional(),
  /** Bytes of the disk below state in RocksDB, what of it is free, and what the state's files take. */
  disk: z.object({ size: z.number(), free: z.number(), used: z.number() }).optional(),
});
export type WorkerMetrics = z.infer<typeof workerMetrics>;

export const checkpointReport = z.object({
  id: z.number().int(),
  ok: z.boolean(),
  completedAt: z.number(),
  durationMs: z.number(),
  bytes: z.number(),
  uri: z.string(),
  error: z.string().optional(),
});
export type CheckpointReport = z.infer<typeof checkpointReport>;

const header = {
  seq: z.number().int(),
  at: z.number(),
  jobUid: z.string(),
  epoch: z.number().int(),
  slot: z.number().int(),
  attempt: z.number().int(),
};
export const workerEvent = z.discriminatedUnion("type", [
  z.object({
    ...header,
    type: z.literal("started"),
    restored: z.object({ uri: z.string(), checkpointId: z.number().optional() }).nullable(),
  }),
  z.object({ ...header, type: z.literal("metrics"), metrics: workerMetrics }),
  z.object({ ...header, type: z.literal("checkpoint"), checkpoint: checkpointReport }),
  z.object({
    ...header,
    type: z.literal("savepoint"),
    id: z.string(),
    ok: z.boolean(),
    message: z.string().optional(),
  }),
  /** A problem that does not end the job, such as an unreachable broker; `problem: null` clears it. */
  z.object({
    ...header,
    type: z.literal("problem"),
    problem: workerFailure.extend({ nextTryAt: z.number() }).nullable(),
  }),
  z.object({ ...header, type: z.literal("failed"), failure: workerFailure }),
  z.object({ ...header, type: z.literal("finished") }),
  z.object({ ...header, type: z.literal("heartbeat") }),
]);
export type WorkerEvent = z.infer<typeof workerEvent>;

export const workerPhase = z.enum(["Starting", "Restoring", "Running", "Paused", "Stopping", "Finished", "Failed"]);
export type WorkerPhase = z.infer<typeof workerPhase>;

export const workerStatus = z.object({
  jobUid: z.string(),
  epoch: z.number().int(),
  slot: z.number().int(),
  attempt: z.number().int(),
  phase: workerPhase,
  metrics: workerMetrics,
  checkpoint: checkpointReport.nullable(),
  restored: z.object({ uri: z.string(), checkpointId: z.number().optional() }).nullable(),
  problem: workerFailure.extend({ nextTryAt: z.number() }).nullable(),
  failure: workerFailure.nullable(),
  /** Ids of savepoints in progress; absent from a worker of an older version. */
  saving: z.array(z.string().max(200)).max(100).optional(),
});
export type WorkerStatus = z.infer<typeof workerStatus>;

export const checkpointRequest = z.object({ id: z.string() });
export const savepointRequest = z.object({
  id: z.string(),
  uri: z.string(),
  pause: z.boolean().default(false),
  /** Fire every open window before the snapshot (a stop with drain). Only with `pause`: the time cannot go back. */
  drain: z.boolean().default(false),
});
/** One worker's part of a savepoint; opaque to the operator, which only carries parts to the metadata call. */
export const savepointPart = z.object({
  slot: z.number().int(),
  manifest: z.string(),
  bytes: z.number(),
  sha256: z.string(),
});
export type SavepointPart = z.infer<typeof savepointPart>;
export const savepointStatus = z.object({
  id: z.string(),
  state: z.enum(["InProgress", "Completed", "Failed"]),
  part: savepointPart.optional(),
  error: z.string().optional(),
  /** Of the error; absent from a worker of an older version. */
  code: z.string().optional(),
});
export type SavepointStatus = z.infer<typeof savepointStatus>;
export const savepointMetadataRequest = z.object({ uri: z.string(), parts: z.array(savepointPart) });
export const stopRequest = z.object({
  mode: z.enum(["Cancel", "Checkpoint", "Savepoint"]),
  drain: z.boolean().default(false),
  /** Nobody goes on from here but by a savepoint: what workers keep in other systems for each other goes, too. */
  discard: z.boolean().default(false),
});
