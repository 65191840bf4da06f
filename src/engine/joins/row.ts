import type { Row } from "../batch.ts";

/** 0 is the left input of a join, 1 the right one. */
export type Side = 0 | 1;
export const SIDES: readonly Side[] = [0, 1];

/** A record on its way into the state; one object per join, which the chain fills anew. */
export interface IncomingRow {
  key: Uint8Array;
  keyStart: number;
  keyEnd: number;
  /** murmur2 of the key. */
  hash: number;
  /** The record's JSON; copied when it is kept. */
  bytes: Buffer;
  start: number;
  end: number;
  /** The record itself where it came as an object; then it has no bytes. */
  row?: Row | undefined;
  ts: number;
}

/** A kept record: where its JSON is, or itself. */
export interface RowAt {
  bytes: Buffer;
  start: number;
  end: number;
  row?: Row | undefined;
}

export const noRowAt = (): RowAt => ({ bytes: Buffer.alloc(0), start: 0, end: 0, row: undefined });

/** A record as a state keeps it: a copy of its bytes, or itself, as nobody changes an object. */
export function keptRow({ bytes, start, end, row }: RowAt): RowAt {
  if (row !== undefined) return { ...noRowAt(), row };
  const own = Buffer.from(bytes.subarray(start, end));
  return { bytes: own, start: 0, end: own.length, row: undefined };
}

/** Where a kept record's JSON is; of an object it is made now. */
export function bytesOfRow(at: RowAt): RowAt {
  if (at.row === undefined) return at;
  const bytes = Buffer.from(JSON.stringify(at.row));
  return { bytes, start: 0, end: bytes.length };
}

/** The side that has no partner. Its bytes are `null`, so whoever reads a field of it finds none. */
export const NO_ROW: RowAt = { bytes: Buffer.alloc(4, "null"), start: 0, end: 4, row: undefined };

/** Called for every result; the rows are valid until it returns. */
export type Pair = (left: RowAt, right: RowAt, shard: number, ts: number) => void;

export interface KeyRange {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly stop: number;
}

/** As in SQL, null is equal to nothing, not to itself either. The text "null" has quotes. */
export function isNullKey({ bytes, start, stop }: KeyRange): boolean {
  return stop - start === 4 && bytes[start] === 110;
}
