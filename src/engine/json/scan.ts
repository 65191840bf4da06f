/**
 * A JSON tokenizer over bytes. It accepts a subset of RFC 8259 that covers nearly every record and says ODD for anything
 * else, valid or not (deep nesting, escaped field names, malformed text): the caller then asks JSON.parse, which decides.
 *
 * Nothing here checks the end of the record: past it are other records or nothing, and a caller that does not stop
 * exactly at the end treats the record as odd. That saves a comparison per byte.
 */
export const ODD = -1;

/** Kinds of value that a scan tells; `end * 16 + kind` in one number, so that a scan allocates nothing. */
export const MISSING = 0;
/** ASCII without escapes: its bytes are its canonical JSON. */
export const PLAIN_STRING = 1;
export const OTHER_STRING = 2;
/** At most 15 digits, not −0: its bytes are its canonical JSON. */
export const PLAIN_INT = 3;
export const OTHER_NUMBER = 4;
export const TRUE = 5;
export const FALSE = 6;
export const NULL = 7;
export const OBJECT = 8;
export const ARRAY = 9;
/** Came through JSON.parse: there is a value and no bytes. */
export const PARSED = 10;

/** Offsets fit into a scan's result up to here. */
export const MAX_SCAN_BYTES = 1 << 27;

const MAX_DEPTH = 32;
/** 1.8e308 is the largest double. */
const MOST_DIGITS = 300;
const QUOTE = 34;
const BACKSLASH = 92;

/** 1 for the bytes of a plain string. */
export const plain = Uint8Array.from({ length: 256 }, (_, c) =>
  c >= 0x20 && c < 0x80 && c !== QUOTE && c !== BACKSLASH ? 1 : 0,
);
const escapable = Uint8Array.from({ length: 256 }, (_, c) => ('"\\/bfnrt'.includes(String.fromCharCode(c)) ? 1 : 0));

/** Position of the first byte at or after p that is not JSON white space. */
export function skipSpace(b: Uint8Array, p: number): number {
  let q = p;
  for (let c = b[q] as number; c === 32 || c === 10 || c === 13 || c === 9; c = b[q] as number) q++;
  return q;
}

/** Scans the value at p: `end * 16 + kind`, or ODD. */
export function scanValue(b: Uint8Array, p: number, depth: number): number {
  switch (b[p]) {
    case QUOTE:
      return scanString(b, p);
    case 123:
      return scanObject(b, p, depth);
    case 91:
      return scanArray(b, p, depth);
    case 116:
    case 102:
    case 110:
      return scanWord(b, p);
    default:
      return scanNumber(b, p);
  }
}

function scanWord(b: Uint8Array, p: number): number {
  if (isTrue(b, p)) return (p + 4) * 16 + TRUE;
  if (b[p] === 102 && b[p + 1] === 97 && b[p + 2] === 108 && b[p + 3] === 115 && b[p + 4] === 101)
    return (p + 5) * 16 + FALSE;
  return b[p] === 110 && b[p + 1] === 117 && b[p + 2] === 108 && b[p + 3] === 108 ? (p + 4) * 16 + NULL : ODD;
}

const isTrue = (b: Uint8Array, p: number): boolean =>
  b[p] === 116 && b[p + 1] === 114 && b[p + 2] === 117 && b[p + 3] === 101;

export function scanString(b: Uint8Array, p: number): number {
  let q = p + 1;
  while (plain[b[q] as number] === 1) q++;
  return b[q] === QUOTE ? (q + 1) * 16 + PLAIN_STRING : scanOtherString(b, q);
}

function scanOtherString(b: Uint8Array, p: number): number {
  let q = p;
  for (;;) {
    const c = b[q];
    if (c === undefined || c < 0x20) return ODD;
    if (c === QUOTE) return (q + 1) * 16 + OTHER_STRING;
    if (c !== BACKSLASH) q++;
    else if (escapable[b[q + 1] as number] === 1) q += 2;
    else if (b[q + 1] === 117 && isHex4(b, q + 2)) q += 6;
    else return ODD;
  }
}

function isHex4(b: Uint8Array, p: number): boolean {
  for (let i = p; i < p + 4; i++) {
    const c = (b[i] as number) | 0x20;
    if (!((c >= 48 && c <= 57 && b[i] === c) || (c >= 97 && c <= 102))) return false;
  }
  return true;
}

