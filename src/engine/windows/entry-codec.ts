import { WeirError } from "../../errors.ts";
import { textOf } from "../accumulators/accumulator.ts";
import type { AccumulatorKind, Held } from "../accumulators/accumulator.ts";
import { plainInt } from "../json/decoder.ts";
import { kindWithin, PLAIN_INT } from "../json/scan.ts";
import { isPlainInt, MAX_DIGITS, writeDigits } from "../json/write-value.ts";
import type { CellLayout } from "./cells.ts";
import { CHUNK_HEADER, ChunkWriter } from "./chunk-writer.ts";

/**
 * Saved window state, version 1. A chunk is: watermark of the shard (f64), number of entries (u32), entries. An entry is:
 * window end (f64), key length (u32) and key, the cells (f64 each), then per text its length (u32; 0xFFFFFFFF is none)
 * and its JSON. Little endian. Entries come by window end and, within a window, by first arrival of the key.
 */
export const STATE_VERSION = 1;
const NONE = 0xffffffff;
const SHORT_TEXT = 32;
/** Below this a loop is faster than a view of the bytes. */
const SHORT_KEY = 64;

/** Cells and texts of one entry, somewhere in a page. */
export interface EntryValues {
  readonly cells: Float64Array;
  readonly cellAt: number;
  readonly texts: readonly Held[];
  readonly textAt: number;
  /** Numbers that are held apart; NaN where a text counts. */
  readonly numbers?: Float64Array | undefined;
}

export interface EntryKey {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly stop: number;
}

export class EntryWriter extends ChunkWriter {
  private readonly layout: CellLayout;

  constructor(layout: CellLayout, watermark: number) {
    super(watermark);
    this.layout = layout;
  }

  add(end: number, key: EntryKey, values: EntryValues): void {
    const { cells, texts } = this.layout;
    const length = key.stop - key.start;
    this.room(12 + length + cells * 8);
    const { view } = this;
    view.setFloat64(this.at, end, true);
    view.setUint32(this.at + 8, length, true);
    this.at += 12;
    this.key(key, length);
    for (let i = 0; i < cells; i++, this.at += 8)
      view.setFloat64(this.at, values.cells[values.cellAt + i] as number, true);
    for (let i = 0; i < texts; i++) this.text(heldAt(values, values.textAt + i));
    this.count++;
  }

  private key({ bytes, start, stop }: EntryKey, length: number): void {
    const { buffer, at } = this;
    if (length > SHORT_KEY) buffer.set(bytes.subarray(start, stop), at);
    else for (let i = 0; i < length; i++) buffer[at + i] = bytes[start + i] as number;
    this.at = at + length;
  }

  private text(held: Held): void {
    if (typeof held === "number" && isPlainInt(held)) {
      this.room(4 + MAX_DIGITS);
      const end = writeDigits(this.buffer, this.at + 4, held);
      this.buffer.writeUInt32LE(end - this.at - 4, this.at);
      this.at = end;
      return;
    }
    const text = textOf(held);
    if (text === undefined || !this.shortText(text)) this.longText(text);
  }

  /** Most are a number or a name: faster byte by byte than by calls into the runtime. */
  private shortText(text: string): boolean {
    const { length } = text;
    if (length > SHORT_TEXT) return false;
    this.room(4 + length);
    const { buffer, at } = this;
    for (let i = 0; i < length; i++) {
      const c = text.charCodeAt(i);
      if (c > 127) return false;
      buffer[at + 4 + i] = c;
    }
    this.at = buffer.writeUInt32LE(length, at) + length;
    return true;
  }

  private longText(text: string | undefined): void {
    const length = text === undefined ? 0 : Buffer.byteLength(text);
    this.room(4 + length);
    this.at = this.buffer.writeUInt32LE(text === undefined ? NONE : length, this.at);
    if (text !== undefined) this.at += this.buffer.write(text, this.at);
  }
}

function heldAt({ texts, numbers }: EntryValues, at: number): Held {
  const number = numbers?.[at];
  return number === undefined || Number.isNaN(number) ? texts[at] : number;
}

