const WORD = 8;
/** From here on a call of Buffer.copy is as fast. */
const LONG = 192;
/** Below this a byte at a time is as fast as a call. */
const SHORT = 40;

export const viewOf = ({ buffer, byteOffset, length }: Buffer): DataView => new DataView(buffer, byteOffset, length);

/** Where short runs of bytes are copied to. */
export interface Target {
  readonly bytes: Buffer;
  readonly view: DataView;
}

export const targetOf = (bytes: Buffer): Target => ({ bytes, view: viewOf(bytes) });

/**
 * Copies short runs of bytes eight at a time, mostly from the buffer that the run before came from: a call of Buffer.copy
 * costs 40 ns before the first byte is copied, three times what 80 bytes take here.
 */
export class ShortCopy {
  private from: Buffer | undefined;
  private view: DataView | undefined;

  /** Tells where the copy ends. There is room for it. */
  copy(from: Buffer, start: number, end: number, { to, at }: { to: Target; at: number }): number {
    const length = end - start;
    if (length >= LONG) return at + from.copy(to.bytes, at, start, end);
    if (from !== this.from) {
      // A view is worth making for a buffer that more comes from.
      this.from = from;
      this.view = undefined;
      return length > SHORT ? at + from.copy(to.bytes, at, start, end) : byBytes(from, start, end, { to, at });
    }
    if (length < WORD) return byBytes(from, start, end, { to, at });
    const source = (this.view ??= viewOf(from));
    const target = to.view;
    const last = length - WORD;
    for (let i = 0; i < last; i += WORD) target.setBigInt64(at + i, source.getBigInt64(start + i, true), true);
    target.setBigInt64(at + last, source.getBigInt64(end - WORD, true), true);
    return at + length;
  }
}

function byBytes(from: Buffer, start: number, end: number, { to, at }: { to: Target; at: number }): number {
  const { bytes } = to;
  let w = at;
  for (let i = start; i < end; i++, w++) bytes[w] = from[i] as number;
  return w;
}
