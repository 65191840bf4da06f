import { WireReader } from "./wire.ts";

/** A response: `reader` stands at its first byte, `end` is behind its last. It is the caller's until `release`. */
export interface Frame {
  readonly reader: WireReader;
  readonly end: number;
  /** Gives the buffer back to be read into again. */
  release(): void;
}

export interface FrameReader {
  /** Where the socket's next bytes go: the rest of the open buffer, never empty. */
  target(): Buffer;
  /** So many bytes were put into the last `target`. */
  filled(bytes: number): void;
}

const FIRST_BUFFER = 64 * 1024;
/** Smaller frames are copied out; a larger one hands over the buffer it lies in, which saves the copy of every fetch. */
const COPY_UP_TO = 32 * 1024;
const SPARE_BUFFERS = 2;
/** Nothing that Weir asks for is this long: a longer frame is not Kafka's protocol. */
const LONGEST = 256 * 1024 * 1024;

/** Cuts a byte stream into length-prefixed frames, in place. `broken` is called when the stream is not of that form. */
export function frameReader(onFrame: (frame: Frame) => void, broken: (reason: string) => void): FrameReader {
  const spare: Buffer[] = [];
  let buf: Buffer = Buffer.allocUnsafeSlow(FIRST_BUFFER);
  let start = 0;
  let end = 0;

  const moveTo = (target: Buffer): void => {
    buf.copy(target, 0, start, end);
    buf = target;
    end -= start;
    start = 0;
  };
  const bufferOf = (bytes: number): Buffer => {
    const kept = spare.pop();
    return kept !== undefined && kept.length >= bytes ? kept : Buffer.allocUnsafeSlow(capacity(bytes));
  };
  const makeRoom = (size: number): void => {
    if (start + size <= buf.length && end < buf.length) return;
    if (size < buf.length) {
      buf.copyWithin(0, start, end);
      end -= start;
      start = 0;
    } else moveTo(bufferOf(size + 1));
  };
  const emit = (from: number, to: number): void => {
    if (to - from <= COPY_UP_TO) {
      const copy = Buffer.from(buf.subarray(from, to));
      start = to;
      onFrame({ reader: new WireReader(copy, 0), end: copy.length, release: () => undefined });
      return;
    }
    const handed = buf;
    start = to;
    moveTo(bufferOf(Math.max(handed.length, end - start + 1)));
    const release = (): void => {
      if (spare.length < SPARE_BUFFERS) spare.push(handed);
    };
    onFrame({ reader: new WireReader(handed, from), end: to, release });
  };
  const cut = (): void => {
    while (end - start >= 4) {
      const size = buf.readInt32BE(start);
      if (size < 4 || size > LONGEST) {
        broken(`a frame of ${size} bytes is not Kafka's protocol`);
        return;
      }
      if (end - start < 4 + size) {
        makeRoom(4 + size);
        return;
      }
      emit(start + 4, start + 4 + size);
    }
    if (start === end) start = end = 0;
    makeRoom(4);
  };
  return {
    target: () => buf.subarray(end),
    filled: (bytes) => {
      end += bytes;
      cut();
    },
  };
}

function capacity(bytes: number): number {
  return Math.max(FIRST_BUFFER, 2 ** Math.ceil(Math.log2(bytes)));
}
