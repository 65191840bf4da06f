import type { Plan, PlanNode } from "./plan.ts";
import type { KeyedNode } from "./program.ts";

/** Windows that go by the clock. */
export const usesProcessingTime = (node: PlanNode): boolean =>
  node.kind === "windowAggregate" && node.time === "processing";

/**
 * The time that records get that come to a window of processing time. A clock that is set back, or that of another machine
 * after a restore, does not set it back: it stands still until the clock has caught up.
 */
export class ProcessingTime {
  now = 0;
  private readonly states: readonly KeyedNode[];
  private begun = false;

  constructor(plan: Plan, states: readonly KeyedNode[]) {
    const names = new Set(plan.nodes.filter(usesProcessingTime).map((n) => n.name));
    this.states = states.filter((s) => names.has(s.node));
  }

  get isUsed(): boolean {
    return this.states.length > 0;
  }

  /** Gives what time it is. State is restored before time is first said. */
  advance(now: number): number {
    const floors = this.begun ? [] : this.states.map((s) => (s.floor ?? Number.NEGATIVE_INFINITY) + 1);
    this.begun = true;
    return (this.now = Math.max(this.now, now, ...floors));
  }
}
