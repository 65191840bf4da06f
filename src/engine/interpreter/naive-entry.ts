import { isText } from "../windows/cells.ts";
import { own } from "../accumulators/accumulator.ts";
import { heldResult, skipsNull } from "../accumulators/accumulator-kinds.ts";
import type { Held } from "../accumulators/accumulator.ts";
import type { CellLayout, Slot } from "../windows/cells.ts";
import type { DecodedEntry, EntryWriter } from "../windows/entry-codec.ts";
import { addSum, overflowProblem, overflows } from "../windows/sum.ts";

/** What is counted for one key: the same cells as in generated code, in plain lists. */
export interface NaiveEntry {
  readonly key: string;
  readonly cells: number[];
  readonly texts: Held[];
}

export interface NaiveRecord {
  readonly ts: number;
  readonly key: string;
  readonly args: readonly unknown[];
}

export const newEntry = (layout: CellLayout, key: string): NaiveEntry => ({
  key,
  cells: [...layout.initial],
  texts: Array.from<Held>({ length: layout.texts }),
});

/** Here every entry is written out when a snapshot is taken, so accumulators need no copies. */
export const OWNED = 0;

/** Folds a record into an entry. `arrival` numbers what came first and last, where entries are merged. */
export function fold(layout: CellLayout, entry: NaiveEntry, args: readonly unknown[], arrival?: () => number): void {
  layout.slots.forEach((slot, i) => {
    const kind = isText(slot.fn) ? layout.accumulators[slot.at] : undefined;
    if (kind !== undefined) {
      if (args[i] === null && skipsNull(slot.fn)) return;
      const held = own(kind, entry.texts[slot.at], OWNED);
      held.add(args[i]);
      entry.texts[slot.at] = held;
    } else if (isText(slot.fn)) foldText(entry, slot, { arg: args[i], arrival });
    else foldNumber(entry, slot, { arg: args[i], merged: arrival !== undefined });
  });
}

function foldText(
  { cells, texts }: NaiveEntry,
  { fn, at, order }: Slot,
  { arg, arrival }: { arg: unknown; arrival: (() => number) | undefined },
): void {
  if (fn === "first" && texts[at] !== undefined) return;
  texts[at] = JSON.stringify(arg);
  if (arrival !== undefined) cells[order] = arrival();
}

/** Numbers skip null, as SQL's aggregates do. */
function foldNumber({ cells }: NaiveEntry, { fn, at }: Slot, { arg, merged }: { arg: unknown; merged: boolean }): void {
  const held = cells[at] as number;
  if (fn === "count") cells[at] = held + 1;
  if (typeof arg !== "number") return;
  if (fn === "avg") {
    cells[at] = held + arg;
    cells[at + 1] = (cells[at + 1] as number) + 1;
  } else if (Number.isNaN(held)) cells[at] = arg;
  else if (fn === "sum") cells[at] = merged ? addSum(held, arg) : held + arg;
  else if (fn === "min") cells[at] = Math.min(held, arg);
  else if (fn === "max") cells[at] = Math.max(held, arg);
}

/** A sum that the record would take beyond what is exact, before anything changes. */
export function requireSums(layout: CellLayout, entry: NaiveEntry | undefined, args: readonly unknown[]): void {
  layout.slots.forEach(({ fn, at, name }, i) => {
    const arg = args[i];
    if (fn === "sum" && typeof arg === "number" && overflows(entry?.cells[at] ?? Number.NaN, arg))
      throw new RangeError(overflowProblem(name));
  });
}

/** The name of a merged sum that overflowed. */
export function overflowed(layout: CellLayout, { cells }: NaiveEntry): string | undefined {
  return layout.slots.find(({ fn, at }) => fn === "sum" && Math.abs(cells[at] as number) === Infinity)?.name;
}

/** The aggregates of a result, in the user's order. */
export function resultsOf(layout: CellLayout, { cells, texts }: NaiveEntry): [string, unknown][] {
  return layout.slots.map(({ name, fn, at }) => {
    if (isText(fn) && layout.accumulators[at] !== undefined) return [name, heldResult(fn, texts[at])];
    if (isText(fn)) return [name, JSON.parse((texts[at] as string | undefined) ?? "null")];
    const held = cells[at] as number;
    const value = fn === "avg" ? held / (cells[at + 1] as number) : held;
    return [name, Number.isFinite(value) ? value : null];
  });
}

export function writeEntry(writer: EntryWriter, end: number, { key, cells, texts }: NaiveEntry): void {
  const bytes = Buffer.from(key);
  const values = { cells: Float64Array.from(cells), cellAt: 0, texts, textAt: 0 };
  writer.add(end, { bytes, start: 0, stop: bytes.length }, values);
}

export function readEntry({ key, cells, texts }: DecodedEntry): NaiveEntry {
  const asText = texts.map((held) => (typeof held === "number" ? String(held) : held));
  return { key: key.bytes.toString("utf8", key.start, key.stop), cells: [...cells], texts: asText };
}
