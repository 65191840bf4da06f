import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { messageOf, WeirError } from "../../errors.ts";

/** Things that live in the addon. */
export interface Handle<Kind extends string> {
  readonly kind: Kind;
}
export type MemoryHandle = Handle<"memory">;
export type DatabaseHandle = Handle<"database">;
export type SnapshotHandle = Handle<"snapshot">;
export type ScanHandle = Handle<"scan">;

/** What `native.cc` gives. Everything is synchronous; its comments say what the packed bytes are. */
export interface Addon {
  memory(cacheBytes: number, writeBytes: number): MemoryHandle;
  open(folder: string, memory: MemoryHandle, bufferBytes: number): DatabaseHandle;
  close(database: DatabaseHandle): void;
  read(database: DatabaseHandle, keys: Buffer, keyAt: Int32Array, n: number): Buffer;
  write(database: DatabaseHandle, operations: Buffer, bytes: number): void;
  remove(database: DatabaseHandle, prefix: Buffer): void;
  forget(database: DatabaseHandle, time: number, goneBelow: number, mayWait: boolean): void;
  snapshot(database: DatabaseHandle): SnapshotHandle;
  release(snapshot: SnapshotHandle): void;
  /** `numbers` are doubles: watermark, end, forgotten by, since, below, living only, has a time, pairs. */
  scan(snapshot: SnapshotHandle, prefix: Buffer, first: Buffer, data: Buffer, numbers: Buffer): ScanHandle;
  next(scan: ScanHandle, bytes: number): Buffer | undefined;
  endScan(scan: ScanHandle): void;
  checkpoint(database: DatabaseHandle, folder: string): void;
  property(database: DatabaseHandle, name: string): number;
}

/** Beside the bundle in the image; in a clone where `make rocksdb` puts it. */
const PLACES = ["./rocksdb/weir-rocksdb.node", "../../../node_modules/.weir/rocksdb/weir-rocksdb.node"];

let loaded: Addon | undefined;

/** Loads the addon when the first job asks for it: whoever keeps state in memory needs none. */
export function loadAddon(places: readonly string[] = PLACES): Addon {
  if (loaded !== undefined && places === PLACES) return loaded;
  const files = places.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  const file = files.find((name) => existsSync(name));
  if (file === undefined)
    throw new WeirError(
      "SPEC_INVALID",
      `state.backend: RocksDB needs an addon that is not here (${files.join(", ")}): the worker image was built with ROCKSDB=0, or this clone has none yet. Use an image that has it, run "make rocksdb" (Debian: librocksdb-dev and g++), or leave state.backend out`,
    );
  try {
    return (loaded = createRequire(import.meta.url)(file) as Addon);
  } catch (cause) {
    throw new WeirError(
      "SPEC_INVALID",
      `state.backend: RocksDB needs ${file}, which does not load on this system: ${messageOf(cause)}. Build it here with "make rocksdb", or leave state.backend out`,
      { cause },
    );
  }
}
