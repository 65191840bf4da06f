/**
 * The primitives of Kafka's protocol (https://kafka.apache.org/protocol), in the classic encoding: int16 string lengths,
 * int32 array counts. Weir speaks the last classic version of each call, which brokers from 2.4 to 4.x understand; only
 * what exactly-once needs of OffsetFetch (2.5), and the ids of topics (3.1), came later, in the flexible encoding.
 */
export class WireWriter {
  #buf = Buffer.allocUnsafe(512);
  #at = 0;

  int8(value: number): void {
    this.#at = this.#room(1).writeInt8(value, this.#at);
  }

  int16(value: number): void {
    this.#at = this.#room(2).writeInt16BE(value, this.#at);
  }

  int32(value: number): void {
    this.#at = this.#room(4).writeInt32BE(value, this.#at);
  }

  int64(value: number | bigint): void {
    this.#at = this.#room(8).writeBigInt64BE(BigInt(value), this.#at);
  }

  string(value: string | null): void {
    if (value === null) {
      this.int16(-1);
      return;
    }
    const length = Buffer.byteLength(value);
    this.int16(length);
    this.#room(length).write(value, this.#at);
    this.#at += length;
  }

  bytes(value: Uint8Array): void {
    this.int32(value.length);
    this.#room(value.length).set(value, this.#at);
    this.#at += value.length;
  }

  /** The flexible encoding: a varint of length + 1 before the bytes (KIP-482). */
  compactString(value: string): void {
    this.uvarint(Buffer.byteLength(value) + 1);
    const length = Buffer.byteLength(value);
    this.#room(length).write(value, this.#at);
    this.#at += length;
  }

  uvarint(value: number): void {
    for (let rest = value; ; rest >>>= 7) {
      if (rest < 0x80) {
        this.int8(rest);
        return;
      }
      this.int8(((rest & 0x7f) | 0x80) - 0x100);
    }
  }

  compactArray<T>(items: readonly T[], write: (item: T) => void): void {
    this.uvarint(items.length + 1);
    for (const item of items) write(item);
  }

  /** No fields of a later version. */
  tags(): void {
    this.uvarint(0);
  }

  /** 32 hexadecimal digits. */
  uuid(value: string): void {
    this.#room(16).write(value, this.#at, "hex");
    this.#at += 16;
  }

  array<T>(items: readonly T[], write: (item: T) => void): void {
    this.int32(items.length);
    for (const item of items) write(item);
  }

  get length(): number {
    return this.#at;
  }

  /** A copy of what was written. */
  take(): Buffer {
    return Buffer.from(this.#buf.subarray(0, this.#at));
  }

  #room(bytes: number): Buffer {
    if (this.#at + bytes > this.#buf.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#buf.length * 2, this.#at + bytes));
      this.#buf.copy(grown, 0, 0, this.#at);
      this.#buf = grown;
    }
    return this.#buf;
  }
}

export class WireReader {
  readonly buf: Buffer;
  at: number;

  constructor(buf: Buffer, at: number) {
    this.buf = buf;
    this.at = at;
  }

  int8(): number {
    return this.buf.readInt8(this.#skip(1));
  }

  int16(): number {
    return this.buf.readInt16BE(this.#skip(2));
  }

  int32(): number {
    return this.buf.readInt32BE(this.#skip(4));
  }

  /** For offsets and timestamps: exact up to 2^53. */
  int64(): number {
    return readInt64(this.buf, this.#skip(8));
  }

  bigint64(): bigint {
    return this.buf.readBigInt64BE(this.#skip(8));
  }

  string(): string | null {
    const length = this.int16();
    if (length < 0) return null;
    const start = this.#skip(length);
    return this.buf.toString("utf8", start, start + length);
  }

  uvarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.buf.readUInt8(this.#skip(1));
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new Error("a number in a broker's answer has no end");
  }

  compactString(): string | null {
    const length = this.uvarint() - 1;
    if (length < 0) return null;
    const start = this.#skip(length);
    return this.buf.toString("utf8", start, start + length);
  }

  compactArray<T>(read: () => T): T[] {
    const count = this.uvarint() - 1;
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(read());
    return items;
  }

  /** Fields of a later version, which nobody reads. */
  skipTags(): void {
    for (let left = this.uvarint(); left > 0; left--) {
      this.uvarint();
      this.#skip(this.uvarint());
    }
  }

  uuid(): string {
    const start = this.#skip(16);
    return this.buf.toString("hex", start, start + 16);
  }

  bytes(): Buffer {
    const length = Math.max(0, this.int32());
    const start = this.#skip(length);
    return this.buf.subarray(start, start + length);
  }

  array<T>(read: () => T): T[] {
    const count = this.int32();
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(read());
    return items;
  }

  #skip(bytes: number): number {
    const start = this.at;
    this.at += bytes;
    return start;
  }
}

/** Without a bigint on the way: this runs for every record batch. */
export function readInt64(buf: Buffer, at: number): number {
  return buf.readInt32BE(at) * 0x1_0000_0000 + buf.readUInt32BE(at + 4);
}
