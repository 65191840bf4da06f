import type { Plan, PlanExchange, PlanInput } from "../plan.ts";
import { readName } from "./with-exchanges.ts";

/** Exchanges that nothing but the level before stands above: when that has been read to a point, this has been written to it. */
export interface ExchangeLevel {
  /** Sinks, by node. */
  readonly written: readonly string[];
  /** Sources, by node. */
  readonly read: readonly string[];
  /** Lookups whose records have come through the levels before, and may have to go through this one. */
  readonly lookups: readonly string[];
}

/** Of the plan that a slot runs, from the sources down. Empty where it has no exchanges. */
export function exchangeLevels(plan: Plan): readonly ExchangeLevel[] {
  const running = (plan.exchanges ?? []).filter((e) => plan.sinks.some((s) => s.node === e.node));
  const bySource = new Map(running.map((e) => [readName(e), e]));
  const inputs = new Map([
    ...plan.nodes.map((n) => [n.name, n.inputs] as const),
    ...(plan.buffers ?? []).map((b) => [b.node, b.inputs] as const),
  ]);
  const above = ({ node }: PlanInput): number => {
    const exchange = bySource.get(node);
    return exchange === undefined ? highest(inputs.get(node) ?? []) : levelOf(exchange) + 1;
  };
  const highest = (from: readonly PlanInput[]): number => Math.max(0, ...from.map(above));
  const levelOf = (exchange: PlanExchange): number => highest(exchange.inputs);
  const lookups = Map.groupBy(
    plan.nodes.filter((n) => n.kind === "lookup"),
    (n) => highest(n.inputs),
  );
  const levels = Map.groupBy(running, levelOf);
  return [...levels.keys()]
    .toSorted((a, b) => a - b)
    .map((level) => {
      const own = levels.get(level) ?? [];
      const asking = (lookups.get(level) ?? []).map((n) => n.name);
      return { written: own.map((e) => e.node), read: own.map(readName), lookups: asking };
    });
}
