import { WeirError } from "../../errors.ts";
import type { Migrations } from "../keyed-state/migrations.ts";
import { CHUNK_HEADER, ChunkWriter, floorOf } from "../windows/chunk-writer.ts";
import type { KeyRange, RowAt, Side } from "./row.ts";

/**
 * Saved rows of a join, version 2. A chunk is: watermark of the shard (f64), number of rows (u32), rows. A row is: event
 * time (f64), bits (u8: 1 is the right side, 2 has had a partner), length of key and of record (u32 each), key, record.
 * Little endian. Rows come by the end of their span of time, then by side, then by arrival. In an increment, bit 4 says that
 * a row that was saved before has had a partner since: its time tells its span, and in place of its key is its place (u32) among the rows
 * of its side there. Increments may be behind rows that are done with by the watermark of the last one; in version 1 there were none.
 */
export const JOIN_STATE_VERSION = 2;
export const JOIN_MIGRATIONS: Migrations = new Map([[1, (chunks) => chunks]]);
export const ROW_HEADER = 17;
const RIGHT = 1;
const MATCHED = 2;
const SINCE = 4;
const PLACE_BYTES = 4;

export interface SavedRow {
  readonly side: Side;
  readonly matched: boolean;
  readonly ts: number;
  readonly key: KeyRange;
  readonly row: Pick<RowAt, "bytes" | "start" | "end">;
}

/** A row that was saved before has had a partner since. */
export interface SavedMatch {
  readonly side: Side;
  readonly ts: number;
  /** Among the rows of its side and span. */
  readonly place: number;
}

export interface RowTaker {
  row(row: SavedRow): void;
  match?(match: SavedMatch): void;
}

export class RowWriter extends ChunkWriter {
  addMatch({ side, ts, place }: SavedMatch): void {
    this.room(ROW_HEADER + PLACE_BYTES);
    const { buffer } = this;
    let at = buffer.writeDoubleLE(ts, this.at);
    at = buffer.writeUInt8((side === 1 ? RIGHT : 0) + SINCE, at);
    at = buffer.writeUInt32LE(PLACE_BYTES, at);
    at = buffer.writeUInt32LE(0, at);
    this.at = buffer.writeUInt32LE(place, at);
    this.count++;
  }

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
  return readSaved(chunk, { row: each });
}

/** The same, also of an increment. */
export const readSaved = (chunk: Buffer, taker: RowTaker): number => guarded(() => decode(chunk, taker));

/** The watermark of a chunk's shard, to be restored. */
export const floorOfRows = (chunk: Buffer): number => guarded(() => floorOf(chunk));

function guarded(read: () => number): number {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new WeirError("CHECKPOINT_CORRUPT", "a segment of a join's state ends in the middle of a row", { cause });
  }
}

function decode(chunk: Buffer, taker: RowTaker): number {
  const watermark = floorOf(chunk);
  const rows = chunk.readUInt32LE(8);
  let at = CHUNK_HEADER;
  for (let n = 0; n < rows; n++) {
    const row = rowAt(chunk, at);
    if ((chunk.readUInt8(at + 8) & SINCE) === 0) taker.row(row);
    else taker.match?.({ side: row.side, ts: row.ts, place: chunk.readUInt32LE(row.key.start) });
    at = row.row.end;
  }
  if (at !== chunk.length) throw new RangeError("bytes after the last row");
  return watermark;
}

/** One row as it is saved; it ends where its record ends. */
export function rowAt(bytes: Buffer, at: number): SavedRow {
  const bits = bytes.readUInt8(at + 8);
  const start = at + ROW_HEADER;
  const stop = start + bytes.readUInt32LE(at + 9);
  const end = stop + bytes.readUInt32LE(at + 13);
  if (end > bytes.length) throw new RangeError("a row is longer than the chunk");
  const side = (bits & RIGHT) === 0 ? 0 : 1;
  const matched = (bits & MATCHED) !== 0;
  return { side, matched, ts: bytes.readDoubleLE(at), key: { bytes, start, stop }, row: { bytes, start: stop, end } };
}
