import type { WindowNode } from "../windows/cells.ts";
import { layoutOf, merges, stateSignature } from "../windows/cells.ts";
import { mergeEntry } from "../windows/merge.ts";
import { paneEnd, panesOf, passedWindows } from "../windows/panes.ts";
import type { Panes, PaneWindow } from "../windows/panes.ts";
import { fold, newEntry, requireSums } from "./naive-entry.ts";
import type { NaiveEntry, NaiveRecord } from "./naive-entry.ts";
import { NaiveState } from "./naive-state.ts";
import type { NaiveFire, NaiveRow, Saved } from "./naive-state.ts";

/** By pane, then by key in order of arrival. */
type PaneEntries = Map<number, Map<string, NaiveEntry>>;

/** Tumbling, sliding and cumulating windows. */
export class NaiveWindows extends NaiveState<PaneEntries> {
  private readonly panes: Panes;
  private readonly lateness: number;
  private readonly merged: boolean;

  constructor(node: WindowNode & { readonly window: PaneWindow }) {
    super(node.name, layoutOf(node), stateSignature(node));
    this.panes = panesOf(node.window);
    this.lateness = node.allowedLatenessMs;
    this.merged = merges(node);
  }

  protected empty(): PaneEntries {
    return new Map();
  }

  add(shardIndex: number, record: NaiveRecord): readonly NaiveRow[] | "late" {
    const shard = this.open(shardIndex);
    const pane = paneEnd(this.panes, record.ts);
    const now = this.now(shard);
    if (this.panes.last(pane) - 1 + this.lateness <= now) return "late";
    const entries = shard.held.get(pane) ?? new Map<string, NaiveEntry>();
    if (!this.merged) requireSums(this.layout, entries.get(record.key), record.args);
    const entry = entries.get(record.key) ?? newEntry(this.layout, record.key);
    shard.held.set(pane, entries.set(record.key, entry));
    fold(this.layout, entry, record.args, this.merged ? this.arrival : undefined);
    const again = [...passedWindows(this.panes, pane, now - this.lateness, now)];
    return again.map((end) => this.row(end, this.window(shard.held, end).get(record.key) as NaiveEntry));
  }

  /** All keys of a window, merged of its panes. */
  private window(held: PaneEntries, end: number): Map<string, NaiveEntry> {
    const start = this.panes.start(end);
    const within = [...held].filter(([pane]) => pane > start && pane <= end).toSorted(([a], [b]) => a - b);
    const all = new Map<string, NaiveEntry>();
    for (const [, entries] of within) {
      for (const entry of entries.values()) {
        const into = all.get(entry.key);
        if (into === undefined) all.set(entry.key, { ...entry, cells: [...entry.cells], texts: [...entry.texts] });
        else mergeEntry(this.layout, at0(into), at0(entry), MERGED);
      }
    }
    return all;
  }

  private row(end: number, entry: NaiveEntry): NaiveRow {
    const window = [["windowStart", this.panes.start(end)] as const, ["windowEnd", end] as const];
    return { entry, window, ts: end - 1, where: `of the window ending at ${end}` };
  }

  advance(watermark: number, fire: NaiveFire): void {
    const due: { end: number; index: number; held: PaneEntries }[] = [];
    for (const [index, shard] of this.owned) {
      const passed = (pane: number): number[] => [...passedWindows(this.panes, pane, this.now(shard), watermark)];
      for (const end of new Set([...shard.held.keys()].flatMap(passed))) due.push({ end, index, held: shard.held });
    }
    this.watermark = watermark;
    for (const { end, index, held } of due.toSorted((a, b) => a.end - b.end || a.index - b.index))
      for (const entry of this.window(held, end).values()) fire(this.row(end, entry), index);
    for (const { held } of this.owned.values())
      for (const pane of held.keys()) if (this.panes.last(pane) - 1 + this.lateness <= watermark) held.delete(pane);
  }

  protected saved(held: PaneEntries): readonly Saved[] {
    const panes = [...held].toSorted(([a], [b]) => a - b);
    return panes.flatMap(([end, entries]) => [...entries.values()].map((entry) => ({ end, entry })));
  }

  protected load(held: PaneEntries, { end, entry }: Saved): void {
    held.set(end, (held.get(end) ?? new Map<string, NaiveEntry>()).set(entry.key, entry));
  }

  protected count(held: PaneEntries): number {
    return [...held.values()].reduce((n, entries) => n + entries.size, 0);
  }
}

/** No accumulator has this epoch, so that a merge copies each. */
export const MERGED = -3;

export const at0 = ({ cells, texts }: NaiveEntry) => ({ cells, cellAt: 0, texts, textAt: 0 });
