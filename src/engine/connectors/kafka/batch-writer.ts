import { crc32c } from "@node-rs/crc32";
import type { OutRecord } from "../connector.ts";
import { ShortCopy, targetOf, type Target } from "../../short-copy.ts";
import type { ProducerIdentity } from "./calls.ts";
import { BATCH_HEADER, BATCH_PREFIX, CRC_FROM } from "./record-batch.ts";
import { varintSize, writeVarint, writeVarlong } from "./varint.ts";

/** A record for Kafka: with headers as they are written, where it has any. */
export interface KafkaRecord extends OutRecord {
  readonly headerBytes?: Buffer | undefined;
}

/** Most bytes of a record beside its key, value and headers: five varints, attributes, an empty header count. */
const RECORD_OVERHEAD = 5 + 1 + 10 + 5 + 5 + 5 + 1;

/** One open record batch: records are appended as raw bytes, the header is written when it is sent. */
export class BatchWriter {
  #to: Target;
  readonly #keys = new ShortCopy();
  readonly #values = new ShortCopy();
  #at = BATCH_HEADER;
  #baseTimestamp = 0;
  #maxTimestamp = 0;
  #count = 0;

  constructor(buf: Buffer) {
    this.#to = targetOf(buf);
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#at;
  }

  /** Whether the record still fits; the first one always does. */
  fits(record: KafkaRecord): boolean {
    return this.#count === 0 || this.#at + sizeBound(record) <= this.#to.bytes.length;
  }

  append(record: KafkaRecord): void {
    if (this.#count === 0) this.#begin(record);
    const { value, start, end, key, keyStart, keyEnd, ts, headerBytes } = record;
    const to = this.#to;
    const buf = to.bytes;
    const timestamp = Number.isFinite(ts) ? timestampOf(ts) : this.#baseTimestamp;
    const delta = timestamp - this.#baseTimestamp;
    const keyLength = key === undefined || keyEnd < 0 ? -1 : keyEnd - keyStart;
    const valueLength = end < start ? -1 : end - start;
    const body =
      1 +
      varlongSize(delta) +
      varintSize(this.#count) +
      varintSize(keyLength) +
      Math.max(0, keyLength) +
      varintSize(valueLength) +
      Math.max(0, valueLength) +
      (headerBytes === undefined ? 1 : headerBytes.length);
    let at = writeVarint(buf, this.#at, body);
    buf[at++] = 0;
    at = writeVarlong(buf, at, delta);
    at = writeVarint(buf, at, this.#count);
    at = writeVarint(buf, at, keyLength);
    if (key !== undefined && keyLength > 0) at = this.#keys.copy(key, keyStart, keyEnd, { to, at });
    at = writeVarint(buf, at, valueLength);
    if (valueLength > 0) at = this.#values.copy(value, start, end, { to, at });
    if (headerBytes === undefined) buf[at++] = 0;
    else at += headerBytes.copy(buf, at);
    this.#at = at;
    this.#count++;
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp;
  }

  /** Completes the batch with its header; `sequence` −1 is a batch outside of an idempotent producer. */
  seal(compression: Compression = none): SealedBatch {
    const buffer = this.#to.bytes;
    const records = buffer.subarray(BATCH_HEADER, this.#at);
    const packed = compression.code === 0 ? records : compression.compress(records);
    const bytes =
      packed === records ? buffer.subarray(0, this.#at) : Buffer.concat([buffer.subarray(0, BATCH_HEADER), packed]);
    bytes.writeBigInt64BE(0n, 0);
    bytes.writeInt32BE(bytes.length - BATCH_PREFIX, 8);
    bytes.writeInt32BE(-1, 12);
    bytes.writeInt8(2, 16);
    bytes.writeInt16BE(compression.code, 21);
    bytes.writeInt32BE(this.#count - 1, 23);
    bytes.writeBigInt64BE(BigInt(this.#baseTimestamp), 27);
    bytes.writeBigInt64BE(BigInt(this.#maxTimestamp), 35);
    bytes.writeInt32BE(this.#count, 57);
    return { bytes, records: this.#count, buffer };
  }

  #begin(record: KafkaRecord): void {
    const needed = BATCH_HEADER + sizeBound(record);
    if (needed > this.#to.bytes.length) this.#to = targetOf(Buffer.allocUnsafeSlow(needed));
    this.#baseTimestamp = Number.isFinite(record.ts) ? timestampOf(record.ts) : 0;
    this.#maxTimestamp = this.#baseTimestamp;
  }
}

/** Attribute of a batch: hidden from read_committed until its transaction is. */
const TRANSACTIONAL = 0x10;

export interface SealedBatch {
  readonly bytes: Buffer;
  readonly records: number;
  /** To be reused when the batch is acknowledged. */
  readonly buffer: Buffer;
}

export interface Compression {
  readonly code: number;
  readonly compress: (records: Buffer) => Buffer;
}

export const none: Compression = { code: 0, compress: (records) => records };

/** Says whose batch it is, and puts the checksum over it. May be done again with another producer. */
export function stamp(bytes: Buffer, producer: ProducerIdentity, sequence: number): void {
  if (producer.transactional === true) bytes.writeInt16BE(bytes.readInt16BE(21) | TRANSACTIONAL, 21);
  bytes.writeBigInt64BE(producer.id, 43);
  bytes.writeInt16BE(producer.epoch, 51);
  bytes.writeInt32BE(sequence, 53);
  bytes.writeUInt32BE(crc32c(bytes.subarray(CRC_FROM)), 17);
}

/** A broker that rewrites a batch, for example when it compacts, refuses times before 1970. */
const timestampOf = (ts: number): number => Math.max(0, Math.trunc(ts));

function sizeBound({ start, end, keyStart, keyEnd, headerBytes }: KafkaRecord): number {
  return RECORD_OVERHEAD + end - start + Math.max(0, keyEnd - keyStart) + (headerBytes?.length ?? 0);
}

function varlongSize(value: number): number {
  if (value >= -0x4000_0000 && value < 0x4000_0000) return varintSize(value);
  let raw = value < 0 ? -2 * value - 1 : 2 * value;
  let size = 1;
  for (; raw > 0x7f; size++) raw = Math.floor(raw / 128);
  return size;
}
