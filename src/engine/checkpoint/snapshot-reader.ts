import { posix } from "node:path";
import { crc32 } from "node:zlib";
import { WeirError } from "../../errors.ts";
import { MANIFEST } from "./layout.ts";
import { manifestSchema, type Manifest, type Segment } from "./manifest.ts";
import { unseal } from "./sealed.ts";
import type { Storage } from "./storage.ts";

/** One slot's part of a snapshot, read and verified: manifest and the entries of the wanted shards. */
export interface LoadedPart {
  readonly uri: string;
  readonly manifest: Manifest;
  /** Node → shard → chunks as they were written, until they are restored. */
  readonly shards: ReadonlyMap<string, Map<number, readonly Buffer[]>>;
  /** Folder of a checkpoint whose commits may not all have been made. */
  readonly unfinished?: string;
}

/** The manifest of a folder; `undefined` when there is none: the snapshot was never finished. */
export async function readManifest(
  storage: Storage,
  folder: string,
): Promise<{ manifest: Manifest; bytes: Buffer } | undefined> {
  const bytes = await readDocument(storage, `${folder}/${MANIFEST}`);
  if (bytes === undefined) return undefined;
  return { manifest: unseal(bytes, manifestSchema, `${storage.uri}/${folder}/${MANIFEST}`), bytes };
}

/** Two hundred thousand segments; nothing that Weir wrote is larger. */
const MAX_DOCUMENT = 64 * 1024 * 1024;

/** A manifest, metadata or origin; what is larger than any of them is not read at all. */
export async function readDocument(storage: Storage, path: string): Promise<Buffer | undefined> {
  const bytes = await storage.read(path, { offset: 0, length: MAX_DOCUMENT + 1 });
  if (bytes === undefined || bytes.length <= MAX_DOCUMENT) return bytes;
  throw new WeirError("CHECKPOINT_CORRUPT", `${storage.uri}/${path} is larger than ${MAX_DOCUMENT} bytes`);
}

/** Reads the shards that `mine` wants and checks every byte against its checksum. */
export async function loadPart(
  storage: Storage,
  folder: string,
  manifest: Manifest,
  mine: (shard: number) => boolean,
): Promise<LoadedPart> {
  const nodes = new Map<string, Map<number, readonly Buffer[]>>();
  for (const { node, shards } of manifest.keyed) {
    const loaded = new Map<number, readonly Buffer[]>();
    for (const { shard, segments } of shards.filter((s) => mine(s.shard))) {
      const chunks: Buffer[] = [];
      for (const segment of segments) chunks.push(await readSegment(storage, folder, segment));
      loaded.set(shard, chunks);
    }
    nodes.set(node, loaded);
  }
  return { uri: `${storage.uri}/${folder}`, manifest, shards: nodes };
}

/** Checks every byte of a part, and keeps none: its state may be far larger than memory. */
export async function verifySegments(storage: Storage, folder: string, { keyed }: Manifest): Promise<void> {
  for (const { shards } of keyed)
    for (const { segments } of shards) for (const segment of segments) await readSegment(storage, folder, segment);
}

async function readSegment(storage: Storage, folder: string, segment: Segment): Promise<Buffer> {
  const path = posix.normalize(`${folder}/${segment.file}`);
  const where = `${storage.uri}/${path}`;
  const bytes = await storage.read(path, { offset: segment.offset, length: segment.length });
  if (bytes === undefined) throw new WeirError("CHECKPOINT_CORRUPT", `${where} is missing`);
  if (bytes.length < segment.length) {
    throw new WeirError("CHECKPOINT_CORRUPT", `${where} is cut off: ${segment.offset + segment.length} bytes expected`);
  }
  if (crc32(bytes) !== segment.crc32) {
    const end = segment.offset + segment.length;
    throw new WeirError(
      "CHECKPOINT_CORRUPT",
      `${where} does not match its checksum in bytes ${segment.offset} to ${end}`,
    );
  }
  return bytes;
}
