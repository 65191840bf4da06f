/**
 * The error catalogue. Every error that a user can meet has a code here; the code has an anchor in
 * docs/reference/errors.md and a condition reason, and a test holds the three to each other.
 */

/** What a caller should do after this error. */
export type Retry = "Terminal" | "Backoff" | "After";

interface CatalogueEntry {
  /** Condition reason, CamelCase. */
  readonly reason: string;
  readonly retry: Retry;
  /** One line for the docs: what it means and what to do. */
  readonly help: string;
}

const entry = (reason: string, retry: Retry, help: string): CatalogueEntry => ({ reason, retry, help });

/* eslint sort: alphabetical by code within a group; add new codes to their group. */
export const catalogue = {
  // Spec
  SPEC_INVALID: entry(
    "InvalidSpec",
    "Terminal",
    "The object breaks a rule of its schema; the message names the field.",
  ),
  SPEC_NOT_IMPLEMENTED: entry(
    "NotImplemented",
    "Terminal",
    "The field is part of the API but this version of Weir does not run it yet.",
  ),
  PIPELINE_INVALID: entry(
    "InvalidPipeline",
    "Terminal",
    "The pipeline's graph is not sound: a cycle, a missing input, an unconsumed output.",
  ),
  PIPELINE_TEST_FAILED: entry(
    "PipelineTestFailed",
    "Terminal",
    "A test of a pipeline, spec.pipeline.tests, does not give what it expects; only `weir test` and `weir lint` run them.",
  ),
  EXPRESSION_INVALID: entry("InvalidExpression", "Terminal", "An expression does not parse or does not type-check."),
  EXPRESSION_OVER_BUDGET: entry(
    "ExpressionOverBudget",
    "Terminal",
    "An expression costs more than its budget; make it smaller.",
  ),
  EXPRESSION_FAILED: entry(
    "ExpressionFailed",
    "Terminal",
    "An expression failed on a record: a missing field, an overflow, a wrong type.",
  ),
  FUNCTION_INVALID: entry(
    "InvalidFunction",
    "Terminal",
    "A user's module cannot be loaded, or what it exports is no function or connector; the message says what it lacks.",
  ),
  FUNCTION_FAILED: entry(
    "FunctionFailed",
    "Terminal",
    "A user's function threw on a record or a timer; the message names the line of the module, and the record.",
  ),
  POLICY_CONFLICT: entry(
    "PolicyConflict",
    "Terminal",
    "Two policies of equal priority claim the same job; give one a higher priority.",
  ),
  // Engine
  RECORD_MALFORMED: entry("RecordMalformed", "Terminal", "A record is not valid in its source's format."),
  SOURCE_UNREACHABLE: entry(
    "SourceUnreachable",
    "Backoff",
    "The system a source reads from cannot be reached; Weir keeps trying.",
  ),
  SINK_UNREACHABLE: entry(
    "SinkUnreachable",
    "Backoff",
    "The system a sink writes to cannot be reached; Weir keeps trying.",
  ),
  SINK_REFUSED: entry(
    "SinkRefused",
    "Terminal",
    "The system a sink writes to will never take a record, for example because it is too large; the message names it.",
  ),
  LOOKUP_UNREACHABLE: entry(
    "LookupUnreachable",
    "Backoff",
    "The system that a lookup asks cannot be reached, or does not know what is asked for; its records wait and Weir keeps trying.",
  ),
  LOOKUP_FAILED: entry(
    "LookupFailed",
    "Terminal",
    "A lookup has no answer for a record: its key does not fit, the answer is not JSON, or its retries are used up.",
  ),
  TRANSACTION_LOST: entry(
    "TransactionLost",
    "Backoff",
    "A sink's system ended its transaction: it was open for too long, or another worker took over. Nothing of it counts; the worker starts again from what was committed.",
  ),
  DELIVERY_AT_RISK: entry(
    "DeliveryAtRisk",
    "Terminal",
    "What was committed fits no state to go on from, so going on could write output twice or never; the message lists the transactions.",
  ),
  BUFFER_FULL: entry(
    "BufferFull",
    "Backoff",
    "A buffer with the strategy Error is full: what reads it is too slow for what comes.",
  ),
  OFFSET_OUT_OF_RANGE: entry(
    "OffsetOutOfRange",
    "Terminal",
    "The position to resume from no longer exists in the source.",
  ),
  CHECKPOINT_UNWRITABLE: entry(
    "CheckpointUnwritable",
    "Backoff",
    "The checkpoint storage cannot be written or read; check the volume or bucket and its permissions.",
  ),
  SAVEPOINT_INTERRUPTED: entry(
    "SavepointInterrupted",
    "Backoff",
    "A worker that restarted amid a savepoint cannot take its part in it any more; the operator begins another one.",
  ),
  STATE_UNWRITABLE: entry(
    "StateUnwritable",
    "Backoff",
    "RocksDB cannot write or read its files below /tmp/weir-state in the worker, most often because the disk is full; give it a volume, or a larger one.",
  ),
  DRAIN_ABANDONED: entry(
    "DrainAbandoned",
    "Backoff",
    "The windows were closed for a stop that did not come about; the worker starts again from its newest checkpoint.",
  ),
  CHECKPOINT_CORRUPT: entry(
    "CheckpointCorrupt",
    "Terminal",
    "A checkpoint or savepoint fails its checksum or misses a part.",
  ),
  RESTORE_REFUSED: entry(
    "RestoreRefused",
    "Terminal",
    "The saved state does not fit the job it should be restored into.",
  ),
  SAVEPOINT_NOT_FOUND: entry("SavepointNotFound", "Terminal", "There is no savepoint at this place."),
  // Kubernetes
  API_CONFLICT: entry("Conflict", "Backoff", "Somebody else changed the object first; it is read again."),
  API_FORBIDDEN: entry(
    "Forbidden",
    "Backoff",
    "The API server does not let this identity do that, or a quota is used up; check the RBAC rules of the operator.",
  ),
  API_NOT_FOUND: entry("NotFound", "Backoff", "The object does not exist (any more), or its kind is not installed."),
  API_UNAVAILABLE: entry("ApiUnavailable", "Backoff", "The Kubernetes API server did not answer."),
  API_REJECTED: entry("ApiRejected", "Terminal", "The Kubernetes API server refused the object; the message says why."),
  // Workers
  WORKER_UNREACHABLE: entry(
    "Unreachable",
    "Backoff",
    "A worker does not answer; its state is kept and it is asked again.",
  ),
  WORKER_REFUSED: entry("WorkerRefused", "Terminal", "A worker refused a command, for example of an older epoch."),
  // Process
  CONFIG_INVALID: entry("InvalidConfiguration", "Terminal", "A flag or environment variable of the process is wrong."),
  INTERNAL: entry("InternalError", "Backoff", "A bug in Weir. Please report it with the message."),
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof catalogue;

/** Where in its author's text an error is, for tools that can show it there. */
export interface ErrorPlace {
  /** The field: `spec.pipeline.nodes[hot].filter`; or, of an error in an expression, what it belongs to. */
  readonly path?: string;
  /** The expression that is wrong. */
  readonly text?: string;
  /** The character of `text`, or of a whole document, where it is wrong. */
  readonly offset?: number;
  /** The message without the place. */
  readonly message: string;
}

export interface WeirErrorOptions {
  cause?: unknown;
  place?: ErrorPlace | undefined;
  /** Milliseconds until the next try makes sense; turns the retry class into "After". */
  retryAfterMs?: number;
}

/** The one error type that crosses module borders. Messages say what was wrong, where, and what to do. */
export class WeirError extends Error {
  readonly code: ErrorCode;
  readonly reason: string;
  readonly retry: Retry;
  readonly retryAfterMs: number | undefined;
  readonly place: ErrorPlace | undefined;

  constructor(code: ErrorCode, message: string, options: WeirErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "WeirError";
    this.code = code;
    this.reason = catalogue[code].reason;
    this.retry = options.retryAfterMs === undefined ? catalogue[code].retry : "After";
    this.retryAfterMs = options.retryAfterMs;
    this.place = options.place;
  }
}

export function isWeirError(e: unknown): e is WeirError {
  return e instanceof WeirError;
}

/** The text of anything thrown, for a message or a log line. */
export function messageOf(e: unknown): string {
  return e instanceof Error ? e.message : String(e);
}
