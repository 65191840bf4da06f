import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

/** Why a call is refused, as an HTTP status and a sentence. */
export interface Refusal {
  readonly status: 401 | 409;
  readonly message: string;
}

/**
 * Checks the token of a call against its SHA-256, and remembers the highest leader term: an operator that lost its
 * leadership and does not know it yet cannot give orders any more.
 */
export function authorization(tokenSha256: string): (headers: IncomingHttpHeaders) => Refusal | undefined {
  const expected = Buffer.from(tokenSha256, "hex");
  let highestTerm = 0;
  return (headers) => {
    if (tokenSha256 !== "" && !holds(headers.authorization, expected)) {
      return { status: 401, message: "the token is not this worker's: it is bound to job, epoch and slot" };
    }
    const given = headers["x-weir-term"];
    if (given === undefined) return undefined;
    const term = Number(given);
    if (!Number.isSafeInteger(term) || term < highestTerm) {
      return {
        status: 409,
        message: `leader term ${String(given)} is over; this worker has heard from term ${highestTerm}`,
      };
    }
    highestTerm = term;
    return undefined;
  };
}

function holds(header: string | undefined, expected: Buffer): boolean {
  const token = /^Bearer (.+)$/.exec(header ?? "")?.[1] ?? "";
  const hash = createHash("sha256").update(token).digest();
  return expected.length === hash.length && timingSafeEqual(hash, expected);
}
