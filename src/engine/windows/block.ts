import { spareMemory } from "./spare-memory.ts";

/** Each of larger ones has its own memory. */
const TOGETHER = 64 * 1024;
const WORD = 8;

/**
 * Arrays that live and die together: small ones lie in one piece of memory, because for those taking it and giving it back costs
 * more than filling it. Their content is what was there before.
 */
export class Block {
  private readonly memory: ArrayBuffer | undefined;
  private taken = 0;

  /** For arrays of so many bytes. */
  constructor(...arrays: readonly number[]) {
    const bytes = arrays.reduce((sum, n) => sum + whole(n), 0);
    if (bytes <= TOGETHER) this.memory = spareMemory.take(bytes);
  }

  float64(n: number): Float64Array<ArrayBuffer> {
    return new Float64Array(this.memory ?? spareMemory.take(n * 8), this.take(n * 8), n);
  }

  int32(n: number): Int32Array<ArrayBuffer> {
    return new Int32Array(this.memory ?? spareMemory.take(n * 4), this.take(n * 4), n);
  }

  uint16(n: number): Uint16Array<ArrayBuffer> {
    return new Uint16Array(this.memory ?? spareMemory.take(n * 2), this.take(n * 2), n);
  }

  private take(bytes: number): number {
    if (this.memory === undefined) return 0;
    const at = this.taken;
    this.taken = at + whole(bytes);
    return at;
  }
}

const whole = (bytes: number): number => Math.ceil(bytes / WORD) * WORD;

export function takeBytes(bytes: number): Buffer {
  return Buffer.from(spareMemory.take(bytes));
}

/** Gives back the memory of arrays that nobody uses any more. */
export function giveArrays(arrays: readonly { readonly buffer: ArrayBufferLike }[]): void {
  for (const buffer of new Set(arrays.map((array) => array.buffer))) spareMemory.give(buffer as ArrayBuffer);
}
