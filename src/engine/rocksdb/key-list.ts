/** Of a number in a key: more rows than this has room for are never in one log. */
const NUMBER_BYTES = 6;

/** Keys on their way into a call of the addon, one behind the other in bytes that are used again. */
export class KeyList {
  bytes = Buffer.allocUnsafeSlow(4096);
  /** Where each begins and the last one ends. */
  at = new Int32Array(64);
  n = 0;
  private length = 0;

  clear(): void {
    this.n = 0;
    this.length = 0;
  }

  /** What was added since the last one is a key. */
  end(): void {
    if (++this.n === this.at.length) {
      const longer = new Int32Array(this.at.length * 2);
      longer.set(this.at);
      this.at = longer;
    }
    this.at[this.n] = this.length;
  }

  private room(bytes: number): void {
    if (this.length + bytes <= this.bytes.length) return;
    const bigger = Buffer.allocUnsafeSlow((this.length + bytes) * 2);
    this.bytes.copy(bigger, 0, 0, this.length);
    this.bytes = bigger;
  }

  add(bytes: Uint8Array): void {
    this.room(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  byte(value: number): void {
    this.room(1);
    this.bytes[this.length++] = value;
  }

  /** Big endian, as all numbers: keys are in their order. */
  short(value: number): void {
    this.room(2);
    this.length = this.bytes.writeUInt16BE(value, this.length);
  }

  number(value: number): void {
    this.room(NUMBER_BYTES);
    this.length = this.bytes.writeUIntBE(value, this.length, NUMBER_BYTES);
  }

  text(text: string): void {
    this.room(text.length * 3);
    this.length += this.bytes.write(text, this.length);
  }
}

/** The number at the end of a key. */
export const lastNumber = (key: Buffer): number => key.readUIntBE(key.length - NUMBER_BYTES, NUMBER_BYTES);

/** How a name becomes a key. */
export type KeyForm<Name> = (name: Name, keys: KeyList) => void;
