import { createHash, createHmac } from "node:crypto";

/** The control token of one worker; see src/api/worker-protocol.ts. The pod is given only its hash. */
export function workerToken(key: string, jobUid: string, worker: { epoch: number; slot: number }): string {
  return createHmac("sha256", key).update(`${jobUid}/${worker.epoch}/${worker.slot}`).digest("hex");
}

/**
 * The newest key first: tokens are made from it. The others open workers that were made with them, for as long as a change of the
 * key takes.
 */
export type TokenKeys = readonly [string, ...string[]];

/** The token whose hash a running worker was given; undefined when it was made with a key that is none of these. */
export function tokenOfHash(
  keys: TokenKeys,
  jobUid: string,
  worker: { epoch: number; slot: number },
  hash: string | undefined,
): string | undefined {
  return keys.map((key) => workerToken(key, jobUid, worker)).find((token) => tokenHash(token) === hash);
}

export function tokenHash(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
