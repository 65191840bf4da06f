import { givesUnmatched } from "../joins/join-node.ts";
import { NaiveJoin } from "./naive-join.ts";
import type { GivePair, NaiveJoinRow, NaivePair } from "./naive-join.ts";

/** Rows of one list, looked through when time comes: left ones wait for it, right ones are kept while they may be in force. */
export class NaiveTemporalJoin extends NaiveJoin {
  override add(index: number, row: NaiveJoinRow): readonly NaivePair[] | "late" {
    const shard = this.open(index);
    if (row.side === 0 && row.ts <= this.now(shard)) return "late";
    if (row.key === "null" && (row.side === 1 || !givesUnmatched(this.join, 0))) return [];
    const isReplaced = (other: NaiveJoinRow): boolean =>
      row.side === 1 && other.side === 1 && other.key === row.key && other.ts === row.ts;
    shard.rows = current([...shard.rows.filter((other) => !isReplaced(other)), row], this.now(shard));
    return [];
  }

  override advance(watermark: number, give: GivePair): void {
    if (watermark <= this.watermark) return;
    const due = [...this.owned].flatMap(([index, { rows }]) =>
      rows.filter((row) => row.side === 0 && row.ts <= watermark).map((left) => ({ left, index, rows })),
    );
    this.watermark = watermark;
    this.time = watermark;
    for (const shard of this.owned.values()) {
      shard.rows = current(
        shard.rows.filter((row) => row.side === 1 || row.ts > watermark),
        this.now(shard),
      );
    }
    for (const { left, index, rows } of due.toSorted((a, b) => a.left.ts - b.left.ts || a.index - b.index)) {
      const right = versionAt(rows, left);
      if (right !== undefined || givesUnmatched(this.join, 0)) give({ left, right, ts: left.ts }, index);
    }
  }
}

function versionAt(rows: readonly NaiveJoinRow[], { key, ts }: NaiveJoinRow): NaiveJoinRow | undefined {
  const versions = rows.filter((row) => row.side === 1 && row.key === key && key !== "null" && row.ts <= ts);
  return versions.toSorted((a, b) => a.ts - b.ts).at(-1);
}

/** Without versions that a newer one has replaced for good. */
const current = (rows: readonly NaiveJoinRow[], now: number): NaiveJoinRow[] =>
  rows.filter(
    (row) =>
      row.side === 0 ||
      !rows.some((other) => other.side === 1 && other.key === row.key && other.ts > row.ts && other.ts <= now),
  );