/** What was saved of one text: `b` from `start` to `end`. */
export function heldOf(b: Buffer, start: number, end: number, kind: AccumulatorKind | undefined): Held {
  if (kind !== undefined) return kind.decode(b.toString("utf8", start, end));
  return kindWithin(b, start, end) === PLAIN_INT ? plainInt(b, start, end) : b.toString("utf8", start, end);
}

export interface DecodedEntry {
  end: number;
  readonly key: { bytes: Buffer; start: number; stop: number };
  readonly cells: Float64Array;
  readonly texts: Held[];
}

/** Calls `each` for every entry with one reused object, and returns the shard's watermark. */
export const readChunk = (chunk: Buffer, layout: CellLayout, each: (entry: DecodedEntry) => void): number =>
  reading(() => decode(chunk, layout, each));

/** Where what is read ends too early, the checkpoint is damaged. */
export function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new WeirError("CHECKPOINT_CORRUPT", "a segment of window state ends in the middle of an entry", { cause });
  }
}

function decode(chunk: Buffer, layout: CellLayout, each: (entry: DecodedEntry) => void): number {
  const watermark = chunk.readDoubleLE(0);
  const entries = chunk.readUInt32LE(8);
  const entry = newDecoded(layout);
  let at = CHUNK_HEADER;
  for (let n = 0; n < entries; n++) {
    at = readEntry(chunk, at, { layout, entry });
    each(entry);
  }
  if (at !== chunk.length) throw new RangeError("bytes after the last entry");
  return watermark === Infinity ? -Infinity : watermark; // as in checkpoint/manifest.ts: an end is not restored
}

export const newDecoded = (layout: CellLayout): DecodedEntry => ({
  end: 0,
  key: { bytes: Buffer.alloc(0), start: 0, stop: 0 },
  cells: new Float64Array(layout.cells),
  texts: [],
});

/** Where an entry is in its chunk. */
export interface EntryPlace {
  readonly end: number;
  readonly from: number;
  readonly keyStart: number;
  readonly keyStop: number;
  /** Its cells begin where its key ends. */
  readonly to: number;
}

/** Calls `each` for every entry, without reading more than its end and its lengths. */
export function eachPlace(chunk: Buffer, layout: CellLayout, each: (at: EntryPlace) => void): void {
  reading(() => {
    let from = CHUNK_HEADER;
    for (let n = chunk.readUInt32LE(8); n > 0; n--) {
      const at = placeOf(chunk, from, layout);
      each(at);
      from = at.to;
    }
    if (from !== chunk.length) throw new RangeError("bytes after the last entry");
  });
}

/** Of the entry that begins at `from`. */
export function placeOf(chunk: Buffer, from: number, layout: CellLayout): EntryPlace {
  const keyStart = from + 12;
  const keyStop = keyStart + chunk.readUInt32LE(from + 8);
  const to = entryEnd(chunk, from, layout);
  if (to > chunk.length) throw new RangeError("an entry is longer than the chunk");
  return { end: chunk.readDoubleLE(from), from, keyStart, keyStop, to };
}

/** Reads one entry into `entry`; gives where it ends. */
export function readEntry(bytes: Buffer, from: number, of: { layout: CellLayout; entry: DecodedEntry }): number {
  const { layout, entry } = of;
  entry.end = bytes.readDoubleLE(from);
  entry.key.bytes = bytes;
  entry.key.start = from + 12;
  let at = from + 12 + bytes.readUInt32LE(from + 8);
  entry.key.stop = at;
  for (let i = 0; i < layout.cells; i++, at += 8) entry.cells[i] = bytes.readDoubleLE(at);
  for (let i = 0; i < layout.texts; i++) {
    const length = bytes.readUInt32LE(at);
    at += 4;
    entry.texts[i] = undefined;
    if (length === NONE) continue;
    entry.texts[i] = heldOf(bytes, at, at + length, layout.accumulators[i]);
    at += length;
  }
  return at;
}

/** Where an entry ends. */
export function entryEnd(bytes: Buffer, from: number, layout: CellLayout): number {
  let at = from + 12 + bytes.readUInt32LE(from + 8) + layout.cells * 8;
  for (let i = 0; i < layout.texts; i++) {
    const length = bytes.readUInt32LE(at);
    at += 4 + (length === NONE ? 0 : length);
  }
  return at;
}
