import type { KeyedSnapshot } from "../program.ts";
import type { KeyEntry } from "./key-entry.ts";
import type { StateForm } from "./state-form.ts";

export interface DueAt {
  readonly shard: number;
  /** The key's JSON. */
  readonly key: string;
  readonly name: string;
  readonly time: number;
}

/** The keys of a function in shards. Generated programs and the interpreter each have their own. */
export interface FunctionStore {
  readonly watermark: number;
  /** How far time has come for a shard, also where a restart has not brought the watermark there yet. The end is no time. */
  now(shard: number): number;
  /** What is kept of a key; what is forgotten has gone. */
  find(shard: number, key: string): KeyEntry | undefined;
  /** The same to be changed; made where there is none. */
  own(shard: number, key: string): KeyEntry;
  /** A timer of the entry was set. */
  armed(due: DueAt): void;
  /** A call is over: an entry in which nothing is left goes. */
  settle(shard: number, key: string): void;
  /** Moves the watermark, and forgets. */
  advance(watermark: number): void;
  /**
   * The timers that are due by the watermark: by time, then shard, key and name. Those that are set meanwhile are among
   * them, but not at the end of the input, where each timer that is set is due once.
   */
  due(): Iterable<DueAt>;
  shards(): readonly number[];
  beginSnapshot(): KeyedSnapshot;
  restore(shard: number, chunks: readonly Buffer[], form: StateForm): void;
  size(): number;
}

/** Order among timers of one time. */
export function inOrder(a: DueAt, b: DueAt): number {
  if (a.shard !== b.shard) return a.shard - b.shard;
  if (a.key !== b.key) return a.key < b.key ? -1 : 1;
  return a.name === b.name ? 0 : a.name < b.name ? -1 : 1;
}

export const byTime = (a: DueAt, b: DueAt): number => a.time - b.time || inOrder(a, b);
