import type { KeyedNode, KeyedSnapshot } from "../program.ts";
import { cellLayout, isText, stateSignature, windowEnd } from "../windows/cells.ts";
import type { CellLayout, Slot, WindowNode } from "../windows/cells.ts";
import { EntryWriter, readChunk, STATE_VERSION } from "../windows/entry-codec.ts";
import type { DecodedEntry } from "../windows/entry-codec.ts";

export interface NaiveEntry {
  readonly key: string;
  readonly cells: number[];
  readonly texts: (string | undefined)[];
}

type Windows = Map<number, Map<string, NaiveEntry>>;
interface Shard {
  floor: number;
  readonly windows: Windows;
}

/** Windowed state as plain maps: what `WindowState` must be equal to. Same saved form, so each restores the other. */
export class NaiveWindows implements KeyedNode {
  readonly node: string;
  readonly stateVersion = STATE_VERSION;
  readonly stateSignature: string;
  readonly layout: CellLayout;
  watermark = Number.NEGATIVE_INFINITY;
  private readonly spec: WindowNode;
  private readonly owned = new Map<number, Shard>();

  constructor(spec: WindowNode) {
    this.node = spec.name;
    this.spec = spec;
    this.layout = cellLayout(spec.aggregates);
    this.stateSignature = stateSignature(spec);
  }

  /** Adds a record; tells the window's end, or that it is late. `refire` says that the window has fired already. */
  add(
    shardIndex: number,
    record: { ts: number; key: string; args: readonly unknown[] },
  ): { entry: NaiveEntry; end: number; refire: boolean } | "late" {
    const shard = this.shard(shardIndex);
    const end = windowEnd(this.spec.window, record.ts);
    const now = Math.max(this.watermark, shard.floor);
    if (end - 1 + this.spec.allowedLatenessMs <= now) return "late";
    const entry = this.entry(shard, end, record.key);
    this.layout.slots.forEach((slot, i) => update(entry, slot, record.args[i]));
    return { entry, end, refire: end - 1 <= now };
  }

  private shard(index: number): Shard {
    let shard = this.owned.get(index);
    if (shard === undefined) this.owned.set(index, (shard = { floor: Number.NEGATIVE_INFINITY, windows: new Map() }));
    return shard;
  }

  private entry(shard: Shard, end: number, key: string): NaiveEntry {
    let window = shard.windows.get(end);
    if (window === undefined) shard.windows.set(end, (window = new Map()));
    let entry = window.get(key);
    if (entry === undefined) window.set(key, (entry = { key, cells: [...this.layout.initial], texts: [] }));
    return entry;
  }

  advance(watermark: number, fire: (entry: NaiveEntry, end: number, shard: number) => void): void {
    const due: { end: number; index: number; window: Map<string, NaiveEntry> }[] = [];
    for (const [index, shard] of this.owned) {
      const fired = Math.max(this.watermark, shard.floor);
      for (const [end, window] of shard.windows)
        if (end - 1 > fired && end - 1 <= watermark) due.push({ end, index, window });
    }
    this.watermark = watermark;
    for (const { end, index, window } of due.toSorted((a, b) => a.end - b.end || a.index - b.index))
      for (const entry of window.values()) fire(entry, end, index);
    for (const { windows } of this.owned.values())
      for (const end of windows.keys()) if (end - 1 + this.spec.allowedLatenessMs <= watermark) windows.delete(end);
  }

  shards(): readonly number[] {
    return [...this.owned.keys()].toSorted((a, b) => a - b);
  }

  /** Encodes everything at once: a snapshot cannot tear when nothing runs in between. */
  beginSnapshot(): KeyedSnapshot {
    const saved = new Map<number, Buffer>();
    for (const [index, { floor, windows }] of this.owned) {
      const writer = new EntryWriter(this.layout, Math.max(this.watermark, floor));
      for (const [end, window] of [...windows].toSorted(([a], [b]) => a - b))
        for (const entry of window.values()) this.write(writer, end, entry);
      saved.set(index, writer.take());
    }
    return { chunks: (shard) => [saved.get(shard)].filter((c) => c !== undefined), release: () => saved.clear() };
  }

  private write(writer: EntryWriter, end: number, { key, cells, texts }: NaiveEntry): void {
    const bytes = Buffer.from(key);
    const values = { cells: Float64Array.from(cells), cellAt: 0, texts, textAt: 0 };
    writer.add(end, { bytes, start: 0, stop: bytes.length }, values);
  }

  restore(index: number, chunks: readonly Buffer[]): void {
    const shard = this.shard(index);
    for (const chunk of chunks)
      shard.floor = Math.max(
        shard.floor,
        readChunk(chunk, this.layout, (e) => this.read(shard, e)),
      );
  }

  private read(shard: Shard, { end, key, cells, texts }: DecodedEntry): void {
    const entry = this.entry(shard, end, key.bytes.toString("utf8", key.start, key.stop));
    entry.cells.splice(0, entry.cells.length, ...cells);
    entry.texts.push(...texts);
  }

  size(): number {
    let n = 0;
    for (const { windows } of this.owned.values()) for (const window of windows.values()) n += window.size;
    return n;
  }
}

/** Folds one argument into an entry. Numbers skip null, as SQL's aggregates do. */
function update({ cells, texts }: NaiveEntry, { fn, at }: Slot, arg: unknown): void {
  if (isText(fn)) {
    if (fn === "last" || texts[at] === undefined) texts[at] = JSON.stringify(arg);
    return;
  }
  const held = cells[at] as number;
  if (fn === "count") cells[at] = held + 1;
  if (typeof arg !== "number") return;
  if (fn === "avg") {
    cells[at] = held + arg;
    cells[at + 1] = (cells[at + 1] as number) + 1;
  } else if (Number.isNaN(held)) cells[at] = arg;
  else if (fn === "sum") cells[at] = held + arg;
  else if (fn === "min") cells[at] = Math.min(held, arg);
  else if (fn === "max") cells[at] = Math.max(held, arg);
}

/** The result of a fired window, in the order of the fields that the sink sees. */
export function resultRow(spec: WindowNode, layout: CellLayout, entry: NaiveEntry, end: number): object {
  const row: Record<string, unknown> = {};
  const set = (name: string, value: unknown): void => {
    Object.defineProperty(row, name, { value, enumerable: true, configurable: true, writable: true });
  };
  set(spec.keyField, JSON.parse(entry.key));
  set("windowStart", end - spec.window.sizeMs);
  set("windowEnd", end);
  for (const slot of layout.slots) set(slot.name, resultOf(entry, slot));
  return row;
}

function resultOf({ cells, texts }: NaiveEntry, { fn, at }: Slot): unknown {
  if (isText(fn)) return JSON.parse(texts[at] ?? "null");
  const held = cells[at] as number;
  const value = fn === "avg" ? held / (cells[at + 1] as number) : held;
  return Number.isFinite(value) ? value : null;
}
