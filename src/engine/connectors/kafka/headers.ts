import { WeirError } from "../../../errors.ts";
import type { OutRecord } from "../connector.ts";
import type { KafkaRecord } from "./batch-writer.ts";
import { bytesOfValue } from "./bytes-as-json.ts";
import { readVarint, varint, writeVarint } from "./varint.ts";

/** A record's headers as the record format has them: a number, then names and values, which may be null. */
export interface RecordHeaders {
  readonly headers: readonly (readonly [name: string, value: Buffer | null])[];
  /** Offset behind them. */
  readonly end: number;
}

/** Reads the headers that begin at `at`, which is behind the record's value; the values are parts of `buf`. */
export function readHeaders(buf: Buffer, at: number): RecordHeaders {
  const headers: [string, Buffer | null][] = [];
  const count = readVarint(buf, at);
  let next = within(buf, varint.end);
  for (let i = 0; i < count; i++) {
    const nameLength = readVarint(buf, next);
    const nameEnd = within(buf, nameLength < 0 ? Infinity : varint.end + nameLength);
    const name = buf.toString("utf8", varint.end, nameEnd);
    const valueLength = readVarint(buf, nameEnd);
    next = within(buf, varint.end + Math.max(0, valueLength));
    headers.push([name, valueLength < 0 ? null : buf.subarray(varint.end, next)]);
  }
  return { headers, end: next };
}

function within(buf: Buffer, end: number): number {
  if (end <= buf.length) return end;
  throw new WeirError(
    "RECORD_MALFORMED",
    "a record batch passes its checksum, but the headers of a record do not add up",
  );
}

const LONGEST_VARINT = 5;

export function encodeHeaders(headers: Iterable<readonly [name: string, value: Buffer | null]>): Buffer {
  const all = [...headers].map(([name, value]) => ({ name: Buffer.from(name), value }));
  const size = all.reduce((sum, { name, value }) => sum + name.length + (value?.length ?? 0) + 2 * LONGEST_VARINT, 0);
  const buf = Buffer.allocUnsafe(size + LONGEST_VARINT);
  let at = writeVarint(buf, 0, all.length);
  for (const { name, value } of all) {
    at = writeVarint(buf, at, name.length);
    at += name.copy(buf, at);
    at = writeVarint(buf, at, value === null ? -1 : value.length);
    at += value?.copy(buf, at) ?? 0;
  }
  return buf.subarray(0, at);
}

/** The record with its headers as bytes. A list is several headers of one name; null is a header without a value. */
export function withHeaderBytes(record: OutRecord): KafkaRecord {
  const { headers } = record;
  if (headers === undefined || headers.length === 0) return record;
  const bytes = headers.flatMap(([name, value]) =>
    (Array.isArray(value) ? (value as unknown[]) : [value]).map((each) => [name, bytesOfValue(each)] as const),
  );
  return { ...record, headerBytes: encodeHeaders(bytes) };
}
