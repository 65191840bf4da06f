import { OTHER_NUMBER } from "../json/scan.ts";

const NEWLINE = 10;
/** Below this a loop is faster than a call into the runtime. */
const SHORT = 48;

/** The buffer in which a chain writes one outgoing record (or key) at a time; the sink copies it. */
export class Scratch {
  bytes: Buffer = Buffer.allocUnsafeSlow(4096);
  at = 0;

  /** Makes room for n bytes and returns where they go. */
  take(n: number): number {
    const from = this.at;
    this.at = from + n;
    if (this.at > this.bytes.length) {
      const bigger = Buffer.allocUnsafeSlow(Math.max(this.at, this.bytes.length * 2));
      this.bytes.copy(bigger, 0, 0, from);
      this.bytes = bigger;
    }
    return from;
  }

  put(b: Buffer, start: number, end: number): void {
    const length = end - start;
    let w = this.take(length);
    const { bytes } = this;
    if (length > SHORT) b.copy(bytes, w, start, end);
    else for (let i = start; i < end; i++) bytes[w++] = b[i] as number;
  }

  /** A number as JSON.stringify writes it. */
  putNumber(n: number): void {
    if (Number.isInteger(n) && n >= 0 && n < 1e15) this.putInt(n);
    else this.putText(Number.isFinite(n) ? String(n) : "null");
  }

  private putInt(n: number): void {
    let digits = 1;
    for (let limit = 10; n >= limit; limit *= 10) digits++;
    const from = this.take(digits);
    const { bytes } = this;
    let rest = n;
    for (let w = from + digits - 1; w >= from; w--) {
      const next = Math.floor(rest / 10);
      bytes[w] = 48 + rest - next * 10;
      rest = next;
    }
  }

  putText(text: string): void {
    const w = this.take(text.length * 3);
    this.at = w + this.bytes.write(text, w);
  }

  putValue(value: unknown): void {
    if (typeof value === "number") this.putNumber(value);
    else this.putText(JSON.stringify(value));
  }

  /** JSON as it is held in state; nothing held is null. */
  putJson(text: string | undefined): void {
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
