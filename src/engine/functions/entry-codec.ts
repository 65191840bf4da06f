import { WeirError } from "../../errors.ts";
import type { Division } from "../keyed-state/division.ts";
import { isForgotten, newEntry } from "./key-entry.ts";
import type { KeyEntry } from "./key-entry.ts";
import { jsonOf, stored } from "./stored-value.ts";
import type { Field } from "./stored-value.ts";

/**
 * Saved state of functions, format 1. A chunk is: watermark of the shard (f64), number of entries (u32), format (u8),
 * entries. An entry is the length (u32) and the bytes of a JSON list: key, when it was written, fields by name as
 * [name, kind, value], timers as [name, time]. In an increment, a key without fields and timers has gone. Little endian.
 */
const FORMAT = 1;
const HEADER = 13;
const CHUNK_BYTES = 1024 * 1024;

export class EntryWriter {
  private readonly watermark: number;
  private parts: Buffer[] = [];
  private bytes = 0;

  constructor(watermark: number) {
    this.watermark = watermark;
  }

  add(text: string | Buffer): void {
    const entry = typeof text === "string" ? Buffer.from(text) : text;
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32LE(entry.length);
    this.parts.push(length, entry);
    this.bytes += 4 + entry.length;
  }

  raw(entry: Buffer): void {
    this.add(entry);
  }

  empty(): boolean {
    return this.parts.length === 0;
  }

  full(): boolean {
    return this.bytes >= CHUNK_BYTES;
  }

  /** The chunk so far; the writer goes on with a new one. */
  take(): Buffer {
    const header = Buffer.allocUnsafe(HEADER);
    header.writeDoubleLE(this.watermark, 0);
    header.writeUInt32LE(this.parts.length / 2, 8);
    header.writeUInt8(FORMAT, 12);
    const chunk = Buffer.concat([header, ...this.parts]);
    this.parts = [];
    this.bytes = 0;
    return chunk;
  }
}

/** An entry as it is saved; names are sorted, so that equal state has equal bytes. */
export function entryText(entry: KeyEntry, ttlMs: number, now: number): string {
  const fields = isForgotten(entry, ttlMs, now) ? [] : [...entry.fields].toSorted(byName).map(fieldText);
  const timers = [...entry.timers].toSorted(byName);
  const writtenAt = Number.isFinite(entry.writtenAt) ? entry.writtenAt : null;
  return `[${JSON.stringify(entry.key)},${String(writtenAt)},[${fields.join(",")}],${JSON.stringify(timers)}]`;
}

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);

function fieldText([name, field]: readonly [string, Field]): string {
  return `[${JSON.stringify(name)},"${field.kind}",${heldText(field)}]`;
}

function heldText(field: Field): string {
  switch (field.kind) {
    case "value":
      return jsonOf(field.held);
    case "list":
      return `[${field.held.map(jsonOf).join(",")}]`;
    case "map":
      return `[${[...field.held].map(([name, held]) => `[${JSON.stringify(name)},${jsonOf(held)}]`).join(",")}]`;
  }
}

type SavedField =
  | [name: string, kind: "value", held: unknown]
  | [name: string, kind: "list", held: unknown[]]
  | [name: string, kind: "map", held: [string, unknown][]];
type SavedEntry = [key: string, writtenAt: number | null, fields: SavedField[], timers: [string, number][]];

/** Calls `each` for every entry, and returns the shard's watermark. */
export const readChunk = (chunk: Buffer, epoch: number, each: (entry: KeyEntry) => void): number =>
  readTexts(chunk, (text) => each(savedEntry(text.toString(), epoch)));

/** Divides what `EntryWriter` wrote. A timer that is due already has been given, and is not there. */
export const keyDivision = (floor: number): Division => ({
  late: false,
  open: () => new EntryWriter(floor),
  shard: () => (chunk, shareOf) => {
    readTexts(chunk, (text) => {
      const key = Buffer.from(keyIn(text));
      shareOf(key, 0, key.length)?.raw(text);
    });
  },
});

/** The key is the first in the list. */
function keyIn(text: Buffer): string {
  let end = 2;
  while (end < text.length && text[end] !== QUOTE) end += text[end] === BACKSLASH ? 2 : 1;
  return JSON.parse(text.toString("utf8", 1, end + 1)) as string;
}

const QUOTE = 34;
const BACKSLASH = 92;

/** Calls `each` for every entry as it is saved, and returns the shard's watermark. */
function readTexts(chunk: Buffer, each: (text: Buffer) => void): number {
  try {
    const watermark = chunk.readDoubleLE(0);
    const format = chunk.readUInt8(12);
    if (format !== FORMAT) throw new RangeError(`format ${format} is not known`);
    let at = HEADER;
    for (let n = chunk.readUInt32LE(8); n > 0; n--) {
      const start = at + 4;
      at = start + chunk.readUInt32LE(at);
      if (at > chunk.length) throw new RangeError("it ends in the middle of an entry");
      each(chunk.subarray(start, at));
    }
    if (at !== chunk.length) throw new RangeError("bytes after the last entry");
    return watermark === Infinity ? -Infinity : watermark; // as in checkpoint/manifest.ts: an end is not restored
  } catch (cause) {
    if (!(cause instanceof RangeError || cause instanceof SyntaxError)) throw cause;
    throw new WeirError("CHECKPOINT_CORRUPT", `a segment of a function's state cannot be read: ${cause.message}`, {
      cause,
    });
  }
}

/** Of what `entryText` gave. */
export const savedEntry = (text: string, epoch: number): KeyEntry => entryOf(JSON.parse(text) as SavedEntry, epoch);

function entryOf([key, writtenAt, fields, timers]: SavedEntry, epoch: number): KeyEntry {
  const entry = newEntry(key, epoch);
  entry.writtenAt = writtenAt ?? Number.NEGATIVE_INFINITY;
  for (const saved of fields) entry.fields.set(saved[0], fieldOf(saved));
  for (const [name, time] of timers) entry.timers.set(name, time);
  return entry;
}

function fieldOf([name, kind, held]: SavedField): Field {
  const value = (item: unknown): ReturnType<typeof stored> => stored(item, `state "${name}"`);
  switch (kind) {
    case "value":
      return { kind, held: value(held) };
    case "list":
      return { kind, held: held.map(value) };
    case "map":
      return { kind, held: new Map(held.map(([field, item]) => [field, value(item)])) };
  }
}
