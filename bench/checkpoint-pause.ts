import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import type { Batch } from "../src/engine/batch.ts";
import { captureKeyed, releaseCapture, writeKeyedState } from "../src/engine/checkpoint/snapshot-writer.ts";
import { openStorage } from "../src/engine/checkpoint/storage.ts";
import type { Program } from "../src/engine/program.ts";

export interface Pauses {
  readonly turns: number;
  readonly p99Ms: number;
  readonly longestMs: number;
  readonly bytes: number;
}

/**
 * Turns of the event loop while all keys are written to files and batches go on being processed, one in each turn: what a
 * turn costs in CPU time of the thread, so that a busy machine does not count.
 */
export async function checkpointPauses(program: Program, batches: readonly Batch[], rounds: number): Promise<Pauses> {
  const root = await mkdtemp(join(tmpdir(), "weir-pause-"));
  const storage = openStorage(`file://${root}`, (path) => path);
  const pauses: number[] = [];
  let bytes = 0;
  try {
    for (let round = 0; round < rounds; round++) {
      let writing = true;
      const processing = follow(program, batches, { pauses, writing: () => writing });
      const capture = { takenAt: 0, held: false, sources: [], keyed: captureKeyed(program.keyed) };
      const never = new AbortController().signal;
      ({ bytes } = await writeKeyedState(storage, { folder: `round-${round}`, attempt: 0 }, capture, never));
      releaseCapture(capture);
      writing = false;
      await processing;
    }
  } finally {
    await rm(root, { recursive: true, force: true });
  }
  pauses.sort((a, b) => a - b);
  const at = (share: number): number => pauses[Math.min(pauses.length - 1, Math.floor(pauses.length * share))] ?? 0;
  return { turns: pauses.length, p99Ms: at(0.99), longestMs: at(1), bytes };
}

async function follow(
  program: Program,
  batches: readonly Batch[],
  { pauses, writing }: { pauses: number[]; writing: () => boolean },
): Promise<void> {
  const [input] = program.inputs.values();
  for (let i = 0; writing(); i++) {
    const before = process.threadCpuUsage();
    input?.process(batches[i % batches.length] as Batch);
    await turn();
    const { user, system } = process.threadCpuUsage(before);
    pauses.push((user + system) / 1000);
  }
}
