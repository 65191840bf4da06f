/** What is encoded in one turn of the event loop: it must not take longer than a few milliseconds. */
const CHUNK_BYTES = 256 * 1024;
const FIRST_CHUNK_BYTES = 8 * 1024;
/** The first chunks of a process are short: until V8 has compiled what writes them, an entry takes ten times as long. */
let chunkBytes = FIRST_CHUNK_BYTES;

/** Every chunk begins so: watermark of the shard (f64), number of what it holds (u32). Little endian. */
export const CHUNK_HEADER = 12;

const FIRST_BYTES = 64 * 1024;
/** A larger one, of a long row, is not kept. */
const LARGEST_SPARE = 1024 * 1024;

const EMPTY: Buffer = Buffer.allocUnsafeSlow(0);

/** The room of a writer that has given its chunk away, for the next one: fresh memory costs more than writing into it. */
let spare: Buffer | undefined;

/** Saved state on its way into chunks: bytes that grow as they are needed. */
export class ChunkWriter {
  /** Nothing until there was `room` for something. */
  buffer = EMPTY;
  /** Of the buffer. */
  view = new DataView(EMPTY.buffer, 0, 0);
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
    return this.at >= chunkBytes;
  }

  /** Makes room for so many bytes more. */
  room(bytes: number): void {
    const needed = this.at + bytes;
    if (needed <= this.buffer.length) return;
    const bigger = spareOf(needed) ?? Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, needed, this.buffer.length * 2));
    this.buffer.copy(bigger);
    this.use(bigger);
  }

  private use(buffer: Buffer): void {
    this.buffer = buffer;
    this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
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
    if (this.full()) chunkBytes = Math.min(CHUNK_BYTES, chunkBytes * 2);
    const chunk = Buffer.allocUnsafeSlow(this.at);
    if (this.at > CHUNK_HEADER) this.buffer.copy(chunk, CHUNK_HEADER, CHUNK_HEADER, this.at);
    chunk.writeDoubleLE(this.watermark, 0);
    chunk.writeUInt32LE(this.count, 8);
    if (this.buffer.length <= LARGEST_SPARE && this.buffer.length > (spare?.length ?? 0)) spare = this.buffer;
    this.use(EMPTY);
    this.at = CHUNK_HEADER;
    this.count = 0;
    return chunk;
  }
}

function spareOf(bytes: number): Buffer | undefined {
  const found = spare;
  if (found === undefined || found.length < bytes) return undefined;
  spare = undefined;
  return found;
}

/** The watermark of a chunk's shard, to be restored: an end of the input is not. */
export function floorOf(chunk: Buffer): number {
  const watermark = chunk.readDoubleLE(0);
  return watermark === Number.POSITIVE_INFINITY ? Number.NEGATIVE_INFINITY : watermark;
}

/** The watermark at the newest of a shard's chunks; the end of the input is the last. */
export const lastWatermark = (chunks: readonly Buffer[]): number =>
  chunks.reduce((last, chunk) => Math.max(last, chunk.readDoubleLE(0)), Number.NEGATIVE_INFINITY);
