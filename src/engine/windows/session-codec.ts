import { CHUNK_HEADER } from "./chunk-writer.ts";
import { entryEnd, EntryWriter, newDecoded, placeOf, readEntry, reading } from "./entry-codec.ts";
import type { DecodedEntry, EntryPlace } from "./entry-codec.ts";
import type { CellLayout } from "./cells.ts";
import type { Session } from "./sessions.ts";

/**
 * Saved sessions, version 2: as saved window state (`entry-codec.ts`), and before each entry the number of its session in the
 * shard (f64). Sessions come by their numbers, which is the order of their creation. In an increment NaN for the window's end
 * says that a session which was saved before is gone since, and is all there is of it. Version 1 had no numbers.
 */
export const SESSION_STATE_VERSION = 2;
const NUMBER_BYTES = 8;
const END_BYTES = 8;

export class SessionWriter extends EntryWriter {
  addSession(session: Session): void {
    this.number(session.id);
    addUnnumbered(this, session);
  }

  addGone(id: number): void {
    this.number(id);
    this.number(Number.NaN);
    this.count++;
  }

  /** Of the session that is added next. */
  number(id: number): void {
    this.room(NUMBER_BYTES);
    this.view.setFloat64(this.at, id, true);
    this.at += NUMBER_BYTES;
  }
}

/** Only the session's entry: its number is known otherwise. */
export function addUnnumbered(writer: EntryWriter, { keys, end, cells, texts }: Session): void {
  writer.add(end, { bytes: keys, start: 0, stop: keys.length }, { cells, cellAt: 0, texts, textAt: 0 });
}

const GONE = -1;

/** Calls `each` for every session of a chunk: where its entry is, or `GONE`. */
function walk(chunk: Buffer, layout: CellLayout, each: (id: number, at: number) => void): void {
  const sessions = chunk.readUInt32LE(8);
  let at = CHUNK_HEADER;
  for (let n = 0; n < sessions; n++) {
    const entry = at + NUMBER_BYTES;
    const isGone = Number.isNaN(chunk.readDoubleLE(entry));
    each(chunk.readDoubleLE(at), isGone ? GONE : entry);
    at = isGone ? entry + END_BYTES : entryEnd(chunk, entry, layout);
  }
  if (at !== chunk.length) throw new RangeError("bytes after the last session");
}

/** Calls `each` for every form of a session in a chunk; without a place it is gone. */
export function eachSession(chunk: Buffer, layout: CellLayout, each: (id: number, at?: EntryPlace) => void): void {
  reading(() => walk(chunk, layout, (id, at) => each(id, at === GONE ? undefined : placeOf(chunk, at, layout))));
}

/**
 * Calls `each` for every session that a shard's chunks have in the end, by number, with one reused object. What comes after a
 * session's first form, in an increment, is what it became.
 */
export function readSessions(
  chunks: readonly Buffer[],
  layout: CellLayout,
  each: (id: number, entry: DecodedEntry) => void,
): void {
  reading(() => {
    const later = laterForms(chunks, layout);
    const entry = newDecoded(layout);
    let last = -1;
    for (const chunk of chunks)
      walk(chunk, layout, (id, at) => {
        if (at === GONE || id <= last) return;
        last = id;
        const form = later.get(id) ?? { chunk, at };
        if (form.at === GONE) return;
        readEntry(form.chunk, form.at, { layout, entry });
        each(id, entry);
      });
  });
}

interface Form {
  readonly chunk: Buffer;
  readonly at: number;
}

/** The last form of each session that has more than one. */
function laterForms(chunks: readonly Buffer[], layout: CellLayout): ReadonlyMap<number, Form> {
  const later = new Map<number, Form>();
  let last = -1;
  for (const chunk of chunks)
    walk(chunk, layout, (id, at) => {
      if (id <= last) later.set(id, { chunk, at });
      else if (at !== GONE) last = id;
    });
  return later;
}

/** Of version 1: numbers the sessions as they come. */
export function numbered(chunks: readonly Buffer[], layout: CellLayout): readonly Buffer[] {
  let id = 0;
  return reading(() =>
    chunks.map((chunk) => {
      const parts = [chunk.subarray(0, CHUNK_HEADER)];
      let at = CHUNK_HEADER;
      for (let left = chunk.readUInt32LE(8); left > 0; left--) {
        const number = Buffer.allocUnsafe(NUMBER_BYTES);
        number.writeDoubleLE(id++);
        const end = entryEnd(chunk, at, layout);
        parts.push(number, chunk.subarray(at, end));
        at = end;
      }
      if (at !== chunk.length) throw new RangeError("bytes after the last session");
      return Buffer.concat(parts);
    }),
  );
}
