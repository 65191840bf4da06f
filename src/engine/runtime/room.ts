import type { SinkWriter } from "../connectors/connector.ts";
import type { Plan } from "../plan.ts";
import type { Program } from "../program.ts";
import { reachOf } from "./reach.ts";

/** Whether what a source or buffer feeds can take more. */
export interface Room {
  behind(start: string): boolean;
}

export function room(plan: Plan, program: Program, sinks: ReadonlyMap<string, SinkWriter>): Room {
  const starts = [...plan.sources.map((s) => s.node), ...program.buffers.map((b) => b.plan.node)];
  const fed = new Map(
    starts.map((start) => {
      const reach = reachOf(plan, start);
      const writers = [...sinks].filter(([node]) => reach.sinks.has(node)).map(([, writer]) => writer);
      const buffers = program.buffers.filter((b) => reach.buffers.has(b.plan.node));
      return [start, { writers, buffers }];
    }),
  );
  return {
    behind: (start) => {
      const { writers, buffers } = fed.get(start) ?? { writers: [], buffers: [] };
      return !writers.some((w) => w.saturated()) && !buffers.some((b) => b.full);
    },
  };
}
