import { crc32 } from "node:zlib";
import { newIncrements } from "../../src/engine/checkpoint/increments.ts";
import { slotFolder, type SlotIdentity } from "../../src/engine/checkpoint/layout.ts";
import type { Manifest } from "../../src/engine/checkpoint/manifest.ts";
import { memoryStorage } from "../../src/engine/checkpoint/memory-storage.ts";
import { openRetention } from "../../src/engine/checkpoint/retention.ts";
import { loadPart, readManifest } from "../../src/engine/checkpoint/snapshot-reader.ts";
import {
  captureKeyed,
  releaseCapture,
  writeKeyedState,
  writeManifest,
  type Capture,
} from "../../src/engine/checkpoint/snapshot-writer.ts";
import type { Program } from "../../src/engine/program.ts";
import { CHUNK_HEADER } from "../../src/engine/windows/chunk-writer.ts";

/** Checkpoints of programs without a runtime: what a slot writes of keyed state, in memory below a URI. */
export const RETAIN = 2;
const identity: SlotIdentity = {
  namespace: "default",
  job: "j",
  jobUid: "u",
  lineage: "l",
  epoch: 1,
  slot: 0,
  slots: 1,
  attempt: 0,
};
export const folder = slotFolder(identity);

/** All of the state, as a savepoint would have it. */
export function allOf(program: Program): Map<string, string> {
  return new Map(
    program.keyed.map((k) => {
      const snapshot = k.beginSnapshot();
      const shards = k.shards().map((shard) => [shard, ...meaningOf([...snapshot.chunks(shard)])]);
      snapshot.release();
      return [k.node, JSON.stringify(shards)] as const;
    }),
  );
}

/** The watermark, how many entries, and what they are: how they are cut into chunks does not matter. */
function meaningOf(chunks: readonly Buffer[]): readonly unknown[] {
  const entries = chunks.map((chunk) => chunk.subarray(CHUNK_HEADER));
  const count = chunks.reduce((sum, chunk) => sum + chunk.readUInt32LE(8), 0);
  return [String(chunks.at(-1)?.readDoubleLE(0)), count, crc32(Buffer.concat(entries))];
}

/** One process of a slot: its program, and its checkpoints below one URI, which another may go on with. */
export async function startProcess(uri: string, program: Program) {
  const storage = memoryStorage(uri);
  const retention = await openRetention(storage, identity, RETAIN);
  const increments = newIncrements();
  return {
    program,
    /** `fails`: it ends before its manifest, and leaves what it has written. */
    checkpoint: async (
      fails = false,
      meanwhile: () => void = () => undefined,
    ): Promise<{ id: number; bytes: number }> => {
      const id = retention.nextId();
      const capture: Capture = { takenAt: 0, held: false, sources: [], keyed: captureKeyed(program.keyed) };
      const increment = increments.begin(id);
      meanwhile();
      const place = { folder: `${folder}/${id}`, attempt: 0, increment };
      const { keyed: state, bytes } = await writeKeyedState(storage, place, capture, new AbortController().signal);
      if (!fails) {
        const facts = { identity, id, planHash: "h", maxParallelism: 2, sinks: [] };
        const written = await writeManifest(storage, `${folder}/${id}`, facts, { capture, keyed: state });
        if (written === undefined) throw new Error(`checkpoint ${id} is there already`);
        increment.accept(written.manifest, bytes);
        await retention.completed(id, written.manifest);
      }
      releaseCapture(capture);
      return { id, bytes };
    },
  };
}

export async function load(uri: string, id: number, program: Program): Promise<Manifest> {
  const storage = memoryStorage(uri);
  const found = await readManifest(storage, `${folder}/${id}`);
  if (found === undefined) throw new Error(`checkpoint ${id} has no manifest`);
  const { shards } = await loadPart(storage, `${folder}/${id}`, found.manifest, {
    mine: () => true,
    hashed: new Set(),
  });
  for (const k of program.keyed)
    for (const [shard, chunks] of shards.get(k.node) ?? []) k.restore(shard, await chunks(), k.stateVersion);
  return found.manifest;
}
