import { createHash } from "node:crypto";

/** The first and the last bytes of what was read of a file. */
export interface ReadBytes {
  readonly head: Buffer;
  readonly tail: Buffer;
}

/**
 * Kept with a position: a file whose bytes before it are others is another file. The first bytes tell a log from the next
 * one of its name, the last a file from one that begins alike. Neither inode nor time would do: volumes are copied, and
 * files are replaced by themselves with more behind.
 */
export interface Fingerprint {
  readonly head: string;
  readonly tail: string;
}

/** Most bytes of each. */
export const PRINTED = 1024;

const EMPTY = Buffer.alloc(0);
export const NOTHING: ReadBytes = { head: EMPTY, tail: EMPTY };

export function withMore({ head, tail }: ReadBytes, more: Buffer): ReadBytes {
  if (more.length === 0) return { head, tail };
  const missing = PRINTED - head.length;
  return {
    head: missing > 0 ? Buffer.concat([head, more.subarray(0, missing)]) : head,
    tail: Buffer.concat([tail, more.subarray(-PRINTED)]).subarray(-PRINTED),
  };
}

export function fingerprintOf({ head, tail }: ReadBytes): Fingerprint {
  return { head: hashOf(head), tail: hashOf(tail) };
}

const hashOf = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("base64url").slice(0, 22);
