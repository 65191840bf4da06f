import { DATAGEN_DEFAULTS, type DatagenSource } from "../../../api/datagen.schema.ts";

/** When the records of one split are there: the backlog from the job's first start on, then at the rate. */
export interface SplitSchedule {
  /** Records of the split that ever exist; infinite for an endless source. */
  readonly total: number;
  /** How many records exist at `now`. */
  available(startedAt: number, now: number): number;
  /** When record `index` comes into being. */
  availableAt(startedAt: number, index: number): number;
}

export function splitSchedule(config: DatagenSource, split: number): SplitSchedule {
  const splits = config.splits ?? DATAGEN_DEFAULTS.splits;
  const rate = (config.rate ?? DATAGEN_DEFAULTS.rate) / splits / 1000;
  const backlog = share(config.backlog ?? DATAGEN_DEFAULTS.backlog, split, splits);
  const total = config.count === undefined ? Infinity : share(config.count, split, splits);
  if (rate === 0) {
    return { total, available: () => total, availableAt: (startedAt) => startedAt };
  }
  return {
    total,
    available: (startedAt, now) => Math.min(total, backlog + Math.max(0, Math.floor((now - startedAt) * rate))),
    availableAt: (startedAt, index) => (index < backlog ? startedAt : startedAt + (index + 1 - backlog) / rate),
  };
}

/** This split's part of a number over all splits; the lower splits take the rest. */
function share(all: number, split: number, splits: number): number {
  return Math.floor(all / splits) + (split < all % splits ? 1 : 0);
}
