/**
 * Zigzag varints of the record format. A read leaves the position behind the value in `end`: two results without an
 * object, because this runs five times per record.
 */
export const varint = { end: 0 };

/** Reads a varint of up to 32 bits. */
export function readVarint(buf: Uint8Array, at: number): number {
  let byte = buf[at] as number;
  if (byte < 0x80) {
    varint.end = at + 1;
    return (byte >>> 1) ^ -(byte & 1);
  }
  let raw = byte & 0x7f;
  let shift = 7;
  for (let i = at + 1; i < at + 5; i++) {
    byte = buf[i] as number;
    raw |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      varint.end = i + 1;
      return (raw >>> 1) ^ -(raw & 1);
    }
    shift += 7;
  }
  varint.end = Infinity;
  return 0;
}

/** Reads a varint of up to 64 bits, exact up to 2^53: the timestamp deltas. */
export function readVarlong(buf: Uint8Array, at: number): number {
  let raw = 0;
  let scale = 1;
  for (let i = at; i < at + 10; i++) {
    const byte = buf[i] as number;
    raw += (byte & 0x7f) * scale;
    if (byte < 0x80) {
      varint.end = i + 1;
      return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2;
    }
    scale *= 128;
  }
  varint.end = Infinity;
  return 0;
}

/** Writes a varint of up to 32 bits and returns the position behind it. */
export function writeVarint(buf: Uint8Array, at: number, value: number): number {
  let raw = ((value << 1) ^ (value >> 31)) >>> 0;
  while (raw > 0x7f) {
    buf[at++] = (raw & 0x7f) | 0x80;
    raw >>>= 7;
  }
  buf[at] = raw;
  return at + 1;
}

/** Writes a varint of up to 53 bits and returns the position behind it. */
export function writeVarlong(buf: Uint8Array, at: number, value: number): number {
  if (value >= -0x4000_0000 && value < 0x4000_0000) return writeVarint(buf, at, value);
  let raw = value < 0 ? -2 * value - 1 : 2 * value;
  while (raw > 0x7f) {
    buf[at++] = (raw % 128) | 0x80;
    raw = Math.floor(raw / 128);
  }
  buf[at] = raw;
  return at + 1;
}

export function varintSize(value: number): number {
  const raw = ((value << 1) ^ (value >> 31)) >>> 0;
  if (raw < 0x80) return 1;
  if (raw < 0x4000) return 2;
  if (raw < 0x20_0000) return 3;
  return raw < 0x1000_0000 ? 4 : 5;
}
