import { posix } from "node:path";
import { crc32 } from "node:zlib";
import { WeirError } from "../../errors.ts";
import { MANIFEST } from "./layout.ts";
import { isBySplit } from "../windows/cells.ts";
import { lastWatermark } from "../windows/chunk-writer.ts";
import { loadWatermark, manifestSchema, type KeyedState, type Manifest, type Segment } from "./manifest.ts";
import { unseal } from "./sealed.ts";
import type { Storage } from "./storage.ts";

/** One slot's part of a snapshot, verified: manifest and the entries of the wanted shards. */
export interface LoadedPart {
  readonly uri: string;
  readonly manifest: Manifest;
  /** Node → shard → its entries, until they are restored. */
  readonly shards: ReadonlyMap<string, Map<number, SavedShard>>;
  /** By node: what was by split, and is taken apart by its keys. */
  readonly bySplit: ReadonlyMap<string, SavedBySplit>;
  /** Folder of a checkpoint whose commits may not all have been made. */
  readonly unfinished?: string;
}

/** The chunks of a shard as they were written; where there are too many to keep, they are read and verified once more. */
export type SavedShard = () => Promise<readonly Buffer[]>;

/** What a slot saved of a node by splits, whoever gets the keys now. */
export interface SavedBySplit {
  readonly shards: readonly SplitShard[];
  /** How far time had come for the slot's splits; absent for one that had none. */
  readonly watermark: number | undefined;
  /** Of the shards that keys go to now, those that are this part's business; all, where it is not said. */
  readonly within?: ((shard: number) => boolean) | undefined;
}

export interface SplitShard {
  readonly shard: number;
  readonly watermark: number;
  /** One at a time: the state of all workers is more than one of them has room for. */
  chunks(): AsyncIterable<Buffer>;
}

/** Which saved state a slot wants. */
export interface Wanted {
  readonly mine: (shard: number) => boolean;
  /** Nodes that find keys by their hash: of what they kept by split, a slot reads everything for its own keys. */
  readonly hashed: ReadonlySet<string>;
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

/** What is kept of a part from its verification to its restore. */
const KEPT_BYTES = 32 * 1024 * 1024;

/** Checks every byte of the shards that are wanted against its checksum: state may be far larger than memory. */
export async function loadPart(
  storage: Storage,
  folder: string,
  manifest: Manifest,
  { mine, hashed }: Wanted,
): Promise<LoadedPart> {
  let left = KEPT_BYTES;
  const read = (segment: Segment): Promise<Buffer> => readSegment(storage, folder, segment);
  const load = async (segments: readonly Segment[]): Promise<SavedShard> => {
    left -= segments.reduce((sum, { length }) => sum + length, 0);
    if (left >= 0) {
      const chunks = await inTurn(segments, read);
      return () => Promise.resolve(chunks);
    }
    for (const segment of segments) await read(segment);
    return () => inTurn(segments, read);
  };
  const nodes = new Map<string, Map<number, SavedShard>>();
  const bySplit = new Map<string, SavedBySplit>();
  for (const keyed of manifest.keyed) {
    const { node, shards } = keyed;
    if (hashed.has(node) && isBySplit(keyed.stateSignature)) {
      bySplit.set(node, await loadBySplit(manifest, keyed, read));
      continue;
    }
    const loaded = new Map<number, SavedShard>();
    for (const { shard, segments } of shards.filter((s) => mine(s.shard))) loaded.set(shard, await load(segments));
    nodes.set(node, loaded);
  }
  return { uri: `${storage.uri}/${folder}`, manifest, shards: nodes, bySplit };
}

async function loadBySplit(
  { sources }: Manifest,
  { shards, watermark }: KeyedState,
  read: (segment: Segment) => Promise<Buffer>,
): Promise<SavedBySplit> {
  const loaded: SplitShard[] = [];
  for (const { shard, segments } of shards) {
    let reached = Number.NEGATIVE_INFINITY;
    for (const segment of segments) reached = Math.max(reached, lastWatermark([await read(segment)]));
    const chunks = async function* (): AsyncGenerator<Buffer> {
      for (const segment of segments) yield await read(segment);
    };
    loaded.push({ shard, watermark: reached, chunks });
  }
  const hasSplits = shards.length > 0 || sources.some(({ splits }) => splits.length > 0);
  return { shards: loaded, watermark: hasSplits && watermark !== "end" ? loadWatermark(watermark) : undefined };
}

async function inTurn<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}

/** So many segments are read at a time: an object store takes far longer to begin an answer than to give it. */
const READ_AT_ONCE = 8;

/** Checks every byte of a part, and keeps none: its state may be far larger than memory. */
export async function verifySegments(
  storage: Storage,
  { folder, manifest, signal }: { folder: string; manifest: Manifest; signal?: AbortSignal | undefined },
): Promise<void> {
  const segments = segmentsOf(manifest);
  const verify = async (): Promise<void> => {
    // All take from the one row; where one fails, its loop ends the row for the others, too.
    for (const segment of segments) {
      signal?.throwIfAborted();
      await readSegment(storage, folder, segment);
    }
  };
  await Promise.all(Array.from({ length: READ_AT_ONCE }, verify));
}

function* segmentsOf({ keyed }: Manifest): Generator<Segment, void> {
  for (const { shards } of keyed) for (const { segments } of shards) yield* segments;
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
