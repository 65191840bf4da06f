import type { Batch } from "../batch.ts";
import type { ProgramBuffer } from "../program.ts";
import type { Watermarks } from "../watermarks.ts";
import { EdgeBuffer } from "./edge-buffer.ts";
import type { Plan } from "../plan.ts";

/** The queues of a plan, by name. */
export function edgeBuffers(plan: Plan): ReadonlyMap<string, EdgeBuffer> {
  return new Map((plan.buffers ?? []).map((b) => [b.node, new EdgeBuffer(b)]));
}

/** The queues as the runtime drives them: records go on through `process`, and time through the watermarks. */
export function programBuffers(
  buffers: ReadonlyMap<string, EdgeBuffer>,
  watermarks: Watermarks,
  process: (node: string, batch: Batch) => void,
): ProgramBuffer[] {
  return [...buffers.values()].map((buffer) => programBuffer(buffer, watermarks, process));
}

function programBuffer(
  buffer: EdgeBuffer,
  watermarks: Watermarks,
  process: (node: string, batch: Batch) => void,
): ProgramBuffer {
  const { node } = buffer.plan;
  let ended = false;
  return {
    plan: buffer.plan,
    saved: false,
    step: (spills = false) => {
      const regained = !spills && buffer.regain();
      const next = buffer.next(spills);
      if (next === undefined) return regained;
      if (!("kind" in next)) process(node, next);
      else if (next.kind === "idle") watermarks.setIdle(node, next.idle);
      else {
        watermarks.advance(node, next.watermark);
        ended = next.watermark === Number.POSITIVE_INFINITY;
      }
      return true;
    },
    get pending() {
      return buffer.pending;
    },
    get full() {
      return buffer.full;
    },
    get dropped() {
      return buffer.dropped;
    },
    get ended() {
      return ended;
    },
  };
}
