import { z } from "zod";
import { exchange, restorePoint } from "../api/worker-protocol.ts";

/** Words of the user that count once. */
const used = z.object({
  startFrom: z.string().optional(),
  emptyState: z.string().optional(),
  replay: z.string().optional(),
});

/**
 * `status.internal`: what the lifecycle must remember and no user reads. An unreadable memory is an error, never an
 * empty one: forgetting the restore point would lose state.
 */
const launched = z.object({
  epoch: z.number().int(),
  slots: z.number().int(),
  hash: z.string(),
  generation: z.number().int(),
  /** Where this epoch itself started from. */
  restore: restorePoint,
  /** What a place that the user named took the place of; it comes back when there is nothing to restore there. */
  replaced: z.object({ restorePoint: restorePoint.optional(), used }).optional(),
  /** Relaunched from the ConfigMap of this earlier epoch. */
  copyOf: z.number().int().optional(),
  /** Keys go to their workers through topics of this generation. */
  exchange: exchange.optional(),
  /** Its checkpoints outlive its workers; absent in what an older version has launched. */
  durable: z.boolean().optional(),
  /** A worker of it ran, so its folder says where it came from: a slot without a checkpoint falls back to that. */
  ran: z.boolean().optional(),
  /** All workers have been seen running in this epoch. */
  stable: z.boolean().optional(),
  /** Its workers have been told to end; no pod is created any more. */
  ending: z.boolean().optional(),
});
export type Launched = z.infer<typeof launched>;

const slot = z.object({
  slot: z.number().int(),
  attempt: z.number().int(),
  /** Failures of this attempt's container that are already counted. */
  failures: z.number().int(),
  /** Its loss is already counted. */
  lost: z.boolean().optional(),
  /** The pod has been seen: when it is missing now, it was lost. */
  seen: z.boolean(),
});
export type SlotMemory = z.infer<typeof slot>;

export const memory = z.object({
  launched: launched.optional(),
  slots: z.array(slot).default([]),
  /** What the fields had that the job's state fixes, when the newest epoch was opened. */
  fixed: z.object({ engine: z.string(), maxParallelism: z.number().int() }).optional(),
  /** Where the next epoch starts from. */
  restorePoint: restorePoint.optional(),
  /** While nothing runs: the topics between workers in which the newest checkpoints hold positions. */
  exchange: exchange.optional(),
  /** Workers may have left topics on Kafka that they kept for each other. */
  topics: z.boolean().optional(),
  /** Why nothing runs, and the generation this was decided at. */
  ended: z
    .object({ reason: z.enum(["Stopped", "Completed", "Failed"]), code: z.string(), generation: z.number().int() })
    .optional(),
  /** Times of the newest failures, for the restart strategy. */
  failures: z.array(z.number()).default([]),
  used: used.default({}),
  /** Place named by the start verb for the next start. */
  startAs: z.string().optional(),
  /** A restart asked for and not begun. */
  restart: z.object({ from: z.enum(["LatestSavepoint", "LatestCheckpoint"]), by: z.string() }).optional(),
  savepoint: z.object({ by: z.string() }).optional(),
  /** The last parallelism that ran, and one that did not come up. */
  stableSlots: z.number().int().optional(),
  refused: z.object({ slots: z.number().int(), generation: z.number().int(), message: z.string() }).optional(),
  /** The state that policies have been told of: a difference is an event for them. */
  told: z.string().optional(),
  /** When a measurement was last written, ms. */
  measuredAt: z.number().optional(),
});
export type Memory = z.infer<typeof memory>;

export function readMemory(internal: unknown): Memory {
  return memory.parse(internal ?? {});
}
