import { createHash, createHmac } from "node:crypto";

/** The control token of one worker; see src/api/worker-protocol.ts. The pod is given only its hash. */
export function workerToken(key: string, jobUid: string, worker: { epoch: number; slot: number }): string {
  return createHmac("sha256", key).update(`${jobUid}/${worker.epoch}/${worker.slot}`).digest("hex");
}

export function tokenHash(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
