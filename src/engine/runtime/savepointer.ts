import type { SavepointPart } from "../../api/worker-protocol.ts";
import { MANIFEST, SAVEPOINT_METADATA, type SlotIdentity } from "../checkpoint/layout.ts";
import { completedPart, partFolder } from "../checkpoint/savepoint.ts";
import { sha256 } from "../checkpoint/sealed.ts";
import {
  factsOf,
  releaseCapture,
  writeKeyedState,
  writeManifest,
  type Capture,
} from "../checkpoint/snapshot-writer.ts";
import type { Storage } from "../checkpoint/storage.ts";
import { WeirError } from "../../errors.ts";
import { takeBarrier } from "./barrier.ts";
import { within } from "./exclusive.ts";
import type { OpenSlot } from "./open-slot.ts";
import type { Writes } from "./writes.ts";
import { storageOpener, type SlotOptions } from "./slot-options.ts";

export interface SavepointOptions {
  readonly slot: OpenSlot;
  readonly options: SlotOptions;
  readonly identity: SlotIdentity;
  /** Lets what waits in buffers through, right before the cut. */
  readonly settle: () => void;
  readonly writes: Writes;
  /** Fires when nobody wants the savepoint any more. */
  readonly unwanted: AbortSignal;
}

/** This slot's part of a savepoint that is complete. */
export async function takenBefore(
  { options, identity }: Pick<SavepointOptions, "options" | "identity">,
  { id, uri }: { id: string; uri: string },
): Promise<SavepointPart | undefined> {
  return await completedPart(storageOpener(options)(uri), identity, id);
}

/**
 * Writes this slot's part of savepoint `id` below `uri`. A savepoint that is already complete is left alone and its part
 * given back; a part of an earlier try that never became a savepoint is left as an orphan beside the new one.
 */
export async function writeSavepointPart(
  { slot, options, identity, settle, writes, unwanted }: SavepointOptions,
  { id, uri }: { id: string; uri: string },
): Promise<SavepointPart> {
  const existing = await takenBefore({ options, identity }, { id, uri });
  if (existing !== undefined) return existing;
  const storage = storageOpener(options)(uri);
  if ((await storage.read(SAVEPOINT_METADATA)) !== undefined) {
    throw new WeirError("WORKER_REFUSED", `${uri} already holds another savepoint; name another place`);
  }
  const tries = await storage.list(`s${identity.slot}`);
  const folder = partFolder(identity.slot, identity.attempt, tries.length);
  const { timeoutMs } = options.start.checkpoint;
  const late = (): WeirError =>
    new WeirError("CHECKPOINT_UNWRITABLE", `savepoint ${id} did not finish in ${timeoutMs} ms`);
  settle();
  // A savepoint holds nothing of the topics between workers: they were read to their end, and the next ones are new.
  const tasks = slot.tasks.filter((t) => !t.exchanged);
  const barrier = takeBarrier({ ...slot, tasks }, options.clock, { held: false });
  try {
    return await within(
      timeoutMs,
      async (signal) => {
        const sinks = await barrier.flushed;
        signal.throwIfAborted();
        const facts = { identity, id, sinks, ...factsOf(options.plan) };
        return await writes.run(() => writePart(storage, folder, { facts, capture: barrier.capture, signal }));
      },
      late,
      unwanted,
    );
  } finally {
    releaseCapture(barrier.capture);
  }
}

async function writePart(
  storage: Storage,
  folder: string,
  { facts, capture, signal }: { facts: Parameters<typeof writeManifest>[2]; capture: Capture; signal: AbortSignal },
): Promise<SavepointPart> {
  const { attempt, slot } = facts.identity;
  const { keyed, bytes } = await writeKeyedState(storage, { folder, attempt }, capture, signal);
  signal.throwIfAborted();
  const written = await writeManifest(storage, folder, facts, { capture, keyed });
  if (written === undefined) throw new WeirError("CHECKPOINT_UNWRITABLE", `${storage.uri}/${folder} exists already`);
  const hash = sha256(written.bytes);
  return { slot, manifest: `${folder}/${MANIFEST}`, bytes: bytes + written.bytes.length, sha256: hash };
}
