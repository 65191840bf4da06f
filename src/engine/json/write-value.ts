import { plain } from "./scan.ts";

/** Writers of the values that are most frequent, byte by byte: that is faster than JSON.stringify and Buffer.write. */

/** What `writeQuickly` says of a value that it leaves to JSON.stringify. */
export const NOT_QUICK = -1;

const LONGEST_TEXT = 64;
/** Of an `isPlainInt`. */
export const MAX_DIGITS = 15;
/** Computed here once: where it is used, a power is computed anew each time. */
const TOO_LONG = 10 ** MAX_DIGITS;
const BILLION = 1e9;
/** The two digits of the numbers below 100. */
const TENS = Uint8Array.from({ length: 100 }, (_, n) => 48 + Math.floor(n / 10));
const ONES = Uint8Array.from({ length: 100 }, (_, n) => 48 + (n % 10));

export const isPlainInt = (value: number): boolean => value >= 0 && value < TOO_LONG && Number.isInteger(value);

/** The digits of an `isPlainInt` at `at`; there is room for them. Gives where they end. */
export function writeDigits(bytes: Uint8Array, at: number, value: number): number {
  if (value < BILLION) return writeShort(bytes, at, { value, digits: digitsOf(value) });
  const high = Math.floor(value / BILLION);
  const from = writeShort(bytes, at, { value: high, digits: digitsOf(high) });
  return writeShort(bytes, from, { value: value - high * BILLION, digits: 9 });
}

function digitsOf(value: number): number {
  let digits = 1;
  for (let limit = 10; value >= limit; limit *= 10) digits++;
  return digits;
}

function writeShort(bytes: Uint8Array, at: number, { value, digits }: { value: number; digits: number }): number {
  let rest = value | 0;
  let w = at + digits - 1;
  for (; w > at; w -= 2) {
    const next = (rest / 100) | 0;
    const two = rest - next * 100;
    bytes[w - 1] = TENS[two] as number;
    bytes[w] = ONES[two] as number;
    rest = next;
  }
  if (w === at) bytes[w] = 48 + rest;
  return at + digits;
}

/** A short plain text as JSON, a plain int, or a list of these; where it ends, or NOT_QUICK, also where room runs out. */
export function writeQuickly(bytes: Uint8Array, at: number, value: unknown): number {
  if (typeof value === "number")
    return isPlainInt(value) && at + MAX_DIGITS <= bytes.length ? writeDigits(bytes, at, value) : NOT_QUICK;
  if (typeof value === "string") return writePlainText(bytes, at, value);
  return Array.isArray(value) ? writeList(bytes, at, value) : NOT_QUICK;
}

function writePlainText(bytes: Uint8Array, at: number, text: string): number {
  const { length } = text;
  if (length > LONGEST_TEXT || at + length + 2 > bytes.length) return NOT_QUICK;
  bytes[at] = 34;
  for (let i = 0; i < length; i++) {
    const c = text.charCodeAt(i);
    if (c > 126 || plain[c] !== 1) return NOT_QUICK;
    bytes[at + 1 + i] = c;
  }
  bytes[at + 1 + length] = 34;
  return at + length + 2;
}

function writeList(bytes: Uint8Array, at: number, list: readonly unknown[]): number {
  if (at + 2 > bytes.length) return NOT_QUICK;
  let to = at;
  bytes[to++] = 91;
  for (let i = 0; i < list.length; i++) {
    if (i > 0) bytes[to++] = 44;
    to = writeQuickly(bytes, to, list[i]);
    if (to < 0 || to + 2 > bytes.length) return NOT_QUICK;
  }
  bytes[to++] = 93;
  return to;
}
