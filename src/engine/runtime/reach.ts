import type { Plan } from "../plan.ts";

/** What a source or buffer feeds before the next buffers: what has to have room before it may be read. */
export interface Reach {
  readonly sinks: ReadonlySet<string>;
  readonly buffers: ReadonlySet<string>;
}

export function reachOf(plan: Plan, start: string): Reach {
  const sinks = new Set<string>();
  const buffers = new Set<string>();
  const seen = new Set<string>();
  const visit = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    const reads = ({ inputs }: { inputs: Plan["nodes"][number]["inputs"] }): boolean =>
      inputs.some((i) => i.node === name);
    for (const sink of plan.sinks) if (reads(sink)) sinks.add(sink.node);
    for (const buffer of plan.buffers ?? []) if (reads(buffer)) buffers.add(buffer.node);
    for (const node of plan.nodes) {
      if (!reads(node)) continue;
      if (node.kind === "lookup") buffers.add(node.name);
      visit(node.name);
    }
  };
  visit(start);
  return { sinks, buffers };
}
