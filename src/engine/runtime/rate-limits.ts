import type { Clock } from "../../clock.ts";
import type { Plan, PlanNode } from "../plan.ts";
import type { Program } from "../program.ts";
import { passingInputs } from "./reach.ts";

/**
 * What `rateLimit` nodes allow. A program has no clock, so a limit is kept where records are read: each node has a bucket
 * of tokens that its records take from, and while it is empty the sources above the node are not read. A batch goes
 * through as a whole; what it took too much is paid back by a longer wait.
 */
export interface RateLimits {
  /** How long this source must not be read; 0 is now. */
  waitMs(source: string): number;
}

interface Limit {
  readonly sources: ReadonlySet<string>;
  /** Records for one millisecond, of this worker. */
  readonly rate: number;
  readonly burst: number;
  readonly passed: () => number;
  tokens: number;
  seen: number;
  at: number;
}

type LimitNode = Extract<PlanNode, { kind: "rateLimit" }>;

export function rateLimits(
  plan: Plan,
  { program, slots, clock }: { readonly program: Program; readonly slots: number; readonly clock: Clock },
): RateLimits {
  const counters = program.counters();
  const limits = plan.nodes
    .filter((n): n is LimitNode => n.kind === "rateLimit")
    .map((node): Limit => {
      const burst = Math.max(1, node.burst / slots);
      const passed = (): number => counters.get(node.name)?.in ?? 0;
      const sources = sourcesAbove(plan, node.name);
      return {
        sources,
        rate: node.perSecond / slots / 1000,
        burst,
        passed,
        tokens: burst,
        seen: 0,
        at: clock.elapsed(),
      };
    });
  return {
    waitMs: (source) => {
      let wait = 0;
      for (const limit of limits) if (limit.sources.has(source)) wait = Math.max(wait, waitOf(limit, clock.elapsed()));
      return wait;
    },
  };
}

function waitOf(limit: Limit, now: number): number {
  const passed = limit.passed();
  const refilled = limit.tokens + Math.max(0, now - limit.at) * limit.rate;
  limit.tokens = Math.min(limit.burst, refilled) - (passed - limit.seen);
  limit.seen = passed;
  limit.at = now;
  return limit.tokens >= 1 ? 0 : Math.ceil((1 - limit.tokens) / limit.rate);
}

function sourcesAbove(plan: Plan, name: string): ReadonlySet<string> {
  const found = new Set<string>();
  const visit = (at: string): void => {
    const node = plan.nodes.find((n) => n.name === at);
    if (node === undefined) found.add(at);
    else for (const input of passingInputs(node)) visit(input.node);
  };
  visit(name);
  return found;
}
