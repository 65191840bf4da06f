import type { Plan, PlanNode } from "../plan.ts";

/** What a source or buffer feeds before the next buffers: what has to have room before it may be read. */
export interface Reach {
  readonly sinks: ReadonlySet<string>;
  readonly buffers: ReadonlySet<string>;
}

/** What goes on through a node: records of a table end in it. */
export const passingInputs = ({ kind, inputs }: Pick<PlanNode, "kind" | "inputs">): PlanNode["inputs"] =>
  kind === "broadcast" ? inputs.slice(0, -1) : inputs;

export function reachOf(plan: Plan, start: string): Reach {
  const sinks = new Set<string>();
  const buffers = new Set<string>();
  const seen = new Set<string>();
  const visit = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    const reads = (inputs: PlanNode["inputs"]): boolean => inputs.some((i) => i.node === name);
    for (const sink of plan.sinks) if (reads(sink.inputs)) sinks.add(sink.node);
    for (const buffer of plan.buffers ?? []) if (reads(buffer.inputs)) buffers.add(buffer.node);
    for (const node of plan.nodes) {
      if (!reads(passingInputs(node))) continue;
      if (node.kind === "lookup") buffers.add(node.name);
      visit(node.name);
    }
  };
  visit(start);
  return { sinks, buffers };
}
