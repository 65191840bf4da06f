import type { ErrorCode } from "../errors.ts";
import { WeirError } from "../errors.ts";

export interface StatusCause {
  reason?: string;
  message?: string;
  /** Path of the field, as in `spec.parallelism`. */
  field?: string;
}

/** The parts of a `v1 Status` body that callers act on. */
export interface StatusBody {
  code?: number;
  reason?: string;
  message?: string;
  details?: { name?: string; kind?: string; causes?: StatusCause[]; retryAfterSeconds?: number };
}

/**
 * A refusal by the API server, or its absence (`httpStatus` 0, statusReason "Unreachable").
 * `retry` tells a reconciler what to do: Backoff and After mean the same call may work later; Terminal means that
 * the object itself must change first.
 */
export class KubeError extends WeirError {
  readonly httpStatus: number;
  /** The machine-readable reason of the Status, for example NotFound, AlreadyExists, Conflict, Expired, Invalid. */
  readonly statusReason: string;
  readonly causes: readonly StatusCause[];

  constructor(
    what: string,
    httpStatus: number,
    body: StatusBody,
    options: { cause?: unknown; retryAfterMs?: number } = {},
  ) {
    const statusReason = body.reason !== undefined && body.reason !== "" ? body.reason : reasonOf(httpStatus);
    super(codeOf(httpStatus), `${what}: ${body.message ?? statusReason}`, options);
    this.name = "KubeError";
    this.httpStatus = httpStatus;
    this.statusReason = statusReason;
    this.causes = body.details?.causes ?? [];
  }
}

/** HTTP status → code of the catalogue. What is not listed here is a rejection below 500 and an outage from 500 on. */
const codes: Readonly<Record<number, ErrorCode>> = {
  0: "API_UNAVAILABLE",
  401: "API_FORBIDDEN",
  403: "API_FORBIDDEN",
  404: "API_NOT_FOUND",
  408: "API_UNAVAILABLE",
  409: "API_CONFLICT",
  410: "API_UNAVAILABLE",
  429: "API_UNAVAILABLE",
};

function codeOf(httpStatus: number): ErrorCode {
  return codes[httpStatus] ?? (httpStatus >= 500 ? "API_UNAVAILABLE" : "API_REJECTED");
}

/** A body without a reason comes from a proxy in between; the status code still says what happened. */
const reasons: Readonly<Record<number, string>> = {
  0: "Unreachable",
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  409: "Conflict",
  410: "Expired",
  422: "Invalid",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
  504: "Timeout",
};

function reasonOf(httpStatus: number): string {
  return reasons[httpStatus] ?? "Unknown";
}

export function isKubeError(e: unknown): e is KubeError {
  return e instanceof KubeError;
}

const has =
  (...wanted: string[]) =>
  (e: unknown): e is KubeError =>
    isKubeError(e) && wanted.includes(e.statusReason);

/** A right is missing. */
export const isForbidden = has("Forbidden");
export const isNotFound = has("NotFound");
export const isAlreadyExists = has("AlreadyExists");
/** An optimistic-concurrency or precondition failure, or a server-side apply field conflict (then `causes` has reason FieldManagerConflict). */
export const isConflict = has("Conflict");
/** The resourceVersion (or continue token) is too old: list again. */
export const isExpired = has("Expired", "Gone");
export const isTooManyRequests = has("TooManyRequests");
export const isInvalid = has("Invalid");

/** The Retry-After header in milliseconds: seconds or an HTTP date (RFC 9110 §10.2.3); bounded, because a peer sets it. */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), 300_000);
}
