import { posix } from "node:path";
import { z } from "zod";
import type { SavepointPart } from "../../api/worker-protocol.ts";
import { WeirError } from "../../errors.ts";
import { MANIFEST, SAVEPOINT_METADATA, type SlotIdentity } from "./layout.ts";
import type { Manifest } from "./manifest.ts";
import { seal, sha256, unseal } from "./sealed.ts";
import {
  loadPart,
  readDocument,
  readManifest,
  verifySegments,
  type LoadedPart,
  type Wanted,
} from "./snapshot-reader.ts";
import type { Storage } from "./storage.ts";

/** Ties the parts of a savepoint together and is written last: without it there is no savepoint. Paths are relative. */
const metadataSchema = z.object({
  version: z.literal(1),
  namespace: z.string(),
  job: z.string(),
  lineage: z.string(),
  epoch: z.int(),
  slots: z.int(),
  maxParallelism: z.int(),
  planHash: z.string(),
  nodes: z.array(z.string().max(4096)).max(2_000),
  bytes: z.int(),
  parts: z
    .array(
      z.object({
        slot: z.int().min(0),
        manifest: z
          .string()
          .max(512)
          .regex(/^s[0-9]+\/[A-Za-z0-9._-]+\/manifest\.json$/),
        sha256: z.string().max(64),
      }),
    )
    .max(32_768),
});
export type SavepointMetadata = z.infer<typeof metadataSchema>;

/** Folder of one slot's part: every try has its own, so that a part is never half of one and half of another. */
export const partFolder = (slot: number, attempt: number, nth: number): string => `s${slot}/a${attempt}-${nth}`;

/** The slot's part of savepoint `id` when the savepoint is complete: asked for again, it is not taken again. */
export async function completedPart(
  storage: Storage,
  { epoch, slot }: Pick<SlotIdentity, "epoch" | "slot">,
  id: string,
): Promise<SavepointPart | undefined> {
  const bytes = await readDocument(storage, SAVEPOINT_METADATA);
  if (bytes === undefined) return undefined;
  const metadata = unseal(bytes, metadataSchema, `${storage.uri}/${SAVEPOINT_METADATA}`);
  const part = metadata.parts.find((p) => p.slot === slot);
  if (part === undefined || metadata.epoch !== epoch) return undefined;
  const found = await readPart(storage, part);
  if (found.manifest.id !== id) return undefined;
  const segments = found.manifest.keyed.flatMap((k) => k.shards.flatMap((s) => s.segments));
  return { ...part, bytes: segments.reduce((sum, s) => sum + s.length, found.bytes.length) };
}

/**
 * Verifies every part, byte by byte, and writes `_metadata.json`. Repeatable: the second call finds the first one's
 * result and accepts it when it names the same parts. Once `unwanted` fires it reads no more, and the savepoint stays incomplete.
 */
export async function completeSavepoint(
  storage: Storage,
  parts: readonly SavepointPart[],
  unwanted?: AbortSignal,
): Promise<SavepointMetadata> {
  const manifests: Manifest[] = [];
  for (const part of parts) manifests.push(await verifyPart(storage, part, unwanted));
  const [first] = manifests;
  if (first === undefined) throw new WeirError("CHECKPOINT_CORRUPT", `${storage.uri}: a savepoint without parts`);
  refuseMixed(storage, first, manifests);
  const metadata: SavepointMetadata = {
    version: 1,
    namespace: first.namespace,
    job: first.job,
    lineage: first.lineage,
    epoch: first.epoch,
    slots: first.slots,
    maxParallelism: first.maxParallelism,
    planHash: first.planHash,
    nodes: [...first.sources, ...first.keyed].map((s) => s.node),
    bytes: parts.reduce((sum, p) => sum + p.bytes, 0),
    parts: parts
      .map(({ slot, manifest, sha256: hash }) => ({ slot, manifest, sha256: hash }))
      .toSorted((a, b) => a.slot - b.slot),
  };
  const bytes = seal(metadata);
  unwanted?.throwIfAborted();
  if (await storage.create(SAVEPOINT_METADATA, bytes)) return metadata;
  if ((await readDocument(storage, SAVEPOINT_METADATA))?.equals(bytes) === true) return metadata;
  throw new WeirError(
    "WORKER_REFUSED",
    `${storage.uri} already is a savepoint with other parts; take a new one elsewhere`,
  );
}

function refuseMixed(storage: Storage, first: Manifest, manifests: readonly Manifest[]): void {
  const slots = new Set(manifests.map((m) => m.slot));
  const missing = Array.from({ length: first.slots }, (_, slot) => slot).filter((slot) => !slots.has(slot));
  if (missing.length > 0 || manifests.length !== first.slots) {
    throw new WeirError(
      "CHECKPOINT_CORRUPT",
      `${storage.uri}: the savepoint needs one part of each of ${first.slots} slots; missing: ${missing.join(", ") || "none, but some are double"}`,
    );
  }
  const other = manifests.find((m) => m.lineage !== first.lineage || m.epoch !== first.epoch || m.id !== first.id);
  if (other !== undefined) {
    throw new WeirError(
      "CHECKPOINT_CORRUPT",
      `${storage.uri}: slot ${other.slot}'s part belongs to another savepoint or epoch`,
    );
  }
}

async function verifyPart(storage: Storage, part: SavepointPart, signal: AbortSignal | undefined): Promise<Manifest> {
  const { folder, manifest } = await readPart(storage, part);
  await verifySegments(storage, { folder, manifest, signal });
  return manifest;
}

async function readPart(
  storage: Storage,
  part: { slot: number; manifest: string; sha256: string },
): Promise<{ folder: string; manifest: Manifest; bytes: Buffer }> {
  const folder = posix.dirname(posix.normalize(part.manifest));
  const where = `${storage.uri}/${folder}/${MANIFEST}`;
  if (folder.startsWith("..") || folder.startsWith("/"))
    throw new WeirError("CHECKPOINT_CORRUPT", `${where} is outside the savepoint`);
  const found = await readManifest(storage, folder);
  if (found === undefined) throw new WeirError("CHECKPOINT_CORRUPT", `${where} is missing`);
  if (sha256(found.bytes) !== part.sha256 || found.manifest.slot !== part.slot) {
    throw new WeirError("CHECKPOINT_CORRUPT", `${where} is not the part that was reported for slot ${part.slot}`);
  }
  return { folder, ...found };
}

/** The parts of a savepoint with the shards that are wanted. */
export async function loadSavepoint(storage: Storage, wanted: Wanted): Promise<LoadedPart[]> {
  const bytes = await readDocument(storage, SAVEPOINT_METADATA);
  if (bytes === undefined) {
    throw new WeirError(
      "SAVEPOINT_NOT_FOUND",
      `${storage.uri}/${SAVEPOINT_METADATA} does not exist: there is no savepoint, or it was never completed; check the path and the mounted volume`,
    );
  }
  const metadata = unseal(bytes, metadataSchema, `${storage.uri}/${SAVEPOINT_METADATA}`);
  const parts: LoadedPart[] = [];
  for (const part of metadata.parts) {
    const { folder, manifest } = await readPart(storage, part);
    parts.push(await loadPart(storage, folder, manifest, wanted));
  }
  return parts;
}
