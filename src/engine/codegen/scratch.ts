import { OTHER_NUMBER } from "../json/scan.ts";
import { isPlainInt, NOT_QUICK, writeDigits, writeQuickly } from "../json/write-value.ts";
import { viewOf } from "../short-copy.ts";
import { WORD } from "./printed.ts";
import type { Printed } from "./printed.ts";

const NEWLINE = 10;
const LONGEST_NUMBER = 16;
/** Below this a loop is faster than a call into the runtime. */
const SHORT = 48;

/** The buffer in which a chain writes one outgoing record (or key) at a time; the sink copies it. */
export class Scratch {
  bytes: Buffer = Buffer.allocUnsafeSlow(4096);
  view = viewOf(this.bytes);
  at = 0;

  /** Makes room for n bytes and returns where they go. */
  take(n: number): number {
    const from = this.at;
    this.at = from + n;
    if (this.at > this.bytes.length) {
      const bigger = Buffer.allocUnsafeSlow(Math.max(this.at, this.bytes.length * 2));
      this.bytes.copy(bigger, 0, 0, from);
      this.bytes = bigger;
      this.view = viewOf(bigger);
    }
    return from;
  }

  /** Holds the bytes of this value and nothing else; tells how many they are. */
  only(value: unknown): number {
    this.at = 0;
    this.putText(JSON.stringify(value));
    return this.at;
  }

  put(b: Buffer, start: number, end: number): void {
    const length = end - start;
    let w = this.take(length);
    const { bytes } = this;
    if (length > SHORT) b.copy(bytes, w, start, end);
    else for (let i = start; i < end; i++) bytes[w++] = b[i] as number;
  }

  /** Whole words are faster than bytes; what is behind its end is overwritten by what comes next. */
  putPrinted({ view: from, length }: Printed): void {
    const w = this.take(length + WORD);
    const { view } = this;
    for (let i = 0; i < length; i += WORD) view.setBigInt64(w + i, from.getBigInt64(i, true), true);
    this.at = w + length;
  }

  /** A number as JSON.stringify writes it. */
  putNumber(n: number): void {
    if (isPlainInt(n)) {
      const w = this.take(LONGEST_NUMBER);
      this.at = writeDigits(this.bytes, w, n);
    } else if (Number.isFinite(n)) this.putAscii(String(n));
    else this.putAscii("null");
  }

  private putAscii(text: string): void {
    const w = this.take(text.length);
    const { bytes } = this;
    for (let i = 0; i < text.length; i++) bytes[w + i] = text.charCodeAt(i);
  }

  putText(text: string): void {
    const w = this.take(text.length * 3);
    this.at = w + this.bytes.write(text, w);
  }

  putValue(value: unknown): void {
    if (typeof value === "number") return this.putNumber(value);
    const w = this.at;
    const end = writeQuickly(this.bytes, w, value);
    if (end === NOT_QUICK) this.putText(JSON.stringify(value));
    else this.at = end;
  }

  /** JSON as it is held in state; nothing held is null. */
  putJson(text: string | number | undefined): void {
    if (typeof text === "number") {
      this.putNumber(text);
      return;
    }
    if (text === undefined) {
      this.putText("null");
      return;
    }
    if (text.length > SHORT) {
      this.putText(text);
      return;
    }
    const from = this.take(text.length);
    const { bytes } = this;
    for (let i = 0; i < text.length; i++) {
      const c = text.charCodeAt(i);
      if (c > 127) {
        this.at = from;
        this.putText(text);
        return;
      }
      bytes[from + i] = c;
    }
  }

  /** Copies an object or a list, unless it was spread over lines: a record is one line in many formats. */
  putLine(b: Buffer, start: number, end: number): boolean {
    if (hasNewline(b, start, end)) return false;
    this.put(b, start, end);
    return true;
  }

  /**
   * A scanned value whose bytes are not simply copied. A number keeps them (no digit of a long one is lost), unless it is beyond
   * the doubles.
   */
  putScanned(range: { buffer: Buffer; start: number; end: number }, kind: number, value: unknown): void {
    if (kind === OTHER_NUMBER && Number.isFinite(value)) this.put(range.buffer, range.start, range.end);
    else this.putValue(value);
  }
}

function hasNewline(b: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (b[i] === NEWLINE || b[i] === 13) return true;
  return false;
}
