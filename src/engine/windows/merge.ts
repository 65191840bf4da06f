import type { Held } from "../accumulators/accumulator.ts";
import type { CellLayout, Slot } from "./cells.ts";
import { isText } from "./cells.ts";
import { addSum } from "./sum.ts";

/** One entry of a page or a table. */
export interface EntryAt {
  readonly cells: Float64Array | number[];
  readonly cellAt: number;
  readonly texts: Held[];
  readonly textAt: number;
}

/**
 * Adds what `from` counted to `into`, as if its records had come there. `epoch` is that of the accumulators which only
 * `into` has: any other is copied before it changes.
 */
export function mergeEntry(layout: CellLayout, into: EntryAt, from: EntryAt, epoch: number): void {
  for (const slot of layout.slots) {
    if (!isText(slot.fn)) mergeNumber(slot, into, from);
    else if (layout.accumulators[slot.at] === undefined) mergeText(slot, into, from);
    else mergeAccumulator(into, from, { at: slot.at, epoch });
  }
}

function mergeAccumulator(into: EntryAt, from: EntryAt, { at, epoch }: { at: number; epoch: number }): void {
  const mine = into.texts[into.textAt + at];
  const other = from.texts[from.textAt + at];
  if (typeof other !== "object") return;
  const sum = typeof mine === "object" && mine.epoch === epoch ? mine : (mine ?? other);
  if (typeof sum !== "object") return;
  const merged = sum.epoch === epoch && sum === mine ? sum : sum.clone();
  merged.epoch = epoch;
  if (mine !== undefined) merged.merge(other);
  into.texts[into.textAt + at] = merged;
}

function mergeText({ fn, at, order }: Slot, into: EntryAt, from: EntryAt): void {
  const mine = into.cells[into.cellAt + order] as number;
  const other = from.cells[from.cellAt + order] as number;
  const held = into.texts[into.textAt + at];
  const takes = held === undefined || (fn === "first" ? other < mine : other > mine);
  if (!takes || from.texts[from.textAt + at] === undefined) return;
  into.texts[into.textAt + at] = from.texts[from.textAt + at];
  into.cells[into.cellAt + order] = other;
}

function mergeNumber({ fn, at }: Slot, into: EntryAt, from: EntryAt): void {
  const i = into.cellAt + at;
  const mine = into.cells[i] as number;
  const other = from.cells[from.cellAt + at] as number;
  if (fn === "count" || fn === "avg") into.cells[i] = mine + other;
  if (fn === "avg") into.cells[i + 1] = (into.cells[i + 1] as number) + (from.cells[from.cellAt + at + 1] as number);
  if (fn === "sum") into.cells[i] = addSum(mine, other);
  // NaN is no value: the comparisons with it are false.
  if (fn === "min" && !(mine <= other) && !Number.isNaN(other)) into.cells[i] = other;
  if (fn === "max" && !(mine >= other) && !Number.isNaN(other)) into.cells[i] = other;
}
