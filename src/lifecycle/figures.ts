import { formatDuration } from "../api/duration.ts";
import type { StreamingJobStatus } from "../api/streaming-job-status.schema.ts";
import { instant, timeOf } from "./draft.ts";
import type { WorkerView } from "./input.ts";
import type { SlotView } from "./slots.ts";

/** After this, a worker's figures say nothing about now: two of its intervals, and one missed heartbeat. */
export const STALE_MS = 5_000;

/** What status shows of a running job in numbers. */
export type Figures = Pick<StreamingJobStatus, "lag" | "throughput" | "checkpoint">;

/** Sum of what is not read yet; undefined while one worker's figure is missing or stale. */
export function totalLag(slots: readonly SlotView[], now: number): number | undefined {
  let sum = 0;
  for (const { pod, worker } of slots) {
    if (pod?.phase === "Succeeded") continue;
    const lag = worker === undefined || now - worker.metricsAt > STALE_MS ? undefined : worker.metrics?.lag;
    if (lag === undefined || lag === null) return undefined;
    sum += lag;
  }
  return Math.round(sum);
}

export function figuresOf(slots: readonly SlotView[], now: number): Figures {
  const records = totalLag(slots, now);
  const workers = slots.flatMap((s) => (s.worker === undefined ? [] : [s.worker]));
  const oldest = Math.max(-1, ...workers.map((w) => w.metrics?.lagMs ?? -1));
  const checkpoint = checkpointOf(workers);
  return {
    lag: {
      ...(records === undefined ? {} : { records }),
      ...(oldest < 0 ? {} : { time: formatDuration(coarse(oldest)) }),
    },
    throughput: { in: rate(workers, "in"), out: rate(workers, "out") },
    ...(checkpoint === undefined ? {} : { checkpoint }),
  };
}

const rate = (workers: readonly WorkerView[], pick: "in" | "out"): number =>
  Math.round(workers.reduce((sum, w) => sum + (w.metrics?.[pick] ?? 0), 0));

function checkpointOf(workers: readonly WorkerView[]): Figures["checkpoint"] {
  const reports = workers.flatMap((w) => (w.checkpoint === undefined ? [] : [w.checkpoint]));
  // The job is as safe as the worker that saved longest ago.
  const last = reports.toSorted((a, b) => a.completedAt - b.completedAt)[0];
  if (last === undefined) return undefined;
  return {
    id: last.id,
    completedAt: instant(last.completedAt),
    duration: formatDuration(Math.max(1, Math.round(last.durationMs))),
    bytes: reports.reduce((sum, r) => sum + r.bytes, 0),
    uri: last.uri.slice(0, 1024),
    failures: workers.reduce((sum, w) => sum + w.checkpointFailures, 0),
  };
}

/** How much the figures differ from those that are shown. */
export type Difference = "None" | "Moved" | "Jumped" | "Turned";

/**
 * Turned: checkpoints began, or began to fail or to work. Jumped: an order of magnitude. Moved: more than a fifth. An idle
 * or steady job shows no difference, and so causes no write.
 */
export function difference(shown: Figures, now: Figures): Difference {
  const failing = (f: Figures): boolean => (f.checkpoint?.failures ?? 0) > 0;
  const begun = shown.checkpoint === undefined && now.checkpoint !== undefined;
  if (begun || failing(shown) !== failing(now)) return "Turned";
  const pairs = [
    [shown.lag?.records, now.lag?.records],
    [shown.throughput?.in, now.throughput?.in],
  ] as const;
  if (pairs.some(([a, b]) => magnitude(a) !== magnitude(b))) return "Jumped";
  return pairs.some(([a, b]) => !near(a ?? 0, b ?? 0)) || isOld(shown, now) ? "Moved" : "None";
}

/** The age of the last checkpoint is a printer column: it may be behind by this, no more. */
const CHECKPOINT_AGE_MS = 300_000;
const isOld = (shown: Figures, now: Figures): boolean =>
  timeOf(now.checkpoint?.completedAt) - timeOf(shown.checkpoint?.completedAt) > CHECKPOINT_AGE_MS;

const near = (a: number, b: number): boolean => Math.abs(a - b) <= Math.max(10, 0.2 * Math.max(a, b));

/** Below a thousand records a lag is noise: a steady job must not be written because of it. */
function magnitude(value: number | undefined): number {
  return value === undefined ? -1 : Math.floor(Math.log10(Math.max(1_000, value)));
}

function coarse(ms: number): number {
  return ms < 1000 ? Math.round(ms / 100) * 100 : Math.round(ms / 1000) * 1000;
}
