import type { Plan } from "./plan.ts";
import type { NodeCounters } from "./program.ts";

export function nodeCounters(plan: Plan): ReadonlyMap<string, NodeCounters> {
  const names = [
    ...plan.sources.map((s) => s.node),
    ...plan.nodes.map((n) => n.name),
    ...(plan.buffers ?? []).map((b) => b.node),
    ...plan.sinks.map((s) => s.node),
  ];
  return new Map(names.map((name) => [name, { in: 0, out: 0, late: 0, errors: 0 }]));
}
