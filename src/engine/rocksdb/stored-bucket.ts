import { Bucket } from "../windows/bucket.ts";
import type { CellLayout } from "../windows/cells.ts";

/** A bucket with room for so many times its keys has too much; for so many keys it is not worth the effort. */
const ROOMY = 4;
const SMALL = 64;

/** What a bucket asks of what keeps it: called for every entry that is new in it. */
export interface Keeper {
  inserted(bucket: StoredBucket, entry: number): void;
}

/**
 * Some of the keys of a window or a table in one shard: those in use. The others are in the database, if `cold`. Generated
 * code uses it like every bucket: a key that it does not find it inserts, and what is stored of the key comes with it.
 */
export class StoredBucket extends Bucket {
  /** Before the key in the database. */
  readonly prefix: Buffer;
  /** The database has keys that are not here. */
  cold = false;
  /** Something of it is in the database. */
  stored = false;
  /** Keys that ever arrived, and how many of them the index has. */
  arrived = 0;
  indexed = 0;
  /** By entry: place in the order of arrival, and bytes that it is counted for. */
  seqs: number[] = [];
  weights: number[] = [];
  private readonly keeper: Keeper;

  constructor(end: number, layout: CellLayout, of: { prefix: Buffer; keeper: Keeper }) {
    super(end, layout, false);
    this.prefix = of.prefix;
    this.keeper = of.keeper;
  }

  override insert(bytes: Uint8Array, start: number, stop: number, at: { hash: number; place: number }): number {
    const e = super.insert(bytes, start, stop, at);
    this.keeper.inserted(this, e);
    return e;
  }

  /** Keeps room only for a bucket that is in use: windows fill one after another, and wait long until they are given. */
  override clear(): void {
    const room = this.hashes.length;
    const isRoomy = room > SMALL && this.n * ROOMY < room;
    super.clear();
    if (isRoomy) this.giveBack();
    this.seqs.length = 0;
    this.weights.length = 0;
  }
}
