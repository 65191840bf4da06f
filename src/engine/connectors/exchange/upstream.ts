import { z } from "zod";
import type { Marker } from "./envelope.ts";

/**
 * What one partition has heard of those who write it: all that is known of the newest epoch that has spoken, and how far
 * time has come. The watermark is the lowest of that epoch's slots, none of which may be unheard; until then what the epochs
 * before have said holds. Never goes back.
 */
export interface Upstream {
  hear(marker: Marker): void;
  readonly watermark: number;
  /** Nobody who has not ended reads anything now, and there is somebody. */
  readonly idle: boolean;
  readonly ended: boolean;
  /** Whether both have heard the same of the same slots, how far ever time had come for either before. */
  agrees(other: Upstream): boolean;
  readonly heard: { readonly epoch: number; readonly slots: readonly (Heard | undefined)[] };
  /**
   * Everybody's barrier `id` was heard, or its end: nothing comes behind that, and who has heard all ends reads no further. In
   * a drain the end may be committed before the barrier is written.
   */
  passed(id: string): boolean;
  save(): SavedUpstream;
}

/**
 * A slot says the same to all partitions: where one has heard something else than another, there is more to read in one
 * of them, whose records may be older than what the other is at. So the partitions of a reader are idle together or not at all.
 */
export function idleTogether(upstreams: Iterable<Upstream>): boolean {
  const [first, ...others] = [...upstreams].filter((upstream) => !upstream.ended);
  return first?.idle === true && others.every((upstream) => upstream.agrees(first));
}

/** Infinity is "end", −Infinity null. */
const time = z.union([z.number(), z.literal("end"), z.null()]);

export const savedUpstream = z.object({
  watermark: time,
  epoch: z.int(),
  slots: z.array(
    z.object({ watermark: time, idle: z.literal(true).optional(), ended: z.literal(true).optional() }).nullable(),
  ),
  barriers: z.array(z.object({ id: z.string(), of: z.array(z.int()) })).optional(),
});
export type SavedUpstream = z.infer<typeof savedUpstream>;

/** One slot may write the next while another has not written the one before; and who waits for one looks now and then. */
const BARRIERS = 4;

export interface Heard {
  readonly watermark: number;
  readonly idle: boolean;
  readonly ended: boolean;
}

/**
 * `readerEpoch`: an end that an earlier epoch spoke of is none for a later one, which goes on where that one stopped, and
 * speaks of it itself.
 */
export function upstreamOf(readerEpoch: number, saved?: SavedUpstream): Upstream {
  const kept = saved !== undefined && saved.epoch >= readerEpoch ? saved : undefined;
  let epoch = kept?.epoch ?? -1;
  let slots: (Heard | undefined)[] = kept?.slots.map(load) ?? [];
  /** Whose barriers were heard, the newest first heard last. */
  const barriers = new Map((kept?.barriers ?? []).map(({ id, of }) => [id, new Set(of)]));
  let watermark = floorOf(saved, kept !== undefined);

  const all = (): readonly Heard[] | undefined => {
    const heard = slots.filter((slot) => slot !== undefined);
    return heard.length > 0 && heard.length === slots.length ? heard : undefined;
  };
  const hearBarrier = (id: string, slot: number): void => {
    const of = barriers.get(id) ?? new Set();
    barriers.set(id, of.add(slot));
    const [oldest] = barriers.keys();
    if (barriers.size > BARRIERS && oldest !== undefined) barriers.delete(oldest);
  };
  const advance = (): void => {
    const reading = all()?.filter((slot) => !slot.ended && !slot.idle);
    if (reading === undefined) return;
    if (reading.length === 0 && !isEnded()) return;
    const lowest = Math.min(...reading.map((slot) => slot.watermark));
    if (lowest === Infinity && epoch < readerEpoch) return;
    watermark = Math.max(watermark, lowest);
  };
  const hasEnded = (slot: Heard | undefined): boolean => epoch >= readerEpoch && slot?.ended === true;
  const isEnded = (): boolean => all()?.every(hasEnded) === true;
  return {
    hear: (marker) => {
      if (marker.epoch < epoch) return;
      if (marker.epoch > epoch || marker.slots !== slots.length) {
        epoch = marker.epoch;
        slots = Array.from({ length: marker.slots }, () => undefined);
        barriers.clear();
      }
      slots[marker.slot] = { watermark: marker.watermark, idle: marker.idle, ended: marker.ended };
      if (marker.barrier !== undefined) hearBarrier(marker.barrier, marker.slot);
      advance();
    },
    get watermark() {
      return watermark;
    },
    get idle() {
      const left = all()?.filter((slot) => !slot.ended) ?? [];
      return left.length > 0 && left.every((slot) => slot.idle);
    },
    get ended() {
      return isEnded();
    },
    get heard() {
      return { epoch, slots };
    },
    agrees: ({ heard }) => {
      const same = (a: Heard | undefined, b: Heard | undefined): boolean =>
        a?.watermark === b?.watermark && a?.idle === b?.idle && a?.ended === b?.ended;
      return (
        heard.epoch === epoch && heard.slots.length === slots.length && slots.every((s, i) => same(s, heard.slots[i]))
      );
    },
    passed: (id) => slots.length > 0 && slots.every((slot, i) => barriers.get(id)?.has(i) === true || hasEnded(slot)),
    save: () => ({
      watermark: save(watermark),
      epoch,
      slots: slots.map((slot) =>
        slot === undefined
          ? null
          : {
              watermark: save(slot.watermark),
              ...(slot.idle ? { idle: true as const } : {}),
              ...(slot.ended ? { ended: true as const } : {}),
            },
      ),
      ...(barriers.size === 0 ? {} : { barriers: [...barriers].map(([id, of]) => ({ id, of: [...of] })) }),
    }),
  };
}

/** To a later epoch, the end of time is where an earlier one came to, not where it begins. */
function floorOf(saved: SavedUpstream | undefined, sameEpoch: boolean): number {
  const floor = saved === undefined ? -Infinity : loadTime(saved.watermark);
  return floor === Infinity && !sameEpoch ? -Infinity : floor;
}

const load = (slot: SavedUpstream["slots"][number]): Heard | undefined =>
  slot === null
    ? undefined
    : { watermark: loadTime(slot.watermark), idle: slot.idle === true, ended: slot.ended === true };

function save(value: number): SavedUpstream["watermark"] {
  if (value === Infinity) return "end";
  return value === -Infinity ? null : value;
}

function loadTime(saved: SavedUpstream["watermark"]): number {
  if (saved === "end") return Infinity;
  return saved ?? -Infinity;
}
