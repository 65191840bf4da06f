import { z } from "zod";

/** Names and ids; a foreign document must not be a way to fill memory or a log. */
const name = z.string().max(4096);
const MANY = 1_000_000;

/** A run of encoded entries: one chunk of a snapshot. `file` is relative to the manifest's folder, so a savepoint can move. */
const segment = z.object({
  file: z
    .string()
    .max(512)
    .regex(/^(\.\.\/[0-9]+\/)?[A-Za-z0-9._-]+$/),
  offset: z.int().min(0),
  length: z.int().min(0),
  crc32: z.int().min(0),
});
export type Segment = z.infer<typeof segment>;

/** JSON has no −∞: null is a watermark that has not advanced, "end" one past everything. */
const watermark = z.union([z.number(), z.null(), z.literal("end")]);
export type SavedWatermark = z.infer<typeof watermark>;

const sourceState = z.object({
  node: name,
  /** Number of splits of the whole source: keys of a declared source move when it changes. */
  splitCount: z.int(),
  /** Hash of the ids of all splits in index order: tells whether new ones came in between. */
  listing: name.optional(),
  watermark,
  splits: z
    .array(
      z.object({
        id: name,
        index: z.int().min(0),
        position: z.record(z.string(), z.unknown()),
        watermark,
      }),
    )
    .max(MANY),
});
export type SourceState = z.infer<typeof sourceState>;

const keyedState = z.object({
  node: name,
  stateVersion: z.int(),
  stateSignature: z.string().max(65_536),
  watermark,
  shards: z.array(z.object({ shard: z.int().min(0), segments: z.array(segment).max(MANY) })).max(32_768),
});
export type KeyedState = z.infer<typeof keyedState>;

/**
 * One slot's part of a checkpoint or savepoint, written last: a checkpoint exists when its manifest does. Later versions
 * may let `segment.file` point into an earlier checkpoint of the slot (`../<id>/…`).
 */
export const manifestSchema = z.object({
  version: z.literal(1),
  namespace: name,
  job: name,
  jobUid: name,
  lineage: name,
  epoch: z.int(),
  attempt: z.int(),
  slot: z.int(),
  slots: z.int(),
  /** Number of the checkpoint in its slot and epoch; the savepoint's name for a savepoint. */
  id: z.union([z.int(), name]),
  takenAt: z.number(),
  /** A savepoint held the sources: a worker that restarts in the same epoch must not read past it either. */
  held: z.boolean().default(false),
  /** Whether the user had paused the sources, which may be otherwise than at the epoch's launch; absent in savepoints. */
  paused: z.boolean().optional(),
  /** The last savepoint beside the work that this slot has made its cut for: since then others may have gone on. */
  cut: name.optional(),
  /** The savepoint that is on its way through the topics between workers: this slot may have written its barrier. */
  crossing: name.optional(),
  planHash: name,
  maxParallelism: z.int(),
  /** By node, what schemas said of its key; absent where they said nothing, and in what an older version wrote. */
  keyTypes: z.record(name, name).optional(),
  sources: z.array(sourceState).max(1_000),
  keyed: z.array(keyedState).max(1_000),
  /** What sinks must finish or undo; only of sinks that commit. `decides`: the sink's system says whether this counts. */
  sinks: z.array(z.object({ node: name, handle: z.unknown(), decides: z.literal(true).optional() })).max(1_000),
});
export type Manifest = z.infer<typeof manifestSchema>;

export function saveWatermark(value: number): SavedWatermark {
  if (value === Infinity) return "end";
  return value === -Infinity ? null : value;
}

/**
 * Past everything is where a drain or an end of the input came to. It is not restored: a source that goes on after all
 * would find every record late, and one that has ended says so again.
 */
export function loadWatermark(saved: SavedWatermark): number {
  return saved === "end" ? -Infinity : (saved ?? -Infinity);
}
