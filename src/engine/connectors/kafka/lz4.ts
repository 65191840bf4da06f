import { BLOCK_BYTES, copyLiterals, copyMatch, findSequences } from "./match-finder.ts";
import { xxHash32 } from "./xxhash32.ts";

/**
 * LZ4 frames (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md, lz4_Block_format.md). Checksums of blocks and
 * content are stepped over: the record batch around them has its own. Written are independent blocks, the only ones
 * that Kafka's Java clients read.
 */
const MAGIC = 0x184d_2204;
const VERSION = 0x40;
const INDEPENDENT = 0x20;
const BLOCK_CHECKSUM = 0x10;
const CONTENT_SIZE = 0x08;
const DICTIONARY = 0x01;
const BLOCKS_OF_64K = 4 << 4;
const STORED = 0x8000_0000;
/** A copy is at least so long. */
const SHORTEST = 4;

interface FrameHeader {
  readonly flags: number;
  readonly blockBytes: number;
  readonly end: number;
}

export function lz4Decompress(data: Buffer, limit: number): Buffer {
  const header = frameHeader(data);
  const behind = (header.flags & BLOCK_CHECKSUM) === 0 ? 0 : 4;
  let out: Buffer = Buffer.allocUnsafe(Math.min(limit, data.length * 4 + 64));
  let to = 0;
  for (let at = header.end; ;) {
    if (at + 4 > data.length) throw cut();
    const word = data.readUInt32LE(at);
    if (word === 0) return out.subarray(0, to);
    const from = at + 4;
    const end = from + (word % STORED);
    if (end - from > header.blockBytes || end > data.length) throw cut();
    out = withRoom(out, to, header.blockBytes, limit);
    to = word >= STORED ? store(data, from, end, { out, to }) : expand(data, from, end, { out, to });
    at = end + behind;
  }
}

function frameHeader(data: Buffer): FrameHeader {
  if (data.length < 7 || data.readUInt32LE(0) !== MAGIC) throw new Error("it is no LZ4 frame");
  const flags = data[4] as number;
  const sizeCode = ((data[5] as number) >>> 4) & 7;
  if ((flags & 0xc0) !== VERSION || sizeCode < 4) throw new Error("it is an LZ4 frame of an unknown version");
  if ((flags & DICTIONARY) !== 0) throw new Error("it is an LZ4 frame that needs a dictionary");
  const sum = 6 + ((flags & CONTENT_SIZE) === 0 ? 0 : 8);
  // Some clients before Kafka 0.10 computed this byte otherwise, so it proves nothing.
  return { flags, blockBytes: 1 << (8 + 2 * sizeCode), end: sum + 1 };
}

/** The buffer with room for one more block, as far as the limit allows. */
function withRoom(out: Buffer, used: number, bytes: number, limit: number): Buffer {
  if (out.length - used >= bytes || out.length >= limit) return out;
  const grown = Buffer.allocUnsafe(Math.min(limit, Math.max(out.length * 2, used + bytes)));
  out.copy(grown, 0, 0, used);
  return grown;
}

interface Target {
  readonly out: Buffer;
  readonly to: number;
}

function store(src: Buffer, from: number, end: number, { out, to }: Target): number {
  if (to + end - from > out.length) throw tooLarge(out.length);
  return to + src.copy(out, to, from, end);
}

/** Leaves the place behind a length in `end`: two results without an object. */
const length = { end: 0 };

/** A length that does not fit into its four bits goes on in bytes of up to 255. */
function readLength(src: Buffer, from: number, end: number, nibble: number): number {
  length.end = from;
  if (nibble < 15) return nibble;
  let total = nibble;
  let at = from;
  for (let byte = 255; byte === 255;) {
    if (at >= end) throw cut();
    byte = src[at++] as number;
    total += byte;
  }
  length.end = at;
  return total;
}

function expand(src: Buffer, start: number, end: number, target: Target): number {
  const { out } = target;
  let { to } = target;
  for (let at = start; at < end;) {
    const token = src[at++] as number;
    const literals = readLength(src, at, end, token >>> 4);
    at = length.end;
    if (at + literals > end) throw cut();
    if (to + literals > out.length) throw tooLarge(out.length);
    copyLiterals(src, at, out, to, literals);
    at += literals;
    to += literals;
    if (at === end) return to;
    if (at + 2 > end) throw cut();
    const distance = (src[at] as number) | ((src[at + 1] as number) << 8);
    const repeated = readLength(src, at + 2, end, token & 15) + SHORTEST;
    at = length.end;
    if (distance === 0 || distance > to) throw cut();
    if (to + repeated > out.length) throw tooLarge(out.length);
    copyMatch(out, to, distance, repeated);
    to += repeated;
  }
  throw cut();
}

const cut = (): Error => new Error("it is cut short or damaged");
const tooLarge = (bytes: number): Error => new Error(`it would grow to more than ${bytes} bytes`);

const HEADER_BYTES = 7;
/** Most that a block can be longer than what it holds, and its length in front. */
const blockBound = (bytes: number): number => bytes + Math.ceil(bytes / 255) + 16 + 4;

export function lz4Compress(data: Buffer): Buffer {
  const blocks = Math.ceil(data.length / BLOCK_BYTES);
  const out = Buffer.allocUnsafe(HEADER_BYTES + blocks * blockBound(Math.min(data.length, BLOCK_BYTES)) + 4);
  out.writeUInt32LE(MAGIC, 0);
  out[4] = VERSION | INDEPENDENT;
  out[5] = BLOCKS_OF_64K;
  out[6] = (xxHash32(out.subarray(4, 6)) >>> 8) & 0xff;
  const writer = new Lz4Writer(data, out, HEADER_BYTES);
  for (let from = 0; from < data.length; from += BLOCK_BYTES) {
    const to = Math.min(data.length, from + BLOCK_BYTES);
    const sizeAt = writer.at;
    writer.at += 4;
    findSequences(data, from, to, writer);
    const size = writer.at - sizeAt - 4;
    if (size < to - from) out.writeUInt32LE(size, sizeAt);
    else {
      out.writeUInt32LE((to - from + STORED) >>> 0, sizeAt);
      writer.at = sizeAt + 4 + data.copy(out, sizeAt + 4, from, to);
    }
  }
  return out.subarray(0, out.writeUInt32LE(0, writer.at));
}

class Lz4Writer {
  at: number;
  readonly #src: Buffer;
  readonly #out: Buffer;

  constructor(src: Buffer, out: Buffer, at: number) {
    this.#src = src;
    this.#out = out;
    this.at = at;
  }

  sequence(from: number, literals: number, distance: number, length: number): void {
    const out = this.#out;
    const match = length === 0 ? 0 : length - SHORTEST;
    out[this.at++] = (Math.min(literals, 15) << 4) | Math.min(match, 15);
    if (literals >= 15) this.#more(literals - 15);
    copyLiterals(this.#src, from, out, this.at, literals);
    this.at += literals;
    if (length === 0) return;
    out[this.at++] = distance & 0xff;
    out[this.at++] = distance >>> 8;
    if (match >= 15) this.#more(match - 15);
  }

  #more(length: number): void {
    let left = length;
    for (; left >= 255; left -= 255) this.#out[this.at++] = 255;
    this.#out[this.at++] = left;
  }
}
