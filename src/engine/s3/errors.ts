import { WeirError } from "../../errors.ts";
import { purposeOf, type ObjectStore, type S3Answer, type S3Request } from "./call.ts";

/** Too much, a fault of the store, a race with another conditional write, or an upload that was too slow. */
const PASSING = [429, 500, 502, 503, 504];
const PASSING_CODES = ["ConditionalRequestConflict", "OperationAborted", "RequestTimeout", "InternalError", "SlowDown"];
/** Any other 404 is about the bucket or the user: taken for a missing object, it would be a job without state. */
const ABSENT = [undefined, "NoSuchKey", "NoSuchUpload"];

/** Whether an answer is one, is worth asking again, or is a refusal. */
export function verdictOf(
  { status, body }: S3Answer,
  { method, expected = [] }: S3Request,
): "done" | "again" | "refused" {
  // Completing an upload answers 200 and may say in the body that it failed.
  if (status < 300 && method !== "POST") return "done";
  const code = errorCode(body);
  if (status < 300 && code === undefined) return "done";
  if (PASSING.includes(status) || PASSING_CODES.includes(code ?? "")) return "again";
  return expected.includes(status) && (status !== 404 || ABSENT.includes(code)) ? "done" : "refused";
}

/** `<Error><Code>…`: the word for what went wrong. Only a short answer that begins so is one. */
function errorCode(body: Buffer): string | undefined {
  if (body.length > 65_536) return undefined;
  return /^\s*(?:<\?xml[^>]*>\s*)?<Error[ >][^]*?<Code>([A-Za-z0-9]{1,100})<\/Code>/.exec(body.toString("utf8"))?.[1];
}

interface Place {
  readonly bucket: string;
  readonly base: string;
  readonly request: S3Request;
  readonly store: ObjectStore;
}

/**
 * What the user can do about a refusal, by the store's word for it. The store's own sentences are not repeated: they may
 * name the access key.
 */
const ADVICE: Readonly<Record<string, (at: Place, answer: S3Answer) => string>> = {
  NoSuchBucket: ({ bucket }) => `there is no bucket "${bucket}"; create it, or correct the URI`,
  AccessDenied: (at) => `access is denied; ${credentialsOf(at)} need ${purposeOf(at.store).permissions}`,
  InvalidAccessKeyId: unknownKey,
  XAdminUserNotFound: unknownKey, // of Versity
  SignatureDoesNotMatch: (at) => `the secret access key is wrong; correct ${credentialsOf(at)}`,
  ExpiredToken: (at) => `the session token has expired; renew ${credentialsOf(at)}`,
  RequestTimeTooSkewed: () => "the clocks of this machine and of the store are too far apart; set this machine's clock",
  AuthorizationHeaderMalformed: elsewhere,
  PermanentRedirect: elsewhere,
  IllegalLocationConstraintException: elsewhere,
  NotImplemented: () => "the store cannot do that; Weir needs conditional writes (If-None-Match)",
};

/** Where there is no word, as in an answer without a body. */
const BY_STATUS: Readonly<Record<number, string>> = {
  301: "PermanentRedirect",
  403: "AccessDenied",
  501: "NotImplemented",
};

export function refusedBy(at: Place, answer: S3Answer): WeirError {
  const code = errorCode(answer.body) ?? BY_STATUS[answer.status];
  const advice = code === undefined ? undefined : ADVICE[code]?.(at, answer);
  const word = `${answer.status}${code === undefined ? "" : ` ${code}`}`;
  const text = `${named(at)} was answered with ${word}${advice === undefined ? "" : `: ${advice}`}`;
  return new WeirError(purposeOf(at.store).code, text);
}

export function unreachable(at: Place, e: Error): WeirError {
  const { code, message } = innermost(e);
  const why = e.name === "TimeoutError" ? "no answer in time" : (code ?? message);
  const text = `${named(at)}: cannot reach ${new URL(at.base).origin}: ${why}; check ${purposeOf(at.store).setting("endpoint")} and the network policy`;
  return new WeirError(purposeOf(at.store).code, text, { cause: e });
}

/** `fetch` says "fetch failed" and why only in its cause. */
function innermost(e: Error): { code?: string; message: string } {
  return e.cause instanceof Error ? innermost(e.cause) : e;
}

const named = ({ request, bucket }: Place): string => `${request.method} s3://${bucket}/${request.key}`;

function unknownKey(at: Place): string {
  return `the access key is not known there; correct ${credentialsOf(at)}`;
}

const credentialsOf = ({ store }: Place): string => `the credentials in Secret "${store.secretName ?? ""}"`;

function elsewhere({ bucket, store }: Place, { headers }: S3Answer): string {
  const region = headers.get("x-amz-bucket-region");
  const known = region === null || !/^[a-z0-9-]{1,64}$/.test(region) ? "" : `, which is ${region}`;
  return `bucket "${bucket}" is not in region ${store.region ?? "us-east-1"}; set ${purposeOf(store).setting("region")} to its own${known}`;
}
