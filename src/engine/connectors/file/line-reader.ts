import { open, stat } from "node:fs/promises";
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { createGunzip } from "node:zlib";
import { WeirError } from "../../../errors.ts";

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
      if (bytesRead > 0) return chunk.subarray(0, bytesRead);
      const { size } = await file.stat();
      if (size < at) throw cut(path, size, at);
      return undefined;
    },
    remaining: async () => Math.max(0, (await stat(path)).size - at),
    close: () => file.close(),
  };
}

/** What was read is not what is there: going on would leave out records, or begin in the middle of one. */
function cut(path: string, size: number, at: number): WeirError {
  return new WeirError(
    "OFFSET_OUT_OF_RANGE",
    `${basename(path)} has ${size} bytes and was read up to byte ${at} before: it was cut off, or another file has its name ` +
      "now. Put it back, or give what is new a name of its own",
  );
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
        if (done === true && skip > 0) throw cut(path, offset - skip, offset);
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
