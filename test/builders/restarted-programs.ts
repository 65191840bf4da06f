import type { Program } from "../../src/engine/program.ts";

/**
 * What a restart does to the keyed state of a job: every shard is saved by the program that had it, and goes to the one
 * that owns it now. How many there are may change.
 */
export function restarted(before: readonly Program[], after: readonly Program[]): Program[] {
  for (const program of before)
    for (const keyed of program.keyed) {
      const snapshot = keyed.beginSnapshot();
      for (const shard of keyed.shards()) {
        const owner = after[shard % after.length]?.keyed.find((k) => k.node === keyed.node);
        owner?.restore(shard, [...snapshot.chunks(shard)], keyed.stateVersion);
      }
      snapshot.release();
    }
  return [...after];
}
