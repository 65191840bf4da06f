import { PLAIN_STRING, scanNumber, scanString, scanValue } from "./scan.ts";

/** How a value is scanned. */
export const TEXT = 0;
export const NUMBER = 1;
export const OTHER = 2;
/** There is none: behind the last bytes. */
export const END = 3;

/**
 * What records of one shape have in common: the bytes between their values, blanks included. The records of a stream
 * repeat them, so they are compared with those of an earlier record, four at a time, and only values are scanned.
 *
 * `program` has for each value: how many bytes come before it; how many whole words of them are compared; these words;
 * what is left of them as one word, and its mask; the kind of the value; its slot, or −1.
 */
export class Layout {
  /** Of the last record that fitted, by slot. What the shape does not have is missing in all of them. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly types: Int32Array;
  private readonly program: Int32Array;

  constructor(program: Int32Array, slots: number) {
    this.program = program;
    this.starts = new Int32Array(slots);
    this.ends = new Int32Array(slots);
    this.types = new Int32Array(slots);
  }

  /** Whether the record in b[start, end) has this shape; one that has not may be sound all the same. `view` is of b. */
  fits(b: Uint8Array, view: DataView, start: number, end: number): boolean {
    const { program, starts, ends, types } = this;
    const last = view.byteLength - 4;
    let p = start;
    for (let i = 0; ;) {
      const next = p + (program[i] as number);
      // The last word that is compared may begin at the quote behind them.
      if (next >= last) return false;
      const rest = i + 2 + (program[i + 1] as number);
      for (i += 2; i < rest; i++, p += 4) if (view.getInt32(p, true) !== program[i]) return false;
      if (((view.getInt32(p, true) ^ (program[i] as number)) & (program[i + 1] as number)) !== 0) return false;
      const kind = program[i + 2] as number;
      if (kind === END) return next === end;
      const r = kind === TEXT ? scanText(b, view, next) : kind === NUMBER ? scanNumber(b, next) : scanValue(b, next, 1);
      if (r < 0) return false;
      const slot = program[i + 3] as number;
      p = r >>> 4;
      i += 4;
      if (slot < 0) continue;
      starts[slot] = next;
      ends[slot] = p;
      types[slot] = r & 15;
    }
  }
}

/**
 * As scanString, four bytes at a time. In each byte of `odd`, the highest bit says that the byte is not plain; the lowest
 * such byte is right, which is all that counts: a borrow or carry only reaches the bytes above it.
 */
function scanText(b: Uint8Array, view: DataView, p: number): number {
  const last = view.byteLength - 4;
  for (let q = p + 1; q <= last; q += 4) {
    const x = view.getInt32(q, true);
    const quotes = x ^ 0x22222222;
    const escapes = x ^ 0x5c5c5c5c;
    const odd =
      (((x - 0x20202020) & ~x) |
        ((quotes - 0x01010101) & ~quotes) |
        ((escapes - 0x01010101) & ~escapes) |
        (x + 0x01010101) |
        x) &
      0x80808080;
    if (odd === 0) continue;
    q += (31 - Math.clz32(odd & -odd)) >> 3;
    return b[q] === 34 ? (q + 1) * 16 + PLAIN_STRING : scanString(b, p);
  }
  return scanString(b, p);
}
