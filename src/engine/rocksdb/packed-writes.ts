import { textOf } from "../accumulators/accumulator.ts";
import type { Held } from "../accumulators/accumulator.ts";
import { isPlainInt, MAX_DIGITS, writeDigits } from "../json/write-value.ts";

/** Length of what comes before the cells of a value. */
export const VALUE_HEADER = 8;
export const NO_TEXT = 0xffffffff;

const PUT = 0;
const DELETE = 1;

/** Puts and deletes on their way into one call of the addon: bytes that grow as they are needed. */
export class PackedWrites {
  bytes: Buffer;
  length = 0;

  constructor(bytes = 256 * 1024) {
    this.bytes = Buffer.allocUnsafeSlow(bytes);
  }

  room(bytes: number): void {
    if (this.length + bytes <= this.bytes.length) return;
    const bigger = Buffer.allocUnsafeSlow(Math.max(this.length + bytes, this.bytes.length * 2));
    this.bytes.copy(bigger, 0, 0, this.length);
    this.bytes = bigger;
  }

  private key(kind: number, prefix: Uint8Array, { bytes, start, stop }: KeyBytes): void {
    const length = prefix.length + stop - start;
    this.room(9 + length);
    this.bytes[this.length] = kind;
    this.bytes.writeUInt32LE(length, this.length + 1);
    copyInto(this.bytes, this.length + 5, { bytes: prefix, start: 0, stop: prefix.length });
    copyInto(this.bytes, this.length + 5 + prefix.length, { bytes, start, stop });
    this.length += 5 + length;
  }

  /** Gives how many bytes its texts have. */
  entry(prefix: Uint8Array, key: KeyBytes, value: EntryValue): number {
    this.key(PUT, prefix, key);
    const { number, seq, cells, cellAt, cellCount, texts, textAt, textCount } = value;
    const at = this.length;
    this.length += 4;
    this.room(VALUE_HEADER + cellCount * 8);
    this.length = this.bytes.writeUInt32LE(number, this.length);
    this.length = this.bytes.writeUInt32LE(seq, this.length);
    for (let i = 0; i < cellCount; i++)
      this.length = this.bytes.writeDoubleLE(cells[cellAt + i] as number, this.length);
    const textsAt = this.length;
    for (let i = 0; i < textCount; i++) this.text(texts[textAt + i]);
    this.bytes.writeUInt32LE(this.length - at - 4, at);
    return this.length - textsAt;
  }

  private text(held: Held): void {
    if (typeof held === "number" && isPlainInt(held)) {
      this.room(4 + MAX_DIGITS);
      const end = writeDigits(this.bytes, this.length + 4, held);
      this.bytes.writeUInt32LE(end - this.length - 4, this.length);
      this.length = end;
      return;
    }
    const text = textOf(held);
    const most = text === undefined ? 0 : text.length * 3;
    this.room(4 + most);
    const length = text === undefined ? NO_TEXT : this.bytes.write(text, this.length + 4);
    this.bytes.writeUInt32LE(length, this.length);
    this.length += 4 + (text === undefined ? 0 : length);
  }

  put(key: Uint8Array, value: KeyBytes): void {
    this.key(PUT, key, { bytes: key, start: 0, stop: 0 });
    const length = value.stop - value.start;
    this.room(4 + length);
    this.bytes.writeUInt32LE(length, this.length);
    copyInto(this.bytes, this.length + 4, value);
    this.length += 4 + length;
  }

  /** Bytes that are no entry, behind the header that every value has. */
  value(key: KeyBytes, number: number, bytes: Uint8Array): void {
    this.key(PUT, NO_KEY.bytes, key);
    this.room(4 + VALUE_HEADER + bytes.length);
    let at = this.bytes.writeUInt32LE(VALUE_HEADER + bytes.length, this.length);
    at = this.bytes.writeUInt32LE(number, at);
    at = this.bytes.writeUInt32LE(0, at);
    this.bytes.set(bytes, at);
    this.length = at + bytes.length;
  }

  delete(prefix: Uint8Array, key = NO_KEY): void {
    this.key(DELETE, prefix, key);
  }
}

export interface KeyBytes {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly stop: number;
}

export const wholeOf = (bytes: Uint8Array): KeyBytes => ({ bytes, start: 0, stop: bytes.length });

const NO_KEY: KeyBytes = { bytes: new Uint8Array(0), start: 0, stop: 0 };

export interface EntryValue {
  /** Of the snapshot after which it is written. */
  readonly number: number;
  /** Order of arrival, where it matters. */
  readonly seq: number;
  readonly cells: Float64Array;
  readonly cellAt: number;
  readonly cellCount: number;
  readonly texts: readonly Held[];
  readonly textAt: number;
  readonly textCount: number;
}

/** A key is short: a loop is over before a view of its bytes is made. */
export function copyInto(to: Uint8Array, at: number, { bytes, start, stop }: KeyBytes): void {
  for (let i = start, k = at; i < stop; i++, k++) to[k] = bytes[i] as number;
}
