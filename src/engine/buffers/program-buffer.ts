import type { Batch } from "../batch.ts";
import type { ProgramBuffer } from "../program.ts";
import type { BufferedTime } from "../watermarks.ts";
import { EdgeBuffer } from "./edge-buffer.ts";
import type { Plan } from "../plan.ts";

/** What a buffer's content goes through when its turn has come. */
export interface BehindBuffer {
  process(node: string, batch: Batch): void;
  advanceWatermark(node: string, watermark: number): void;
  setIdle(node: string, idle: boolean): void;
}

/** The queues of a plan, by name. */
export function edgeBuffers(plan: Plan): ReadonlyMap<string, EdgeBuffer> {
  return new Map((plan.buffers ?? []).map((b) => [b.node, new EdgeBuffer(b)]));
}

/** A queue as watermarks fill it. */
export function bufferedTime(buffers: ReadonlyMap<string, EdgeBuffer>): ReadonlyMap<string, BufferedTime> {
  const time = ([node, buffer]: [string, EdgeBuffer]): [string, BufferedTime] => [
    node,
    { watermark: (w) => buffer.watermark(w), idle: (idle) => buffer.idle(idle) },
  ];
  return new Map([...buffers].map(time));
}

/** A queue as the runtime drives it. */
export function programBuffer(buffer: EdgeBuffer, behind: BehindBuffer): ProgramBuffer {
  const { node } = buffer.plan;
  let ended = false;
  return {
    plan: buffer.plan,
    step: () => {
      const next = buffer.next();
      if (next === undefined) return false;
      if (!("kind" in next)) behind.process(node, next);
      else if (next.kind === "idle") behind.setIdle(node, next.idle);
      else {
        behind.advanceWatermark(node, next.watermark);
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
