import { WeirError } from "../../errors.ts";

/** Saved state of one shard on its way together: as much as is there is taken as a chunk. */
export interface Share {
  /** Adds an entry in its saved form. */
  raw(bytes: Uint8Array): void;
  empty(): boolean;
  full(): boolean;
  take(): Buffer;
}

/** Where the entries of a key go; nowhere, where another worker has the key. */
export type ShareOf = (key: Uint8Array, start: number, stop: number) => Share | undefined;

/**
 * Takes saved shards apart by their keys, where these are in other shards from now on: splits had each their own time, and
 * what is put together goes on from one, the lowest of all. So nothing is over too early or late for no reason.
 */
export interface Division {
  /** A shard that is put together. */
  open(): Share;
  /** Begins a saved shard that has come to `watermark`; what it gives takes its chunks in their order. */
  shard(watermark: number): (chunk: Buffer, shareOf: ShareOf) => void;
  /** The shard is through: refuses what it has in the end and cannot go there. */
  check?(): void;
  /** All shards were there: adds what needed all of them. */
  end?(shareOf: ShareOf): void;
  /** What is late is late in shards without keys, too, so that these must be there. */
  readonly late: boolean;
}

const text = (watermark: number): string =>
  Number.isFinite(watermark) ? new Date(watermark).toISOString() : "no time at all";

/** What one worker has given already, and another has not, cannot be told apart when their keys meet. */
export function refuseGiven(node: string, { given, floor }: { given: number; floor: number }): never {
  throw new WeirError(
    "RESTORE_REFUSED",
    `node ${node} has given results up to ${text(given)} for some splits of its source, and up to ${text(floor)} for others, so some would be given again when keys go by their hash; put partitionedBy back, start the job with parallelism 1, and change it when it has read on from there, or stop it with drain`,
  );
}
