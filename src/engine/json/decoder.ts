import { FALSE, MISSING, NULL, OTHER_NUMBER, OTHER_STRING, PLAIN_INT, PLAIN_STRING, TRUE } from "./scan.ts";

/** Makes JavaScript values of scanned ranges. One per program: it remembers short strings, which repeat in streams. */
export interface Decoder {
  (b: Buffer, start: number, end: number, kind: number): unknown;
}

const SLOTS = 4096;
const LONGEST = 48;

export function decoder(): Decoder {
  const known: string[] = Array.from({ length: SLOTS }, () => "");

  const text = (b: Buffer, start: number, end: number): string => {
    const length = end - start;
    if (length > LONGEST) return b.toString("latin1", start, end);
    let hash = length;
    for (let i = start; i < end; i++) hash = Math.imul(hash, 31) + (b[i] as number);
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const held = known[slot] as string;
    if (held.length === length && equals(held, b, start)) return held;
    return (known[slot] = b.toString("latin1", start, end));
  };

  return (b, start, end, kind) => {
    switch (kind) {
      case PLAIN_STRING:
        return text(b, start + 1, end - 1);
      case PLAIN_INT:
        return plainInt(b, start, end);
      case OTHER_NUMBER:
        return Number(b.toString("latin1", start, end));
      case TRUE:
        return true;
      case FALSE:
        return false;
      case NULL:
        return null;
      case MISSING:
        return undefined;
      case OTHER_STRING:
      default:
        return JSON.parse(b.toString("utf8", start, end)) as unknown;
    }
  };
}

function equals(text: string, b: Uint8Array, start: number): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== b[start + i]) return false;
  return true;
}

/** So many digits are within 32 bits: adding them up is several times faster than with doubles. */
const NARROW = 9;
const NARROW_TOP = 1e9;

export function plainInt(b: Uint8Array, start: number, end: number): number {
  const first = b[start] === 45 ? start + 1 : start;
  const split = end - first > NARROW ? end - NARROW : first;
  let low = 0;
  for (let i = split; i < end; i++) low = (low * 10 + (b[i] as number) - 48) | 0;
  if (split === first) return first > start ? -low : low;
  let high = 0;
  for (let i = first; i < split; i++) high = (high * 10 + (b[i] as number) - 48) | 0;
  const value = high * NARROW_TOP + low;
  return first > start ? -value : value;
}

/** Milliseconds since 1970, from 2001 to 2286. */
const TIME_DIGITS = 13;

/** The same of what is a time, most likely: four digits at once. `view` is of the same bytes. */
export function plainTime(b: Uint8Array, start: number, end: number, view: DataView): number {
  if (end - start !== TIME_DIGITS || b[start] === 45) return plainInt(b, start, end);
  const high = (fourDigits(view.getInt32(start, true)) * 10 + (b[start + 4] as number) - 48) | 0;
  const low = (fourDigits(view.getInt32(start + 5, true)) * 10_000 + fourDigits(view.getInt32(start + 9, true))) | 0;
  return high * 1e8 + low;
}

/** The first is in the lowest byte: twos are made of ones side by side, then a four of twos. */
function fourDigits(text: number): number {
  const twos = (Math.imul(text & 0x0f0f0f0f, 10 * 256 + 1) >>> 8) & 0x00ff00ff;
  return Math.imul(twos, 100 * 65_536 + 1) >>> 16;
}
