/**
 * What records of one shape have in common: the bytes between their values, blanks included. The records of a stream
 * repeat them, so they are compared with those of an earlier record, sixteen at a time, and only values are scanned.
 *
 * A layout is a list of steps, which layout.wat takes one by one: bytes that are compared, and what comes behind them.
 */
export interface Step {
  /** At most STEP_BYTES. The quote that opens a text is among them. */
  readonly bytes: readonly number[];
  /** How many of them come before the value. */
  readonly length: number;
  readonly kind: number;
  /** Of the field that has this value; −1 where nobody asks for it. */
  readonly slot: number;
}

/** What comes behind the bytes of a step. More of them: */
export const MORE = 0;
export const TEXT = 1;
export const NUMBER = 2;
export const OTHER = 3;
/** No value: a field that records of this shape do not have. */
export const MISSING_FIELD = 4;
/** The end of the record. */
export const END = 5;

export const STEP_BYTES = 16;

/** Numbers of 32 bits in a row for each slot: where its value starts and ends in the batch, its kind, and one to spare. */
const SLOT_INTS = 4;

/** A row begins with whether there is anything in it. Values that nobody asks for are told there, before. */
export const rowInts = (slots: number): number => (slots + 1) * SLOT_INTS;
export const slotInts = (slot: number): number => (slot + 1) * SLOT_INTS;

/**
 * The bytes; a mask of those that count; the length; the kind; how long the value was in the last record, and how often that
 * was wrong; the same of what is behind its point; where in a row the value is told, in bytes.
 */
export const STEP_SIZE = 32;

export function layoutBytes(steps: readonly Step[]): Uint8Array {
  const layout = Buffer.alloc(steps.length * STEP_SIZE);
  for (const [i, { bytes, length, kind, slot }] of steps.entries()) {
    const at = i * STEP_SIZE;
    layout.set(bytes, at);
    layout.writeUInt16LE(2 ** bytes.length - 1, at + STEP_BYTES);
    layout.writeUInt8(length, at + STEP_BYTES + 2);
    layout.writeUInt8(kind, at + STEP_BYTES + 3);
    layout.writeInt32LE(slotInts(slot) * Int32Array.BYTES_PER_ELEMENT, at + STEP_BYTES + 12);
  }
  return layout;
}
