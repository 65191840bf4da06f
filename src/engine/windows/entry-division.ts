import type { Division } from "../keyed-state/division.ts";
import type { CellLayout } from "./cells.ts";
import { ChunkWriter } from "./chunk-writer.ts";
import { eachPlace } from "./entry-codec.ts";
import type { EntryPlace } from "./entry-codec.ts";
import { NullKeys } from "./null-keys.ts";

/** A saved entry, and how far time had come: at its chunk, and in the end for its shard. */
export interface SavedEntry {
  readonly chunk: Buffer;
  readonly at: EntryPlace;
  readonly written: number;
  readonly watermark: number;
}

export interface EntryRules {
  readonly layout: CellLayout;
  /** The time to go on from. */
  readonly floor: number;
  readonly late?: boolean;
  /** Cells before those of the aggregates; absent where one key has several entries of its own. */
  readonly own?: number;
  /** Refuses what cannot go there. */
  readonly check?: (entry: SavedEntry) => void;
  /** Its bytes, where they are others from now on. */
  readonly changed?: (entry: SavedEntry) => Buffer | undefined;
}

/** Divides what `EntryWriter` wrote. Forms of one entry stay in their order, as all of them go the same way. */
export function entryDivision({ layout, floor, late = false, own, check, changed }: EntryRules): Division {
  const nulls = own === undefined ? undefined : new NullKeys({ layout, own, floor });
  return {
    ...(nulls === undefined ? {} : { end: (shareOf) => nulls.give(shareOf) }),
    late,
    open: () => new ChunkWriter(floor),
    shard: (watermark) => {
      nulls?.next();
      return (chunk, shareOf) => {
        const written = chunk.readDoubleLE(0);
        eachPlace(chunk, layout, (at) => {
          const entry = { chunk, at, written, watermark };
          check?.(entry);
          const bytes = (): Buffer => changed?.(entry) ?? chunk.subarray(at.from, at.to);
          const share = shareOf(chunk, at.keyStart, at.keyStop);
          if (share === undefined || nulls?.takes(at, chunk, bytes) === true) return;
          share.raw(bytes());
        });
      };
    },
  };
}
