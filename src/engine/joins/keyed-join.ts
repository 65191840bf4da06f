import type { Division } from "../keyed-state/division.ts";
import type { KeyedNode, KeyedSnapshot } from "../program.ts";
import { requireRestorable } from "../windows/restorable.ts";
import { givesUnmatched, joinSignature } from "./join-node.ts";
import type { JoinNode } from "./join-node.ts";
import { JOIN_MIGRATIONS, JOIN_STATE_VERSION } from "./row-codec.ts";
import { isNullKey, noRowAt, NO_ROW } from "./row.ts";
import type { IncomingRow, Pair, RowAt, Side } from "./row.ts";

const NOTHING = Buffer.alloc(0);

export interface JoinShard {
  readonly index: number;
  /** Watermark at the restored barrier: what was late then is late now, whatever the other shards say. */
  floor: number;
}

/** State of a join, wherever it is. A chain puts a record into `row` and calls `add`; results go to `pair`, which the chain below the join sets. */
export abstract class KeyedJoin<Shard extends JoinShard> implements KeyedNode {
  readonly node: string;
  readonly stateVersion = JOIN_STATE_VERSION;
  readonly migrations = JOIN_MIGRATIONS;
  readonly stateSignature: string;
  watermark = Number.NEGATIVE_INFINITY;
  readonly row: IncomingRow;
  pair: Pair = () => undefined;
  /** By side: whether a row without a partner gives a result. */
  protected readonly unmatched: readonly [boolean, boolean];
  protected readonly owned = new Map<number, Shard>();
  private readonly byIndex: (Shard | undefined)[] = [];

  constructor(node: JoinNode) {
    this.node = node.name;
    this.stateSignature = joinSignature(node);
    this.unmatched = [givesUnmatched(node, 0), givesUnmatched(node, 1)];
    this.row = { key: NOTHING, keyStart: 0, keyEnd: 0, hash: 0, ...noRowAt(), ts: 0 };
  }

  /** Takes `row` in; false where it is late. */
  abstract add(side: Side, shard: number): boolean;
  /** Moves the watermark: gives the results that are due by time, and drops rows that no record can meet any more. */
  abstract advance(watermark: number): void;
  abstract beginSnapshot(): KeyedSnapshot;
  abstract restore(index: number, chunks: readonly Buffer[], stateVersion: number): void;
  abstract size(): number;
  abstract division(floor: number): Division;
  /** A shard that has nothing yet, and a floor of −∞. */
  protected abstract newShard(index: number): Shard;

  protected shard(index: number): Shard {
    return this.byIndex[index] ?? this.open(index);
  }

  private open(index: number): Shard {
    const shard = this.newShard(index);
    this.owned.set(index, shard);
    this.byIndex[index] = shard;
    return shard;
  }

  /** The shard that saved state is to go into. */
  protected restorable(index: number, stateVersion: number): Shard {
    const isOwned = this.owned.has(index);
    requireRestorable(this.node, { index, isOwned, stateVersion, known: JOIN_STATE_VERSION });
    return this.open(index);
  }

  protected now(shard: Shard): number {
    return Math.max(this.watermark, shard.floor);
  }

  protected hasNullKey(): boolean {
    const { key, keyStart, keyEnd } = this.row;
    return isNullKey({ bytes: key, start: keyStart, stop: keyEnd });
  }

  /** Gives a row that has no partner. */
  protected giveAlone(side: Side, row: RowAt, { shard, ts }: { shard: number; ts: number }): void {
    if (side === 0) this.pair(row, NO_ROW, shard, ts);
    else this.pair(NO_ROW, row, shard, ts);
  }

  shards(): readonly number[] {
    return [...this.owned.keys()].toSorted((a, b) => a - b);
  }
}
