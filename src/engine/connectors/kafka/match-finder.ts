/**
 * Finds what a block repeats of itself, for the two codecs of the LZ77 family: greedy, one candidate per hash of four
 * bytes, faster steps where nothing repeats. The way LZ4's and Snappy's own compressors do it.
 */
export interface SequenceWriter {
  /** `literals` bytes from `from` as they are, then `length` bytes as `distance` before; the last one of a block has length 0. */
  sequence(from: number, literals: number, distance: number, length: number): void;
}

/** The longest block: every distance in it fits into 16 bits. */
export const BLOCK_BYTES = 64 * 1024;
const MIN_MATCH = 4;
/** LZ4 wants the last match to start so far before the block's end, and so many bytes at the end to be literals. */
const LAST_START = 12;
const LAST_LITERALS = 5;
const TABLE_BITS = 14;
/** Shared by all calls: each is synchronous and clears what it uses. */
const table = new Int32Array(1 << TABLE_BITS);

export function findSequences(src: Uint8Array, from: number, to: number, out: SequenceWriter): void {
  const bits = Math.min(TABLE_BITS, Math.max(8, 32 - Math.clz32(to - from)));
  const shift = 32 - bits;
  table.fill(-1, 0, 1 << bits);
  const lastStart = to - LAST_START;
  const lastEnd = to - LAST_LITERALS;
  let anchor = from;
  let at = from;
  while (at < lastStart) {
    const word = word32(src, at);
    const slot = Math.imul(word, 0x9e37_79b1) >>> shift;
    const candidate = table[slot] as number;
    table[slot] = at;
    if (candidate < 0 || word32(src, candidate) !== word) {
      at += 1 + ((at - anchor) >> 6);
      continue;
    }
    const distance = at - candidate;
    let end = at + MIN_MATCH;
    while (end < lastEnd && src[end] === src[end - distance]) end++;
    out.sequence(anchor, at - anchor, distance, end - at);
    at = anchor = end;
  }
  out.sequence(anchor, to - anchor, 0, 0);
}

function word32(src: Uint8Array, at: number): number {
  return (
    (src[at] as number) |
    ((src[at + 1] as number) << 8) |
    ((src[at + 2] as number) << 16) |
    ((src[at + 3] as number) << 24)
  );
}

/** Shorter ranges are copied byte by byte: a native call costs more. */
const SHORT = 24;

/** Copies literals. The ranges are the caller's to check. */
// oxlint-disable-next-line max-params -- an object for each literal would cost more than the copy
export function copyLiterals(src: Uint8Array, from: number, out: Uint8Array, at: number, length: number): void {
  if (length > SHORT) {
    out.set(src.subarray(from, from + length), at);
    return;
  }
  for (let i = 0; i < length; i++) out[at + i] = src[from + i] as number;
}

/** Repeats what stands `distance` before; a distance below the length repeats what it has just written. */
export function copyMatch(out: Uint8Array, at: number, distance: number, length: number): void {
  if (length > SHORT && distance >= length) {
    out.copyWithin(at, at - distance, at - distance + length);
    return;
  }
  for (let i = at, end = at + length; i < end; i++) out[i] = out[i - distance] as number;
}
