import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { messageOf, WeirError } from "../../../errors.ts";
import type { Compression } from "./batch-writer.ts";
import { lz4Compress, lz4Decompress } from "./lz4.ts";
import { snappyCompress, snappyDecompress } from "./snappy.ts";

/** Kafka's compression codecs by their number in the batch attributes. */
const names = ["None", "Gzip", "Snappy", "Lz4", "Zstd"] as const;
export type CompressionName = (typeof names)[number];

/** What one batch may grow to: a batch is at most some megabytes on the wire, so more than this is an attack. */
const LARGEST = 128 * 1024 * 1024;

/** The record area of a batch; a batch is at most some megabytes on the wire, whatever it grows to. */
export function decompress(code: number, data: Buffer): Buffer {
  const name = names[code];
  if (name === undefined) {
    throw new WeirError(
      "RECORD_MALFORMED",
      `a record batch is compressed with the unknown codec ${code}; Weir reads gzip, snappy, lz4 and zstd`,
    );
  }
  try {
    return codecs[name].decompress(data);
  } catch (error) {
    throw new WeirError("RECORD_MALFORMED", `a record batch cannot be decompressed as ${name}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** The codec of a sink. */
export function compressionOf(name: CompressionName): Compression {
  return { code: names.indexOf(name), compress: codecs[name].compress };
}

interface Codec {
  readonly compress: (data: Buffer) => Buffer;
  readonly decompress: (data: Buffer) => Buffer;
}

const asItIs = (data: Buffer): Buffer => data;

const codecs: Readonly<Record<CompressionName, Codec>> = {
  None: { compress: asItIs, decompress: asItIs },
  Gzip: {
    compress: (data) => gzipSync(data, { level: 1 }),
    decompress: (data) => gunzipSync(data, { maxOutputLength: LARGEST }),
  },
  Snappy: { compress: snappyCompress, decompress: (data) => snappyDecompress(data, LARGEST) },
  Lz4: { compress: lz4Compress, decompress: (data) => lz4Decompress(data, LARGEST) },
  Zstd: {
    compress: (data) => zstdCompressSync(data),
    decompress: (data) => zstdDecompressSync(data, { maxOutputLength: LARGEST }),
  },
};
