/** Kafka's hash of record keys (org.apache.kafka.common.utils.Utils.murmur2), as a signed 32-bit integer. */
export function murmur2(bytes: Uint8Array, start: number, end: number): number {
  const m = 0x5bd1e995;
  const length = end - start;
  let h = 0x9747b28c ^ length;
  let i = start;
  for (const whole = start + (length & ~3); i < whole; i += 4) {
    let k =
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24);
    k = Math.imul(k, m);
    k ^= k >>> 24;
    h = Math.imul(h, m) ^ Math.imul(k, m);
  }
  return finished(h, bytes, i, length & 3);
}

/** The same where there is a view of the bytes, by which a word is read at once: half of the time for 28 bytes. */
export function murmur2Of({ bytes, view }: { bytes: Uint8Array; view: DataView }, start: number, end: number): number {
  const m = 0x5bd1e995;
  const length = end - start;
  let h = 0x9747b28c ^ length;
  let i = start;
  for (const whole = start + (length & ~3); i < whole; i += 4) {
    let k = Math.imul(view.getInt32(i, true), m);
    k ^= k >>> 24;
    h = Math.imul(h, m) ^ Math.imul(k, m);
  }
  return finished(h, bytes, i, length & 3);
}

/** With the bytes behind the last whole word. */
function finished(words: number, bytes: Uint8Array, i: number, rest: number): number {
  const m = 0x5bd1e995;
  let h = words;
  if (rest === 3) h ^= (bytes[i + 2] as number) << 16;
  if (rest >= 2) h ^= (bytes[i + 1] as number) << 8;
  if (rest >= 1) h = Math.imul(h ^ (bytes[i] as number), m);
  h = Math.imul(h ^ (h >>> 13), m);
  return h ^ (h >>> 15);
}

/** Kafka's default partitioner: the shard of a key whose hash is `hash`. */
export const shardOf = (hash: number, maxParallelism: number): number => (hash & 0x7fffffff) % maxParallelism;
