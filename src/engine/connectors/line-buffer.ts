import type { OutRecord } from "./connector.ts";

const NEWLINE = 10;
const RETURN = 13;
const SPACE = 32;
const NULL = Buffer.from("null");

/** Records as lines in one growing buffer: what the sinks of newline-delimited formats collect between two writes. */
export interface LineBuffer {
  append(record: OutRecord): void;
  /** Bytes collected and not taken. */
  readonly size: number;
  /** The collected bytes; the caller owns them. */
  take(): Buffer;
}

export function lineBuffer(initial = 64 * 1024): LineBuffer {
  let buf = Buffer.allocUnsafeSlow(initial);
  let size = 0;

  const put = (value: Buffer, start: number, end: number): void => {
    const need = size + (end - start) + 1;
    if (need > buf.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(need, buf.length * 2));
      buf.copy(grown, 0, 0, size);
      buf = grown;
    }
    value.copy(buf, size, start, end);
    joinLines(buf.subarray(size, need - 1));
    size = need;
    buf[size - 1] = NEWLINE;
  };

  return {
    append: ({ value, start, end }) => {
      if (end < start) put(NULL, 0, NULL.length);
      else put(value, start, end);
    },
    get size() {
      return size;
    },
    take: () => {
      const taken = Buffer.from(buf.subarray(0, size));
      size = 0;
      return taken;
    },
  };
}

/** One record is one line: what breaks a line in JSON is white space between two tokens, never part of a text. */
function joinLines(record: Buffer): void {
  for (const byte of [NEWLINE, RETURN]) {
    for (let at = record.indexOf(byte); at >= 0; at = record.indexOf(byte, at + 1)) record[at] = SPACE;
  }
}
