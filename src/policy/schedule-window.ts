import { Cron } from "croner";
import { parseDuration } from "../api/duration.ts";
import type { MaintenanceWindowSpec } from "../api/maintenance-window.schema.ts";

/** A window at one moment. Times are ms since the epoch; absent is never. */
export interface WindowState {
  readonly active: boolean;
  readonly startedAt: number | undefined;
  /** End of the open window, or of the next one. */
  readonly nextEnd: number | undefined;
  /** Start of the next window that is not open yet. */
  readonly nextStart: number | undefined;
}

/**
 * A local time that a clock change skips fires at the first moment after the gap; one that happens twice fires at the
 * first (croner's rule, which is that of vixie cron).
 */
export function windowState(spec: MaintenanceWindowSpec, now: number): WindowState {
  if (spec.suspend === true) return { active: false, startedAt: undefined, nextEnd: undefined, nextStart: undefined };
  return spec.schedule === undefined ? single(spec, now) : repeated(spec, spec.schedule, now);
}

function single(spec: MaintenanceWindowSpec, now: number): WindowState {
  const start = Date.parse(spec.start ?? "");
  const end = spec.end === undefined ? start + parseDuration(spec.duration ?? "0") : Date.parse(spec.end);
  const active = start <= now && now < end;
  return {
    active,
    startedAt: active ? start : undefined,
    nextEnd: now < end ? end : undefined,
    nextStart: now < start ? start : undefined,
  };
}

function repeated(spec: MaintenanceWindowSpec, schedule: string, now: number): WindowState {
  const cron = new Cron(schedule, { timezone: spec.timeZone ?? "UTC", paused: true });
  const length = parseDuration(spec.duration ?? "0");
  // previousRuns is strictly before its reference, and a window is open at its first millisecond.
  const last = cron.previousRuns(1, new Date(now + 1))[0]?.getTime();
  const next = cron.nextRun(new Date(now))?.getTime();
  const open = last !== undefined && now < last + length;
  return {
    active: open,
    startedAt: open ? last : undefined,
    nextEnd: open ? last + length : next === undefined ? undefined : next + length,
    nextStart: next,
  };
}

/** The next moment at which `windowState` may answer otherwise. */
export function nextEdge({ active, nextEnd, nextStart }: WindowState): number | undefined {
  const edges = [active ? nextEnd : undefined, nextStart].filter((at) => at !== undefined);
  return edges.length === 0 ? undefined : Math.min(...edges);
}
