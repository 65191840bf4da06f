import { OTHER_NUMBER, PARSED } from "../json/scan.ts";

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

  /**
   * A scanned value that is more than one plain token. It keeps its bytes (no digit of a long number is lost), unless it
   * was spread over lines, because a record is one line in many formats, or is a number beyond the doubles.
   */
  putScanned(range: { buffer: Buffer; start: number; end: number }, kind: number, value: unknown): void {
    const { buffer, start, end } = range;
    const keeps = kind === OTHER_NUMBER ? Number.isFinite(value) : kind !== PARSED && !hasNewline(buffer, start, end);
    if (keeps) this.put(buffer, start, end);
    else this.putValue(value);
  }
}

function hasNewline(b: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (b[i] === NEWLINE || b[i] === 13) return true;
  return false;
}
