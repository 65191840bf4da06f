import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { AwsV4Signer } from "aws4fetch";
import { WeirError } from "../../errors.ts";
import { purposeOf, type ObjectStore, type S3Answer, type S3Request } from "./call.ts";
import { refusedBy, unreachable, verdictOf } from "./errors.ts";

/** Asks again where that helps; throws the error of its purpose with bucket and key, never with anything of the credentials. */
export type S3Client = (request: S3Request) => Promise<S3Answer>;

const DEFAULT_REGION = "us-east-1";
const TRIES = 6;
const FIRST_PAUSE_MS = 100;
/** A part of 8 MiB in this time is 140 KiB/s; a checkpoint has its own, longer time. */
const REQUEST_MS = 60_000;

export function s3Client(bucket: string, store: ObjectStore): S3Client {
  const base = baseUrl(bucket, store);
  const ended = store.signal === undefined ? [] : [store.signal];
  const once = async (request: S3Request): Promise<Omit<S3Answer, "tries">> => {
    const url = new URL(base + request.key.split("/").map(encodeURIComponent).join("/"));
    for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value);
    const { body } = request;
    const signed = await new AwsV4Signer({
      method: request.method,
      url: url.toString(),
      headers: { ...request.headers, "x-amz-content-sha256": sha256(body ?? "") },
      service: "s3",
      region: store.region ?? DEFAULT_REGION,
      ...credentials(store),
    }).sign();
    const response = await fetch(signed.url, {
      method: request.method,
      headers: signed.headers,
      redirect: "manual", // a signature is for one host only
      signal: AbortSignal.any([AbortSignal.timeout(REQUEST_MS), ...ended]),
      ...(body === undefined ? {} : { body }),
    });
    const { status, headers } = response;
    return { status, headers, body: Buffer.from(await response.arrayBuffer()) };
  };

  return async (request) => {
    const at = { bucket, base, request, store };
    for (let tries = 1; ; tries++) {
      const answer = await once(request).catch((e: unknown) => e);
      if (answer instanceof WeirError) throw answer;
      store.signal?.throwIfAborted();
      if (answer instanceof Error) {
        if (tries === TRIES) throw unreachable(at, answer);
      } else {
        const given = { ...(answer as S3Answer), tries };
        const verdict = verdictOf(given, request);
        if (verdict === "done") return given;
        if (verdict === "refused" || tries === TRIES) throw refusedBy(at, given);
      }
      await delay(FIRST_PAUSE_MS * 2 ** (tries - 1) * (0.5 + Math.random() / 2));
    }
  };
}

function baseUrl(bucket: string, { endpoint, region = DEFAULT_REGION }: ObjectStore): string {
  if (endpoint !== undefined) return `${endpoint.replace(/\/+$/, "")}/${encodeURIComponent(bucket)}/`;
  const host = `s3.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
  // The certificate is for one name before the region: a bucket with dots is only found by its path.
  return bucket.includes(".") ? `https://${host}/${bucket}/` : `https://${bucket}.${host}/`;
}

function credentials(store: ObjectStore) {
  const { secret, secretName } = store;
  const key = (name: string): string => {
    const value = secret(name)?.trim();
    if (value !== undefined && value !== "") return value;
    const { code, setting } = purposeOf(store);
    const text = `s3:// needs credentials: Secret "${secretName ?? ""}" of ${setting("secretRef")} has no key ${name}`;
    throw new WeirError(code, text);
  };
  const sessionToken = secret("sessionToken")?.trim();
  return {
    accessKeyId: key("accessKeyId"),
    secretAccessKey: key("secretAccessKey"),
    ...(sessionToken === undefined || sessionToken === "" ? {} : { sessionToken }),
  };
}

const sha256 = (bytes: Buffer | string): string => createHash("sha256").update(bytes).digest("hex");
