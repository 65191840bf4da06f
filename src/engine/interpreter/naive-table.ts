import { TRIGGER, WRITTEN_AT } from "../keyed-state/keyed-table.ts";
import type { TableOptions } from "../keyed-state/keyed-table.ts";
import { lastWatermark } from "../windows/chunk-writer.ts";
import { passedBoundary, readTimed, resultAt } from "../keyed-state/timed-table.ts";
import type { PlanTrigger } from "../plan.ts";
import type { DecodedEntry } from "../windows/entry-codec.ts";
import { fold, newEntry, requireSums } from "./naive-entry.ts";
import type { NaiveEntry, NaiveRecord } from "./naive-entry.ts";
import { NaiveState } from "./naive-state.ts";
import type { NaiveFire, NaiveRow, Saved } from "./naive-state.ts";

/** By key, in order of arrival. */
type Entries = Map<string, NaiveEntry>;

/** Keys without windows. */
export class NaiveTable extends NaiveState<Entries> {
  private readonly ttl: number;
  private readonly trigger: PlanTrigger;
  private time = Number.NEGATIVE_INFINITY;

  constructor({ node, layout, stateSignature, ttlMs, trigger = { type: "record" } }: TableOptions) {
    super(node, layout, stateSignature);
    this.ttl = ttlMs;
    this.trigger = trigger;
  }

  protected empty(): Entries {
    return new Map();
  }

  /** The end of the input forgets nothing. */
  protected override now({ floor }: { floor: number }): number {
    return Math.max(this.time, floor);
  }

  /** A key whose result is still to be given by time is not. */
  private forgotten({ cells }: NaiveEntry, now: number): boolean {
    if (this.trigger.type === "time" && (cells[TRIGGER] as number) > 0) return false;
    return this.ttl > 0 && (cells[WRITTEN_AT] as number) + this.ttl <= now;
  }

  /** Keys whose result is still to be given, in the order in which they changed. */
  private waiting(held: Entries): NaiveEntry[] {
    const turn = ({ cells }: NaiveEntry): number => cells[TRIGGER] as number;
    return [...held.values()].filter((e) => turn(e) > 0).toSorted((a, b) => turn(a) - turn(b));
  }

  /** The key's entry, made anew at the end where it is forgotten; `change` may throw before it changes something. */
  change(
    shardIndex: number,
    { key, ts }: { key: string; ts: number },
    change: (entry: NaiveEntry) => void,
  ): NaiveEntry {
    const shard = this.open(shardIndex);
    const now = this.now(shard);
    const held = shard.held.get(key);
    if (held !== undefined && this.forgotten(held, now)) shard.held.delete(key);
    const entry = shard.held.get(key) ?? newEntry(this.layout, key);
    change(entry);
    entry.cells[WRITTEN_AT] = Math.max(ts, now);
    shard.held.set(key, entry);
    return entry;
  }

  has(shardIndex: number, key: string): boolean {
    const shard = this.open(shardIndex);
    const held = shard.held.get(key);
    return held !== undefined && !this.forgotten(held, this.now(shard));
  }

  add(shardIndex: number, record: NaiveRecord): readonly NaiveRow[] {
    const entry = this.change(shardIndex, record, (changed) => {
      requireSums(this.layout, changed, record.args);
      fold(this.layout, changed, record.args);
    });
    const row = { entry, window: [], ts: record.ts, where: `of the result at ${record.ts}` };
    const { trigger } = this;
    if (trigger.type === "record") return [row];
    if (trigger.type === "time") {
      const last = this.waiting(this.open(shardIndex).held).at(-1);
      if (entry.cells[TRIGGER] === 0) entry.cells[TRIGGER] = (last?.cells[TRIGGER] ?? 0) + 1;
      return [];
    }
    const counted = (entry.cells[TRIGGER] as number) + 1;
    entry.cells[TRIGGER] = counted;
    if (trigger.type === "count") return counted % trigger.every === 0 ? [row] : [];
    if (counted < trigger.size) return [];
    this.open(shardIndex).held.delete(record.key);
    return [row];
  }

  advance(watermark: number, fire: NaiveFire): void {
    const from = this.watermark;
    this.watermark = watermark;
    if (watermark < Infinity) this.time = watermark;
    if (this.trigger.type !== "time") return;
    const { everyMs } = this.trigger;
    const boundary = passedBoundary(everyMs, watermark);
    for (const [index, { floor, held }] of [...this.owned].toSorted(([a], [b]) => a - b)) {
      if (boundary <= passedBoundary(everyMs, Math.max(from, floor))) continue;
      for (const entry of this.waiting(held)) {
        entry.cells[TRIGGER] = 0;
        const end = resultAt(everyMs, boundary, entry.cells[WRITTEN_AT] as number);
        fire({ entry, window: [], ts: end - 1, where: `of the result at ${end}` }, index);
      }
    }
  }

  protected override readSaved(chunk: Buffer, all: readonly Buffer[], each: (entry: DecodedEntry) => void): number {
    const { trigger, layout } = this;
    if (trigger.type !== "time") return super.readSaved(chunk, all, each);
    return readTimed(chunk, { layout, everyMs: trigger.everyMs, savedAt: lastWatermark(all) }, each);
  }

  protected saved(held: Entries, now: number): readonly Saved[] {
    return [...held.values()].filter((e) => !this.forgotten(e, now)).map((entry) => ({ end: 0, entry }));
  }

  protected load(held: Entries, { entry }: Saved): void {
    held.set(entry.key, entry);
  }

  protected count(held: Entries, now: number): number {
    return [...held.values()].filter((e) => !this.forgotten(e, now)).length;
  }
}
