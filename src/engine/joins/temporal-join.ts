import type { Division } from "../keyed-state/division.ts";
import { rowDivision } from "./row-division.ts";
import type { KeyedSnapshot } from "../program.ts";
import { lastWatermark } from "../windows/chunk-writer.ts";
import { OWN_HISTORY } from "../windows/pieces.ts";
import { KeyedJoin } from "./keyed-join.ts";
import type { JoinShard } from "./keyed-join.ts";
import { readRows } from "./row-codec.ts";
import type { SavedRow } from "./row-codec.ts";
import { keptRow, NO_ROW } from "./row.ts";
import type { Side } from "./row.ts";
import { inForce, newHistories, temporalSnapshot } from "./temporal-snapshot.ts";
import type { Histories, Kept, TemporalShardAtBarrier } from "./temporal-snapshot.ts";

/** As in SQL, null is equal to nothing. */
const NULL = "null";

interface Shard extends JoinShard {
  /** Left rows whose time has not come, in order of arrival. */
  waiting: Kept[];
  /** By key, in order of their time: those after the watermark, and the newest before. Lists are replaced, never changed. */
  readonly versions: Map<string, readonly Kept[]>;
  histories: Histories;
  /** Of left rows: below which number they were in a snapshot, and how many the history has, also of those given since. */
  last: number;
  saved: number;
}

/**
 * Each left row with the version of its key that is in force at its time: the newest right row that is not later. It is given
 * when the watermark reaches its time, because only then are all versions there. A left row at or before the watermark is
 * late; a right one is not: it is in force for what is still to come, unless a newer one is.
 */
export class TemporalJoin extends KeyedJoin<Shard> {
  private rows = 0;
  /** The time of the first row that waits is not before this. */
  private nextDue = Number.POSITIVE_INFINITY;

  protected newShard(index: number): Shard {
    const empty = { waiting: [], versions: new Map(), histories: newHistories(), last: 0, saved: 0 };
    return { index, floor: Number.NEGATIVE_INFINITY, ...empty };
  }

  add(side: Side, index: number): boolean {
    const shard = this.shard(index);
    const { key, keyStart, keyEnd, ts } = this.row;
    if (side === 0 && ts <= this.now(shard)) return false;
    const text = Buffer.from(key.subarray(keyStart, keyEnd)).toString();
    if (text === NULL && (side === 1 || !this.unmatched[0])) return true;
    this.keep(shard, side, { key: text, ts, row: keptRow(this.row) });
    return true;
  }

  private keep(shard: Shard, side: Side, of: Omit<Kept, "number">): void {
    const kept = { ...of, number: this.rows++ };
    if (side === 0) {
      shard.waiting.push(kept);
      this.nextDue = Math.min(this.nextDue, of.ts);
      return;
    }
    const others = (shard.versions.get(of.key) ?? []).filter((version) => version.ts !== of.ts);
    const after = others.findIndex((version) => version.ts > of.ts);
    const at = after < 0 ? others.length : after;
    shard.versions.set(of.key, inForce(others.toSpliced(at, 0, kept), this.now(shard)));
  }

  /** Gives what is due, in order of time, of shards, and of arrival. */
  advance(watermark: number): void {
    if (watermark <= this.watermark) return;
    if (watermark >= this.nextDue) {
      const due: { shard: Shard; left: Kept }[] = [];
      for (const shard of this.owned.values()) {
        const { true: passed = [], false: waiting = [] } = Object.groupBy(shard.waiting, (left) =>
          left.ts <= watermark ? "true" : "false",
        );
        shard.waiting = waiting;
        for (const left of passed) due.push({ shard, left });
      }
      due.sort((a, b) => a.left.ts - b.left.ts || a.shard.index - b.shard.index || a.left.number - b.left.number);
      for (const { shard, left } of due) this.give(shard, left);
      this.nextDue = Number.POSITIVE_INFINITY;
      for (const { waiting } of this.owned.values())
        for (const { ts } of waiting) this.nextDue = Math.min(this.nextDue, ts);
    }
    this.watermark = watermark;
  }

  private give({ index, versions }: Shard, { key, ts, row }: Kept): void {
    const version = key === NULL ? undefined : versions.get(key)?.findLast((v) => v.ts <= ts);
    if (version !== undefined || this.unmatched[0]) this.pair(row, version?.row ?? NO_ROW, index, ts);
  }

  /** Rows and lists of versions do not change. */
  beginSnapshot(): KeyedSnapshot {
    const held = new Map([...this.owned.values()].map((shard) => [shard.index, this.atBarrier(shard)]));
    return temporalSnapshot({ position: { snapshot: 0, entries: this.rows }, shards: held });
  }

  private atBarrier(shard: Shard): TemporalShardAtBarrier {
    const { waiting, versions } = shard;
    for (let i = waiting.length - 1; i >= 0 && (waiting[i] as Kept).number >= shard.last; i--) shard.saved++;
    shard.last = this.rows;
    // While they are few, or most that was saved was given, they are written anew, and what was saved before is not kept.
    if (waiting.length < Math.max(OWN_HISTORY, shard.saved / 2)) {
      shard.histories = { ...shard.histories, waiting: {} };
      shard.saved = waiting.length;
    }
    const { histories } = shard;
    const now = this.now(shard);
    return { now, waiting, waitingCount: waiting.length, versions: [...versions.values()], histories };
  }

  division(floor: number): Division {
    return versionDivision(floor);
  }

  restore(index: number, chunks: readonly Buffer[], stateVersion: number): void {
    const shard = this.restorable(index, stateVersion);
    const passed = lastWatermark(chunks);
    const load = ({ side, ts, key, row }: SavedRow): void => {
      if (side === 0 && ts <= passed) return;
      const text = Buffer.from(key.bytes.subarray(key.start, key.stop)).toString();
      this.keep(shard, side, { key: text, ts, row: { ...row } });
    };
    for (const chunk of chunks) {
      const floor = readRows(chunk, load);
      shard.floor = Math.max(shard.floor, floor);
    }
  }

  size(): number {
    let n = 0;
    for (const shard of this.owned.values()) {
      n += shard.waiting.length;
      for (const list of shard.versions.values()) n += list.length === 1 ? 1 : inForce(list, this.now(shard)).length;
    }
    return n;
  }
}

/** Rows that wait have not been given, and of versions those in force are there. */
export const versionDivision = (floor: number): Division =>
  rowDivision({
    floor,
    unmatched: [false, false],
    isAlive: (side, ts, now) => side === 1 || ts > now,
    logEnd: () => 0,
  });
