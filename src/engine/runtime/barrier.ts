import { messageOf, WeirError } from "../../errors.ts";
import type { Clock } from "../../clock.ts";
import type { Manifest } from "../checkpoint/manifest.ts";
import { captureKeyed, type Capture } from "../checkpoint/snapshot-writer.ts";
import type { SinkWriter } from "../connectors/connector.ts";
import type { OpenSlot } from "./open-slot.ts";

/** A cut through a slot between two batches. */
export interface Barrier {
  readonly capture: Capture;
  /**
   * Everything before the cut is accepted by the outside; gives what committing sinks must remember. A slow sink does
   * not stop the sources: what they read meanwhile belongs to the next cut.
   */
  readonly flushed: Promise<Manifest["sinks"]>;
}

/**
 * Takes the cut in this very turn: positions, entries and sinks agree because nothing runs between them. They do not when
 * a record has ended the slot: its batch counts as read and was processed in part.
 */
export function takeBarrier(
  slot: OpenSlot,
  clock: Clock,
  { id, ...said }: { id?: number } & Pick<Capture, "held" | "paused" | "cut" | "crossing">,
): Barrier {
  if (slot.torn) throw new WeirError("WORKER_UNREACHABLE", "the slot has ended; its last checkpoint is what remains");
  const { tasks, program, sinks } = slot;
  const capture: Capture = {
    takenAt: clock.now(),
    ...said,
    sources: tasks.filter((t) => !t.broadcast).map((t) => t.state()),
    keyed: captureKeyed(program.keyed),
  };
  const flushed = Promise.all([...sinks].map(([node, writer]) => flush(node, writer, id)));
  return {
    capture,
    flushed: flushed.then((handles) => handles.filter((h) => h !== undefined)),
  };
}

async function flush(
  node: string,
  writer: SinkWriter,
  id: number | undefined,
): Promise<Manifest["sinks"][number] | undefined> {
  try {
    const accepted = writer.flush();
    const prepared = id === undefined ? undefined : writer.prepare?.(id);
    const [, handle] = await Promise.all([accepted, prepared]);
    if (handle === undefined) return undefined;
    return writer.committed === undefined ? { node, handle } : { node, handle, decides: true };
  } catch (e) {
    if (e instanceof WeirError) throw e;
    throw new WeirError("SINK_UNREACHABLE", `sink ${node} did not take its records: ${messageOf(e)}`, { cause: e });
  }
}
