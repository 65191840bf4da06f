import { fieldCopy } from "./stored-value.ts";
import type { Field } from "./stored-value.ts";

/** Everything that is kept of one key. */
export interface KeyEntry {
  /** The key's JSON. */
  readonly key: string;
  readonly fields: Map<string, Field>;
  readonly timers: Map<string, number>;
  /** When a field was last changed: the event's time or the watermark, whichever is later. */
  writtenAt: number;
  /** Snapshot epoch in which it was made or copied. */
  readonly epoch: number;
}

export const newEntry = (key: string, epoch: number): KeyEntry => ({
  key,
  fields: new Map(),
  timers: new Map(),
  writtenAt: Number.NEGATIVE_INFINITY,
  epoch,
});

/** A copy that shares nothing that can change. */
export function entryCopy(entry: KeyEntry, epoch: number): KeyEntry {
  const fields = new Map([...entry.fields].map(([name, field]) => [name, fieldCopy(field)]));
  return { ...entry, fields, timers: new Map(entry.timers), epoch };
}

/** Whether the state of a key is over its time to live. Its timers are not: each is due when it is due. */
export const isForgotten = ({ writtenAt }: KeyEntry, ttlMs: number, now: number): boolean =>
  ttlMs > 0 && writtenAt + ttlMs <= now;

/** Whether there is anything of it worth keeping. */
export const isLive = (entry: KeyEntry, ttlMs: number, now: number): boolean =>
  entry.timers.size > 0 || (entry.fields.size > 0 && !isForgotten(entry, ttlMs, now));

/** Whether nothing is left in it. A checkpoint that adds to an earlier one says so of a key that went. */
export const isGone = ({ fields, timers }: KeyEntry): boolean => fields.size === 0 && timers.size === 0;
