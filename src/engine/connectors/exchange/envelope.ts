import { WeirError } from "../../../errors.ts";
import type { OutRecord } from "../connector.ts";

/**
 * What a value in an exchange topic looks like: a byte that says what it is; of a record, its event time as a double, as
 * Kafka's timestamps hold neither fractions nor what was before 1970, then the value. Markers have no key.
 */
const Kind = { Record: 0, Tombstone: 1, Marker: 2 } as const;
export const HEADER = 9;

/** All that a slot says to one partition besides records. It holds all of it, so that the last one is enough. */
export interface Marker {
  readonly epoch: number;
  readonly slot: number;
  /** How many slots that epoch has. */
  readonly slots: number;
  readonly watermark: number;
  readonly idle: boolean;
  readonly ended: boolean;
  /** A savepoint that everything before this belongs to. */
  readonly barrier: string | undefined;
}

/** Writes the record's value into `target`, grown where it must be; gives the buffer that it is in, and its end there. */
export function wrapValue({ value, start, end, ts }: OutRecord, target: Buffer): { buf: Buffer; end: number } {
  const length = Math.max(0, end - start);
  const buf = target.length >= HEADER + length ? target : Buffer.allocUnsafeSlow(2 * (HEADER + length));
  buf[0] = end < start ? Kind.Tombstone : Kind.Record;
  buf.writeDoubleBE(ts, 1);
  if (length > 0) value.copy(buf, HEADER, start, end);
  return { buf, end: HEADER + length };
}

export type Unwrapped = "record" | "tombstone" | "marker";

/** What the value at `at` is; of a record, the value itself begins HEADER bytes behind. */
export function kindOf(buf: Buffer, at: number, length: number): Unwrapped {
  const kind = length > 0 ? buf[at] : -1;
  if (kind === Kind.Marker && length >= MARKER) return "marker";
  if (length >= HEADER && kind === Kind.Record) return "record";
  if (length >= HEADER && kind === Kind.Tombstone) return "tombstone";
  throw new WeirError(
    "RECORD_MALFORMED",
    `a record that Weir has not written is in a topic between the workers of a job, or one of a newer Weir (kind ${kind})`,
  );
}

export const eventTimeAt = (buf: Buffer, at: number): number => buf.readDoubleBE(at + 1);

/** Kind, epoch, slot, slots, flags, watermark. */
const MARKER = 1 + 4 + 2 + 2 + 1 + 8;
const IDLE = 1;
const ENDED = 2;
const BARRIER = 4;

export function encodeMarker({ epoch, slot, slots, watermark, idle, ended, barrier }: Marker): Buffer {
  const head = Buffer.alloc(MARKER);
  head[0] = Kind.Marker;
  head.writeUInt32BE(epoch, 1);
  head.writeUInt16BE(slot, 5);
  head.writeUInt16BE(slots, 7);
  head[9] = (idle ? IDLE : 0) | (ended ? ENDED : 0) | (barrier === undefined ? 0 : BARRIER);
  head.writeDoubleBE(watermark, 10);
  return barrier === undefined ? head : Buffer.concat([head, Buffer.from(barrier)]);
}

export function decodeMarker(buf: Buffer, at: number, length: number): Marker {
  const flags = buf[at + 9] as number;
  return {
    epoch: buf.readUInt32BE(at + 1),
    slot: buf.readUInt16BE(at + 5),
    slots: buf.readUInt16BE(at + 7),
    watermark: buf.readDoubleBE(at + 10),
    idle: (flags & IDLE) !== 0,
    ended: (flags & ENDED) !== 0,
    barrier: (flags & BARRIER) === 0 ? undefined : buf.toString("utf8", at + MARKER, at + length),
  };
}
