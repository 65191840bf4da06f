import { isNullKey, keptRow, NO_ROW } from "../joins/row.ts";
import type { IncomingRow, Pair, RowAt } from "../joins/row.ts";
import type { PlanNode } from "../plan.ts";

export type BroadcastNode = Extract<PlanNode, { kind: "broadcast" }>;

const NOTHING = Buffer.alloc(0);

/** The newest record of each key. A chain puts a record into `row` and calls `keep` for the table, `meet` for the others. */
export class BroadcastTable {
  readonly row: IncomingRow;
  pair: Pair = () => undefined;
  private readonly keepsUnmatched: boolean;
  private readonly rows = new Map<string, RowAt>();

  constructor({ joinType }: BroadcastNode) {
    this.keepsUnmatched = joinType === "Left";
    this.row = { key: NOTHING, keyStart: 0, keyEnd: 0, hash: 0, bytes: NOTHING, start: 0, end: 0, ts: 0 };
  }

  keep(): void {
    const key = this.key();
    if (key === undefined) return;
    this.rows.set(key, keptRow(this.row));
  }

  /** The chain below may make other bytes where `row` has its own, so these are copied. */
  meet(split: number): void {
    const key = this.key();
    const right = (key === undefined ? undefined : this.rows.get(key)) ?? NO_ROW;
    if (right === NO_ROW && !this.keepsUnmatched) return;
    this.pair(keptRow(this.row), right, split, this.row.ts);
  }

  private key(): string | undefined {
    const { key, keyStart, keyEnd } = this.row;
    if (isNullKey({ bytes: key, start: keyStart, stop: keyEnd })) return undefined;
    return Buffer.from(key.buffer, key.byteOffset + keyStart, keyEnd - keyStart).toString("latin1");
  }
}
