const P1 = 0x9e37_79b1;
const P2 = 0x85eb_ca77;
const P3 = 0xc2b2_ae3d;
const P4 = 0x27d4_eb2f;
const P5 = 0x1656_67b1;
const SHORT = 16;

/**
 * xxHash32 with seed 0 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md) of fewer than 16 bytes: the
 * checksum of an LZ4 frame's header.
 */
export function xxHash32(data: Uint8Array): number {
  if (data.length >= SHORT) throw new RangeError("only inputs below 16 bytes");
  let hash = (P5 + data.length) | 0;
  let at = 0;
  for (; at + 4 <= data.length; at += 4) {
    const word =
      (data[at] as number) |
      ((data[at + 1] as number) << 8) |
      ((data[at + 2] as number) << 16) |
      ((data[at + 3] as number) << 24);
    hash = Math.imul(rotate(hash + Math.imul(word, P3), 17), P4);
  }
  for (; at < data.length; at++) hash = Math.imul(rotate(hash + Math.imul(data[at] as number, P5), 11), P1);
  hash = Math.imul(hash ^ (hash >>> 15), P2);
  hash = Math.imul(hash ^ (hash >>> 13), P3);
  return (hash ^ (hash >>> 16)) >>> 0;
}

const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));
