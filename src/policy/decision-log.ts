import type { Decision } from "../api/streaming-job-status.schema.ts";

const NEWEST = 20;

/**
 * Adds a decision to the ring. The ring holds transitions, not evaluations: what is said again about the same firing
 * changes nothing, and the same answer to a new firing raises a count.
 */
export function recordDecision(log: readonly Decision[], next: Decision): Decision[] {
  const index = log.findLastIndex((d) => d.policy === next.policy && d.rule === next.rule);
  const last = log[index];
  if (last === undefined || last.outcome !== next.outcome || last.reason !== next.reason)
    return [...log, next].slice(-NEWEST);
  if (last.actionId === next.actionId) return [...log];
  return log.with(index, { ...next, count: (last.count ?? 1) + 1 });
}
