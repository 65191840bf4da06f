import type { Plan } from "../plan.ts";
import type { ProgramBuffer, ProgramOptions } from "../program.ts";
import type { Watermarks } from "../watermarks.ts";
import { LookupQueue } from "./lookup-queue.ts";

/** The queues of a plan's lookups, by node, in topological order. */
export function lookupQueues(plan: Plan, { lookups }: ProgramOptions): ReadonlyMap<string, LookupQueue> {
  return new Map(
    plan.nodes
      .filter((node) => node.kind === "lookup")
      .map((node) => {
        const port = lookups?.get(node.name);
        if (port === undefined) throw new Error(`nobody answers lookup "${node.name}"`);
        return [node.name, new LookupQueue(node, port)];
      }),
  );
}

/** Lookups as the runtime drives them: like buffers whose records need their answers before they go on. */
export function programLookups(queues: ReadonlyMap<string, LookupQueue>, watermarks: Watermarks): ProgramBuffer[] {
  return [...queues.values()].map((queue) => programLookup(queue, watermarks));
}

function programLookup(queue: LookupQueue, watermarks: Watermarks): ProgramBuffer {
  const { node, capacity } = queue;
  let ended = false;
  return {
    plan: { node, reader: node, size: capacity, strategy: "Buffer" },
    saved: true,
    step: () => {
      const next = queue.next();
      if (typeof next === "boolean") return next;
      if (next.kind === "idle") watermarks.setIdle(node, next.idle);
      else {
        watermarks.advance(node, next.watermark);
        ended = next.watermark === Number.POSITIVE_INFINITY;
      }
      return true;
    },
    get pending() {
      return queue.pending;
    },
    get full() {
      return queue.full;
    },
    dropped: 0,
    get ended() {
      return ended;
    },
  };
}

/** Buffers and lookups in the order of the plan: what stands before another comes first. */
export function inPlanOrder(plan: Plan, breaks: readonly ProgramBuffer[]): ProgramBuffer[] {
  const place = new Map(plan.nodes.map((node, i) => [node.name, i]));
  const placeOf = ({ plan: { reader } }: ProgramBuffer): number => place.get(reader) ?? plan.nodes.length;
  return breaks.toSorted((a, b) => placeOf(a) - placeOf(b));
}
