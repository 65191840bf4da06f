import { open, stat } from "node:fs/promises";
import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";

const CHUNK = 256 * 1024;

/** The bytes of one file from an offset on; for gzip, offsets are of the decompressed bytes. */
export interface ByteReader {
  /** The next bytes, or `undefined` at the end, which for a growing file may be followed by more later. */
  next(): Promise<Buffer | undefined>;
  /** Bytes after what `next` has given, as far as known. */
  remaining(): Promise<number | undefined>;
  close(): Promise<void>;
}

export async function plainReader(path: string, offset: number): Promise<ByteReader> {
  const file = await open(path, "r");
  let at = offset;
  return {
    next: async () => {
      const chunk = Buffer.allocUnsafe(CHUNK);
      const { bytesRead } = await file.read(chunk, 0, CHUNK, at);
      at += bytesRead;
      return bytesRead === 0 ? undefined : chunk.subarray(0, bytesRead);
    },
    remaining: async () => Math.max(0, (await stat(path)).size - at),
    close: () => file.close(),
  };
}

export function gzipReader(path: string, offset: number): ByteReader {
  const raw = createReadStream(path);
  const stream = createGunzip();
  raw.on("error", (e) => stream.destroy(e));
  const chunks = raw.pipe(stream)[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let skip = offset;
  return {
    next: async () => {
      for (;;) {
        const { value, done } = await chunks.next();
        if (done === true) return undefined;
        const rest = value.subarray(Math.min(skip, value.length));
        skip -= value.length - rest.length;
        if (rest.length > 0) return rest;
      }
    },
    remaining: () => Promise.resolve(undefined),
    close: () => {
      raw.destroy();
      stream.destroy();
      return Promise.resolve();
    },
  };
}
