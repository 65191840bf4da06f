import type { Batch } from "../batch.ts";
import { newInstance, newMemory, type Memory } from "../webassembly.ts";
import { layoutCode } from "./layout-code.ts";
import { rowInts } from "./layout.ts";
import { MOST_LAYOUT_BYTES } from "./learn-layout.ts";
import { scanValue } from "./scan.ts";

/** Layouts that are tried at a time. */
export const MOST_LAYOUTS = 4;
/** Records that are looked at in one call: they are still in the processor's cache when the chain comes to them. */
const MOST_RECORDS = 128;
const MOST_BYTES = 32 * 1024;
/** A record may be longer, but not than this. */
export const LONGEST = 1024 * 1024;
const ROWS_BYTES = 128 * 1024;
/** Behind the last record is a zero, and so many bytes may be looked at. */
export const BEHIND = 96;

/** What is where in the memory, behind what layout.wat puts there. */
const ORDER = 96;
const RECORDS = ORDER + MOST_LAYOUTS * 4;
const LAYOUTS = RECORDS + MOST_RECORDS * 8;
const ROWS = LAYOUTS + MOST_LAYOUTS * MOST_LAYOUT_BYTES;
/** Here the records that are copied begin; in a memory that others put records into they may lie anywhere behind it. */
export const DATA = ROWS + ROWS_BYTES;
const BYTES = DATA + LONGEST + BEHIND;

/** Those of a batch. */
export type Records = Pick<Batch, "buf" | "off" | "len" | "n">;

/** Runs layout.wat on records that lie in its memory, or that it copies into one of its own. */
export class LayoutScanner {
  /** Of the records of the last scan: rowInts for each. */
  readonly rows: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly numbers: Int32Array;
  private readonly run: (n: number, known: number, width: number, shift: number) => void;
  private held: readonly Uint8Array[] = [];

  constructor(memory: Memory = newMemory(BYTES)) {
    const bytes = new Uint8Array(memory.buffer);
    const exports = newInstance(layoutCode, {
      json: { memory, records: RECORDS, layouts: ORDER, rows: ROWS, scanValue: (p: number) => scanValue(bytes, p, 1) },
    });
    this.run = exports["scan"] as typeof this.run;
    this.bytes = bytes;
    this.numbers = new Int32Array(memory.buffer);
    this.rows = new Int32Array(memory.buffer, ROWS, ROWS_BYTES / 4);
  }

  /** These layouts, that of the last record first. */
  inOrder(layouts: readonly Uint8Array[]): readonly Uint8Array[] {
    if (layouts !== this.held) return layouts;
    const order = this.numbers.subarray(ORDER / 4, ORDER / 4 + layouts.length);
    return Array.from(order, (at) => layouts[(at - LAYOUTS) / MOST_LAYOUT_BYTES] as Uint8Array);
  }

  /** Fills the rows of records from number `from` on, and tells which is the first that it did not look at. */
  scan(layouts: readonly Uint8Array[], records: Records, from: number, slots: number): number {
    const width = rowInts(slots);
    const room = Math.max(1, Math.min(MOST_RECORDS, Math.floor(this.rows.length / width)));
    const most = Math.min(records.n, from + room);
    if (layouts.length === 0) return this.none(most, from, width);
    if (layouts !== this.held) this.hold(layouts);
    const isHere = records.buf.buffer === this.bytes.buffer;
    const to = isHere ? this.list(records, from, most) : this.take(records, from, most);
    if (to === from) return this.none(from + 1, from, width);
    this.run(to - from, layouts.length, width * 4, isHere ? 0 : (records.off[from] as number) - DATA);
    return to;
  }

  private none(to: number, from: number, width: number): number {
    for (let i = from, at = 0; i < to; i++, at += width) this.rows[at] = 0;
    return to;
  }

  private hold(layouts: readonly Uint8Array[]): void {
    this.held = layouts;
    for (const [i, layout] of layouts.entries()) {
      const at = LAYOUTS + i * MOST_LAYOUT_BYTES;
      this.bytes.set(layout, at);
      this.numbers[ORDER / 4 + i] = at;
    }
  }

  /** Records that lie in the memory. */
  private list({ off, len }: Records, from: number, to: number): number {
    const { numbers } = this;
    for (let i = from, at = RECORDS / 4; i < to; i++, at += 2) {
      const start = off[i] as number;
      numbers[at] = start;
      numbers[at + 1] = start + (len[i] as number);
    }
    return to;
  }

  /** Copies records up to the first that is too far, or does not lie behind those before. */
  private take({ buf, off, len }: Records, from: number, most: number): number {
    const { numbers } = this;
    const base = off[from] as number;
    const shift = DATA - base;
    let top = base;
    let to = from;
    for (let at = RECORDS / 4; to < most; to++, at += 2) {
      const start = off[to] as number;
      // Of a null, which has −1 bytes, no layout ends there.
      const end = start + (len[to] as number);
      if (start < top || end - base > (to === from ? LONGEST : MOST_BYTES)) break;
      numbers[at] = start + shift;
      numbers[at + 1] = end + shift;
      top = Math.max(top, end);
    }
    buf.copy(this.bytes, DATA, base, top);
    // What was there before is nobody's: no scan goes on into it.
    this.bytes[top + shift] = 0;
    return to;
  }
}
