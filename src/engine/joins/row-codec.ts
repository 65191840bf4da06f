import { WeirError } from "../../errors.ts";
import { CHUNK_HEADER, ChunkWriter } from "../windows/chunk-writer.ts";
import type { KeyRange, RowAt, Side } from "./row.ts";

/**
 * Saved rows of a join, version 1. A chunk is: watermark of the shard (f64), number of rows (u32), rows. A row is: event
 * time (f64), bits (u8: 1 is the right side, 2 has had a partner), length of key and of record (u32 each), key, record.
 * Little endian. Rows come by the end of their span of time, then by side, then by arrival.
 */
export const JOIN_STATE_VERSION = 1;
const ROW_HEADER = 17;
const RIGHT = 1;
const MATCHED = 2;

export interface SavedRow {
  readonly side: Side;
  readonly matched: boolean;
  readonly ts: number;
  readonly key: KeyRange;
  readonly row: Readonly<RowAt>;
}

export class RowWriter extends ChunkWriter {
  add({ side, matched, ts, key, row }: SavedRow): void {
    const keyLength = key.stop - key.start;
    const length = row.end - row.start;
    this.room(ROW_HEADER + keyLength + length);
    const { buffer } = this;
    let at = buffer.writeDoubleLE(ts, this.at);
    at = buffer.writeUInt8((side === 1 ? RIGHT : 0) + (matched ? MATCHED : 0), at);
    at = buffer.writeUInt32LE(keyLength, at);
    at = buffer.writeUInt32LE(length, at);
    buffer.set(key.bytes.subarray(key.start, key.stop), at);
    row.bytes.copy(buffer, at + keyLength, row.start, row.end);
    this.at = at + keyLength + length;
    this.count++;
  }
}

/** Calls `each` for every row, whose bytes are those of the chunk, and returns the shard's watermark. */
export function readRows(chunk: Buffer, each: (row: SavedRow) => void): number {
  try {
    return decode(chunk, each);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new WeirError("CHECKPOINT_CORRUPT", "a segment of a join's state ends in the middle of a row", { cause });
  }
}

function decode(chunk: Buffer, each: (row: SavedRow) => void): number {
  const watermark = chunk.readDoubleLE(0);
  const rows = chunk.readUInt32LE(8);
  let at = CHUNK_HEADER;
  for (let n = 0; n < rows; n++) {
    const bits = chunk.readUInt8(at + 8);
    const start = at + ROW_HEADER;
    const stop = start + chunk.readUInt32LE(at + 9);
    const end = stop + chunk.readUInt32LE(at + 13);
    if (end > chunk.length) throw new RangeError("a row is longer than the chunk");
    each({
      side: (bits & RIGHT) === 0 ? 0 : 1,
      matched: (bits & MATCHED) !== 0,
      ts: chunk.readDoubleLE(at),
      key: { bytes: chunk, start, stop },
      row: { bytes: chunk, start: stop, end },
    });
    at = end;
  }
  if (at !== chunk.length) throw new RangeError("bytes after the last row");
  return watermark === Infinity ? -Infinity : watermark; // as in checkpoint/manifest.ts: an end is not restored
}
