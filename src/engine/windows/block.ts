import { newMemory, spareMemory } from "./spare-memory.ts";

/** Each of larger ones has its own memory. */
const TOGETHER = 64 * 1024;
const WORD = 8;

/**
 * Arrays that live and die together: small ones lie in one piece of memory, because for those taking it and giving it back costs
 * more than filling it. Their content is what was there before.
 */
export class Block {
  private readonly memory: ArrayBuffer | undefined;
  /** The memory of the last array is all zero. */
  private isNew = false;
  private taken = 0;

  /** For arrays of so many bytes. */
  constructor(...arrays: readonly number[]) {
    const bytes = arrays.reduce((sum, n) => sum + whole(n), 0);
    if (bytes <= TOGETHER) this.memory = this.piece(bytes);
  }

  float64(n: number): Float64Array<ArrayBuffer> {
    return new Float64Array(this.memory ?? this.piece(n * 8), this.take(n * 8), n);
  }

  int32(n: number): Int32Array<ArrayBuffer> {
    return new Int32Array(this.memory ?? this.piece(n * 4), this.take(n * 4), n);
  }

  zeros32(n: number): Int32Array<ArrayBuffer> {
    const array = this.int32(n);
    return this.isNew ? array : array.fill(0);
  }

  zeros16(n: number): Uint16Array<ArrayBuffer> {
    const array = new Uint16Array(this.memory ?? this.piece(n * 2), this.take(n * 2), n);
    return this.isNew ? array : array.fill(0);
  }

  private piece(bytes: number): ArrayBuffer {
    const used = spareMemory.take(bytes);
    this.isNew = used === undefined;
    return used ?? newMemory(bytes);
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
  return Buffer.from(spareMemory.take(bytes) ?? newMemory(bytes));
}

/** Gives back the memory of arrays that nobody uses any more. */
export function giveArrays(arrays: readonly { readonly buffer: ArrayBufferLike }[]): void {
  for (const buffer of new Set(arrays.map((array) => array.buffer))) spareMemory.give(buffer as ArrayBuffer);
}
