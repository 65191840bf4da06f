/** What is encoded in one turn of the event loop: it must not take longer than a few milliseconds. */
const CHUNK_BYTES = 256 * 1024;
/** Every chunk begins so: watermark of the shard (f64), number of what it holds (u32). Little endian. */
export const CHUNK_HEADER = 12;

/** Saved state on its way into chunks: bytes that grow as they are needed. */
export class ChunkWriter {
  buffer = Buffer.allocUnsafe(64 * 1024);
  /** Where the next byte goes. */
  at = CHUNK_HEADER;
  /** Entries or rows so far. */
  count = 0;
  private readonly watermark: number;

  constructor(watermark: number) {
    this.watermark = watermark;
  }

  empty(): boolean {
    return this.count === 0;
  }

  full(): boolean {
    return this.at >= CHUNK_BYTES;
  }

  /** Makes room for so many bytes more. */
  room(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return;
    const bigger = Buffer.allocUnsafe(Math.max(this.at + bytes, this.buffer.length * 2));
    this.buffer.copy(bigger, 0, 0, this.at);
    this.buffer = bigger;
  }

  /** Adds what is in its saved form already. */
  raw(bytes: Uint8Array): void {
    this.room(bytes.length);
    this.buffer.set(bytes, this.at);
    this.at += bytes.length;
    this.count++;
  }

  /** What was added so far, which is taken back: the bytes are good until something is added again. */
  only(): Buffer {
    const bytes = this.buffer.subarray(CHUNK_HEADER, this.at);
    this.at = CHUNK_HEADER;
    this.count = 0;
    return bytes;
  }

  /** The chunk so far; the writer goes on with a new one. */
  take(): Buffer {
    this.buffer.writeDoubleLE(this.watermark, 0);
    this.buffer.writeUInt32LE(this.count, 8);
    const chunk = this.buffer.subarray(0, this.at);
    this.buffer = Buffer.allocUnsafe(this.buffer.length);
    this.at = CHUNK_HEADER;
    this.count = 0;
    return chunk;
  }
}

/** The watermark of a chunk's shard, to be restored: an end of the input is not. */
export function floorOf(chunk: Buffer): number {
  const watermark = chunk.readDoubleLE(0);
  return watermark === Number.POSITIVE_INFINITY ? Number.NEGATIVE_INFINITY : watermark;
}
