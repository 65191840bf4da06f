import type { KeyedNode } from "../program.ts";

/** Makes of all that a shard saved in one version what it would have saved in the next. */
export type Migration = (chunks: readonly Buffer[]) => readonly Buffer[];

/** By the version that they read. */
export type Migrations = ReadonlyMap<number, Migration>;

export interface SavedShard {
  readonly chunks: readonly Buffer[];
  readonly version: number;
}

/** The oldest version that a node can read: its own, or one from which step by step leads to it. */
export function oldestReadable({ stateVersion, migrations }: Pick<KeyedNode, "stateVersion" | "migrations">): number {
  let oldest = stateVersion;
  while (migrations?.has(oldest - 1) === true) oldest--;
  return oldest;
}

/** Saved state in the node's own form, as far as its migrations lead there. */
export function migrated({ stateVersion, migrations }: KeyedNode, saved: SavedShard): SavedShard {
  let { chunks, version } = saved;
  while (version < stateVersion) {
    const step = migrations?.get(version);
    if (step === undefined) break;
    chunks = step(chunks);
    version++;
  }
  return { chunks, version };
}
