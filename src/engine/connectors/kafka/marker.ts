import { z } from "zod";
import { WeirError } from "../../../errors.ts";
import type { SinkContext, Writing } from "../connector.ts";
import type { MarkedOffset } from "./transaction-calls.ts";

/**
 * The metadata of the offset that a transaction commits beside its records: it says which checkpoint they belong to, and
 * is there if and only if they are. `n` null: what was there before had been forgotten. `heir`: the epoch that has taken over.
 */
const markerSchema = z.object({
  attempt: z.int(),
  n: z.int().min(0).nullable(),
  heir: z.int().optional(),
});
export type Marker = z.infer<typeof markerSchema>;

/** Name of the transactional id of one slot of one epoch, and of the group that its marker is kept in. */
export const transactionalId = (lineage: string, { epoch, slot }: Writing): string =>
  `weir.${lineage}.${epoch}.${slot}`;

export interface FoundMarker {
  readonly marker: Marker;
  readonly topic: string;
}

/** A group of that name has one offset, wherever the sink's topic was then. */
export function findMarker(offsets: readonly MarkedOffset[]): FoundMarker | undefined {
  for (const { topic, metadata } of offsets) {
    const parsed = markerSchema.safeParse(jsonOf(metadata));
    if (parsed.success) return { marker: parsed.data, topic };
  }
  return undefined;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export const isOwn = (of: Writing, me: Writing): boolean => of.epoch === me.epoch && of.slot === me.slot;

/** Whoever was replaced learns it here, before it takes anything away from its successor. */
export function refuseReplaced(found: FoundMarker | undefined, of: Writing, me: SinkContext): void {
  if (found === undefined) return;
  const { heir = 0, attempt } = found.marker;
  if (heir > me.epoch) throw replaced(me, `epoch ${heir} has taken over`);
  if (isOwn(of, me) && attempt > me.attempt) throw replaced(me, `attempt ${attempt} has taken over`);
}

function replaced({ epoch, slot, attempt }: SinkContext, why: string): WeirError {
  return new WeirError(
    "WORKER_REFUSED",
    `slot ${slot}, attempt ${attempt} of epoch ${epoch} was replaced and must not go on: ${why}`,
  );
}