const isDigit = (c: number | undefined): boolean => c !== undefined && c >= 48 && c <= 57;

function skipDigits(b: Uint8Array, p: number): number {
  let q = p;
  while (isDigit(b[q])) q++;
  return q;
}

export function scanNumber(b: Uint8Array, p: number): number {
  const first = b[p] === 45 ? p + 1 : p;
  if (!isDigit(b[first])) return ODD;
  const q = b[first] === 48 ? first + 1 : skipDigits(b, first);
  const c = b[q];
  if (c === 46 || c === 101 || c === 69) return scanFraction(b, q);
  const minusZero = b[first] === 48 && first > p;
  return q * 16 + (q - first <= 15 && !minusZero ? PLAIN_INT : OTHER_NUMBER);
}

/**
 * The kind of the value that is exactly b[start, end). Keys lie back to back in a table: behind a number may come the digits
 * of the next, which a scan would run through to the end of them all.
 */
export function kindWithin(b: Uint8Array, start: number, end: number): number {
  if (b[start] === 91) return ARRAY; // a key is canonical JSON: what is in the list need not be looked at
  let q = b[start] === 45 ? start + 1 : start;
  if (!isDigit(b[q])) return scanValue(b, start, 0) & 15;
  if (end - q > 15 || (b[q] === 48 && q > start)) return OTHER_NUMBER;
  while (q < end && isDigit(b[q])) q++;
  return q === end ? PLAIN_INT : OTHER_NUMBER;
}

/** Whether a scanned number is certainly no larger than a double can be: few digits, and no exponent. */
export function isWithinDoubles(b: Uint8Array, start: number, end: number): boolean {
  if (end - start > MOST_DIGITS) return false;
  for (let i = start; i < end; i++) if (((b[i] as number) | 0x20) === 101) return false;
  return true;
}

function scanFraction(b: Uint8Array, p: number): number {
  let q = p;
  if (b[q] === 46) {
    const stop = skipDigits(b, q + 1);
    if (stop === q + 1) return ODD;
    q = stop;
  }
  if (b[q] === 101 || b[q] === 69) {
    q++;
    if (b[q] === 43 || b[q] === 45) q++;
    const stop = skipDigits(b, q);
    if (stop === q) return ODD;
    q = stop;
  }
  return q * 16 + OTHER_NUMBER;
}

function scanObject(b: Uint8Array, p: number, depth: number): number {
  if (depth >= MAX_DEPTH) return ODD;
  let q = skipSpace(b, p + 1);
  if (b[q] === 125) return (q + 1) * 16 + OBJECT;
  for (;;) {
    if (b[q] !== QUOTE) return ODD;
    const name = scanString(b, q);
    if (name < 0) return ODD;
    q = skipSpace(b, name >>> 4);
    if (b[q] !== 58) return ODD;
    const value = scanValue(b, skipSpace(b, q + 1), depth + 1);
    if (value < 0) return ODD;
    q = skipSpace(b, value >>> 4);
    if (b[q] === 125) return (q + 1) * 16 + OBJECT;
    if (b[q] !== 44) return ODD;
    q = skipSpace(b, q + 1);
  }
}

function scanArray(b: Uint8Array, p: number, depth: number): number {
  if (depth >= MAX_DEPTH) return ODD;
  let q = skipSpace(b, p + 1);
  if (b[q] === 93) return (q + 1) * 16 + ARRAY;
  for (;;) {
    const value = scanValue(b, q, depth + 1);
    if (value < 0) return ODD;
    q = skipSpace(b, value >>> 4);
    if (b[q] === 93) return (q + 1) * 16 + ARRAY;
    if (b[q] !== 44) return ODD;
    q = skipSpace(b, q + 1);
  }
}

/**
 * The closing quote of a field name that is not plain ASCII, or ODD where an escape could spell any name. `p` is behind
 * the opening quote.
 */
export function endOfName(b: Uint8Array, p: number): number {
  let q = p;
  for (;;) {
    const c = b[q];
    if (c === undefined || c < 0x20 || c === BACKSLASH) return ODD;
    if (c === QUOTE) return q;
    q++;
  }
}
