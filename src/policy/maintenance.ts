import type { StreamingJobStatus } from "../api/streaming-job-status.schema.ts";
import { MAINTENANCE_END, MAINTENANCE_START, type PolicyEvent, type WindowView } from "./input.ts";
import { nextEdge, windowState } from "./schedule-window.ts";

type Maintenance = NonNullable<StreamingJobStatus["maintenance"]>;

export interface MaintenanceStep {
  readonly maintenance: Maintenance;
  /** The edge, when the level changed: exactly one event for each, since the level is persisted with what it caused. */
  readonly event: PolicyEvent | undefined;
  readonly nextEdgeAt: number | undefined;
}

/** All windows of a job as one level: it starts with the first to open and ends with the last to close. */
export function maintenanceStep(
  windows: readonly WindowView[],
  before: StreamingJobStatus["maintenance"],
  now: number,
): MaintenanceStep {
  const states = windows.map(({ name, spec }) => ({ name, state: windowState(spec, now) }));
  const open = states.filter(({ state }) => state.active).map(({ name }) => name);
  const edges = states.map(({ state }) => nextEdge(state)).filter((at) => at !== undefined);
  const nextEdgeAt = edges.length === 0 ? undefined : Math.min(...edges);
  const level = { active: open.length > 0, windows: open.slice(0, 32) };
  if (level.active === (before?.active ?? false))
    return { maintenance: { ...before, ...level }, event: undefined, nextEdgeAt };
  const event = level.active ? edge(MAINTENANCE_START, open, now) : edge(MAINTENANCE_END, before?.windows ?? [], now);
  return { maintenance: { ...level, since: new Date(now).toISOString() }, event, nextEdgeAt };
}

const edge = (type: string, windows: readonly string[], now: number): PolicyEvent => ({
  type,
  time: now,
  source: `maintenancewindow/${windows.join(",")}`,
  payload: { windows },
});
