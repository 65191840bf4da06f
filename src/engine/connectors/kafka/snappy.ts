import { BLOCK_BYTES, copyLiterals, copyMatch, findSequences } from "./match-finder.ts";

/**
 * Snappy (https://github.com/google/snappy/blob/main/format_description.txt) in the framing of Kafka's Java clients: a
 * header, then blocks with their length in front. Other clients write one bare block; both are read.
 */
const FRAMED = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]);
const HEADER_BYTES = 16;

export function snappyDecompress(data: Buffer, limit: number): Buffer {
  if (!data.subarray(0, FRAMED.length).equals(FRAMED)) return block(data, limit);
  const parts: Buffer[] = [];
  let left = limit;
  for (let at = HEADER_BYTES; at < data.length;) {
    if (at + 4 > data.length) throw cut();
    const size = data.readInt32BE(at);
    at += 4;
    if (size < 0 || at + size > data.length) throw cut();
    const part = block(data.subarray(at, at + size), left);
    parts.push(part);
    left -= part.length;
    at += size;
  }
  return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
}

/** One bare block. */
function block(src: Buffer, limit: number): Buffer {
  let total = 0;
  let at = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = src[at++];
    if (byte === undefined || at > 5) throw cut();
    total += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
  }
  if (total > limit) throw new Error(`it would grow to more than ${limit} bytes`);
  const out = Buffer.allocUnsafe(total);
  const end = expand(src, at, out);
  if (end !== total) throw new Error(`it holds ${end} bytes and promises ${total}`);
  return out;
}

/** Bytes behind the tag of a copy, by its kind. */
const COPY_BYTES = [0, 1, 2, 4] as const;

function expand(src: Buffer, start: number, out: Buffer): number {
  let to = 0;
  for (let at = start; at < src.length;) {
    const tag = src[at++] as number;
    const kind = (tag & 3) as 0 | 1 | 2 | 3;
    const upper = tag >>> 2;
    const bytes = kind === 0 ? Math.max(0, upper - 59) : COPY_BYTES[kind];
    const value = bytes === 0 ? upper : littleEndian(src, at, bytes);
    at += bytes;
    const length = kind === 0 ? value + 1 : kind === 1 ? (upper & 7) + 4 : upper + 1;
    if (to + length > out.length) throw cut();
    if (kind === 0) {
      if (at + length > src.length) throw cut();
      copyLiterals(src, at, out, to, length);
      at += length;
    } else repeat(out, to, kind === 1 ? ((tag >>> 5) << 8) | value : value, length);
    to += length;
  }
  return to;
}

function littleEndian(src: Buffer, at: number, bytes: number): number {
  if (at + bytes > src.length) throw cut();
  if (bytes === 1) return src[at] as number;
  return bytes === 2 ? (src[at] as number) | ((src[at + 1] as number) << 8) : src.readUIntLE(at, bytes);
}

function repeat(out: Buffer, to: number, distance: number, length: number): void {
  if (distance === 0 || distance > to) throw cut();
  copyMatch(out, to, distance, length);
}

const cut = (): Error => new Error("it is cut short or damaged");

export function snappyCompress(data: Buffer): Buffer {
  const blocks = Math.ceil(data.length / BLOCK_BYTES);
  const out = Buffer.allocUnsafe(HEADER_BYTES + blocks * 16 + data.length + Math.ceil(data.length / 6));
  FRAMED.copy(out);
  out.writeInt32BE(1, 8); // version
  out.writeInt32BE(1, 12); // oldest version that can read it
  const writer = new SnappyWriter(data, out, HEADER_BYTES);
  for (let from = 0; from < data.length; from += BLOCK_BYTES) {
    const sizeAt = writer.at;
    writer.at += 4;
    const to = Math.min(data.length, from + BLOCK_BYTES);
    writer.total(to - from);
    findSequences(data, from, to, writer);
    out.writeInt32BE(writer.at - sizeAt - 4, sizeAt);
  }
  return out.subarray(0, writer.at);
}

class SnappyWriter {
  at: number;
  readonly #src: Buffer;
  readonly #out: Buffer;

  constructor(src: Buffer, out: Buffer, at: number) {
    this.#src = src;
    this.#out = out;
    this.at = at;
  }

  total(bytes: number): void {
    let rest = bytes;
    for (; rest > 0x7f; rest >>>= 7) this.#out[this.at++] = (rest & 0x7f) | 0x80;
    this.#out[this.at++] = rest;
  }

  sequence(from: number, literals: number, distance: number, length: number): void {
    if (literals > 0) this.#literals(from, literals);
    for (let left = length; left > 0;) {
      // What is left must be no shorter than the shortest short copy.
      const part = left <= 64 ? left : Math.min(60, left - 4);
      this.#copy(distance, part);
      left -= part;
    }
  }

  #literals(from: number, length: number): void {
    const out = this.#out;
    if (length <= 60) out[this.at++] = (length - 1) << 2;
    else if (length <= 256) {
      out[this.at++] = 60 << 2;
      out[this.at++] = length - 1;
    } else {
      out[this.at++] = 61 << 2;
      this.at = out.writeUInt16LE(length - 1, this.at);
    }
    copyLiterals(this.#src, from, out, this.at, length);
    this.at += length;
  }

  #copy(distance: number, length: number): void {
    const out = this.#out;
    if (length < 12 && length > 3 && distance < 2048) {
      out[this.at++] = ((distance >>> 8) << 5) | ((length - 4) << 2) | 1;
      out[this.at++] = distance & 0xff;
    } else {
      out[this.at++] = ((length - 1) << 2) | 2;
      out[this.at++] = distance & 0xff;
      out[this.at++] = distance >>> 8;
    }
  }
}
