import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { messageOf, WeirError } from "../../../errors.ts";
import type { Compression } from "./batch-writer.ts";

/** Kafka's compression codecs by their number in the batch attributes. */
const names = ["None", "Gzip", "Snappy", "Lz4", "Zstd"] as const;
export type CompressionName = (typeof names)[number];

/** What one batch may grow to: a batch is at most some megabytes on the wire, so more than this is an attack. */
const LARGEST = 128 * 1024 * 1024;

export function decompress(code: number, data: Buffer): Buffer {
  try {
    switch (names[code]) {
      case "Gzip":
        return gunzipSync(data, { maxOutputLength: LARGEST });
      case "Zstd":
        return zstdDecompressSync(data, { maxOutputLength: LARGEST });
      case "None":
        return data;
      case "Snappy":
      case "Lz4":
      case undefined:
        break;
    }
  } catch (error) {
    throw new WeirError("RECORD_MALFORMED", `a record batch cannot be decompressed: ${messageOf(error)}`, {
      cause: error,
    });
  }
  throw new WeirError(
    "SPEC_NOT_IMPLEMENTED",
    `the topic holds batches compressed with ${names[code] ?? `codec ${code}`}, which this version of Weir does not read; let its producers use gzip, zstd or none`,
  );
}

/** The codec of a sink. */
export function compressionOf(name: CompressionName): Compression {
  const code = names.indexOf(name);
  switch (name) {
    case "None":
      return { code, compress: (records) => records };
    case "Gzip":
      return { code, compress: (records) => gzipSync(records, { level: 1 }) };
    case "Zstd":
      return { code, compress: (records) => zstdCompressSync(records) };
    case "Snappy":
    case "Lz4":
      throw new WeirError(
        "SPEC_NOT_IMPLEMENTED",
        `compression: ${name} of a Kafka sink is not implemented yet; take Zstd, Gzip or None`,
      );
  }
}
