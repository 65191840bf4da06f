import type { StatePiece } from "../program.ts";
import type { ChunkWriter } from "./chunk-writer.ts";

/** Fewer entries are not worth a history: they are written anew each time. */
export const OWN_HISTORY = 1024;

/** Nothing to save, and a moment to let others work. */
export const NOTHING = Buffer.alloc(0);

/** A piece without a history. */
export const anew = (snapshot: number, whole: () => Iterable<Buffer>): StatePiece => ({
  at: { snapshot, entries: 0 },
  whole,
  since: () => undefined,
});

/** What fills a writer, and then what is left in it. */
export function* rest<W extends ChunkWriter>(writer: W, fill: (writer: W) => Iterable<Buffer>): Generator<Buffer> {
  yield* fill(writer);
  if (!writer.empty()) yield writer.take();
}
