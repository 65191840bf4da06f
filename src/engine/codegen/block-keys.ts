import { murmur2Of } from "../windows/murmur2.ts";
import type { Printed } from "./printed.ts";
import { MAX_DIGITS, writeDigits } from "../json/write-value.ts";

const OPENING = 91;
const CLOSING = 93;
const COMMA = 44;
const FIRST_BYTES = 4096;

/** Keys that are lists of fields, one behind the other: those of a block's records are made when they are sought, used when they are met. */
export class BlockKeys {
  bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  view = new DataView(this.bytes.buffer);
  /** Behind the last byte. */
  at = 0;

  /** Forgets the keys of the block before. */
  begin(): void {
    this.at = 0;
  }

  /** The same, and begins a list with the items that are printed already. */
  beginWith({ bytes: from, length }: Printed): void {
    this.at = 0;
    if (length + 2 > this.bytes.length) this.grow(length + 2);
    const { bytes } = this;
    for (let i = 0; i < length; i++) bytes[i] = from[i] as number;
    this.at = length;
  }

  /** Puts the bytes of one field, which are canonical JSON, behind those before it in the list that begins at `from`. */
  item(from: number, b: Uint8Array, start: number, end: number): void {
    let to = this.at;
    const needed = to + end - start + 2;
    if (needed > this.bytes.length) this.grow(needed);
    const { bytes } = this;
    bytes[to] = to === from ? OPENING : COMMA;
    to++;
    for (let i = start; i < end; i++) bytes[to++] = b[i] as number;
    this.at = to;
  }

  /** The same of an `isPlainInt`. */
  plainInt(from: number, value: number): void {
    const to = this.at;
    if (to + MAX_DIGITS + 2 > this.bytes.length) this.grow(to + MAX_DIGITS + 2);
    const { bytes } = this;
    bytes[to] = to === from ? OPENING : COMMA;
    this.at = writeDigits(bytes, to + 1, value);
  }

  /** Ends the list; where its bytes end. */
  end(): number {
    this.bytes[this.at++] = CLOSING;
    return this.at;
  }

  /** Of a list's bytes. */
  hash(start: number, end: number): number {
    return murmur2Of(this, start, end);
  }

  private grow(needed: number): void {
    const bigger = Buffer.allocUnsafeSlow(needed * 2);
    this.bytes.copy(bigger, 0, 0, this.at);
    this.bytes = bigger;
    this.view = new DataView(bigger.buffer);
  }
}
