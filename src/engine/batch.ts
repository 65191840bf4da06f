/**
 * A batch is what flows from a source into a chain: records as byte ranges of one buffer, no object per record; or, from a
 * source that has objects to begin with, those objects.
 * It belongs to one split, is at most MAX_BATCH_RECORDS records or MAX_BATCH_BYTES, and is only valid until the
 * chain's `process` returns: sources reuse the buffer and the arrays.
 */
export interface Batch {
  /** Index of the split in its source's split list; the shard of keyed nodes whose key is declared (`partitionedBy`). */
  split: number;
  /** Number of records; arrays may be longer. */
  n: number;
  buf: Buffer;
  /** Start and length of record i's value in `buf`. Length −1 is a null value (a Kafka tombstone). */
  off: Int32Array;
  len: Int32Array;
  /** Source timestamp of record i in ms since the epoch (Kafka's record timestamp, else the read time). */
  ts: Float64Array;
  /** Start and length of record i's key in `keyBuf`; `undefined` when the source has no keys. Length −1 is a null key. */
  key: { buf: Buffer; off: Int32Array; len: Int32Array } | undefined;
  /**
   * Record i as an object of JSON values, handed over: nobody changes it any more. `buf`, `off` and `len` are then not
   * read; whoever needs the record's bytes gets what JSON.stringify makes of it.
   */
  rows?: readonly Row[];
  /** For messages: the position of record i, for example "orders[3]@1207" or "in.ndjson:14". Not on the hot path. */
  describe(i: number): string;
}

export type Row = Readonly<Record<string, unknown>>;

export const MAX_BATCH_RECORDS = 1024;
export const MAX_BATCH_BYTES = 1024 * 1024;
