import type { Batch, Row } from "../../src/engine/batch.ts";

/** A batch of objects, from a source that has no bytes. */
export function rowBatch(rows: readonly Row[], split = 0, ts: (i: number) => number = () => 0): Batch {
  return { ...batchOf([], split), n: rows.length, ts: Float64Array.from(rows, (_, i) => ts(i)), rows };
}

/** A batch of the given records, back to back in one buffer as a source would have them. */
export function batchOf(
  records: readonly (string | Buffer | null)[],
  split = 0,
  ts: (i: number) => number = () => 0,
): Batch {
  const parts = records.map((r) => (r === null ? Buffer.alloc(0) : Buffer.from(r)));
  const off = new Int32Array(records.length);
  let at = 0;
  parts.forEach((part, i) => {
    off[i] = at;
    at += part.length;
  });
  return {
    split,
    n: records.length,
    buf: Buffer.concat(parts),
    off,
    len: Int32Array.from(parts, (part, i) => (records[i] === null ? -1 : part.length)),
    ts: Float64Array.from(records, (_, i) => ts(i)),
    key: undefined,
    describe: (i) => `events[${split}]@${i}`,
  };
}

/** As a source uses it again: what a program has kept of it is other bytes then. */
export function useAgain({ buf, off, len, key }: Batch): void {
  off.forEach((at, i) => buf.fill("#", at, at + Math.max(0, len[i] as number)));
  for (const places of [off, len, key?.off, key?.len]) places?.fill(0);
}
