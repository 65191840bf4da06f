import { open, stat, type FileHandle } from "node:fs/promises";
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { createGunzip } from "node:zlib";
import { WeirError } from "../../../errors.ts";
import { NOTHING, PRINTED, withMore, type ReadBytes } from "./read-bytes.ts";

const CHUNK = 256 * 1024;

/** The bytes of one file from an offset on; for gzip, offsets are of the decompressed bytes. */
export interface ByteReader {
  /** What is before the offset, and how many bytes that are: fewer in a file that is shorter. Before the first `next`. */
  before(): Promise<ReadBytes & { readonly length: number }>;
  /** The next bytes, or `undefined` at the end, which for a growing file may be followed by more later. */
  next(): Promise<Buffer | undefined>;
  /** Whether another file has the name by now. */
  renamed(): Promise<boolean>;
  close(): Promise<void>;
}

export async function plainReader(path: string, offset: number): Promise<ByteReader> {
  const file = await open(path, "r");
  let at = offset;
  return {
    before: async () => {
      const head = await bytesAt(file, 0, Math.min(PRINTED, offset));
      const from = Math.max(0, offset - PRINTED);
      const tail = await bytesAt(file, from, offset);
      return { head, tail, length: tail.length === 0 ? head.length : from + tail.length };
    },
    next: async () => {
      const chunk = Buffer.allocUnsafe(CHUNK);
      const { bytesRead } = await file.read(chunk, 0, CHUNK, at);
      at += bytesRead;
      if (bytesRead > 0) return chunk.subarray(0, bytesRead);
      const { size } = await file.stat();
      if (size < at) throw cut(path, size, at);
      return undefined;
    },
    renamed: async () => {
      // Between the old file's last moment and the new one's first there is none.
      const named = await stat(path).catch(() => undefined);
      const own = await file.stat();
      return named !== undefined && (named.ino !== own.ino || named.dev !== own.dev);
    },
    close: () => file.close(),
  };
}

async function bytesAt(file: FileHandle, from: number, to: number): Promise<Buffer> {
  const bytes = Buffer.alloc(to - from);
  const { bytesRead } = await file.read(bytes, 0, bytes.length, from);
  return bytes.subarray(0, bytesRead);
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
  let read = NOTHING;
  let rest: Buffer | undefined;
  /** The next bytes behind the offset; false at the end. */
  const advance = async (): Promise<boolean> => {
    const { value, done } = await chunks.next();
    if (done === true) return false;
    const passed = value.subarray(0, Math.min(skip, value.length));
    read = withMore(read, passed);
    skip -= passed.length;
    if (passed.length < value.length) rest = value.subarray(passed.length);
    return true;
  };
  return {
    before: async () => {
      while (skip > 0 && (await advance()));
      return { ...read, length: offset - skip };
    },
    next: async () => {
      while (rest === undefined && (await advance()));
      if (rest === undefined && skip > 0) throw cut(path, offset - skip, offset);
      const given = rest;
      rest = undefined;
      return given;
    },
    renamed: () => Promise.resolve(false),
    close: () => {
      raw.destroy();
      stream.destroy();
      return Promise.resolve();
    },
  };
}
