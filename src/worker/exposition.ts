import type { Registry } from "prom-client";
import type { EdgeMetrics, LookupMetrics, StartDocument } from "../api/worker-protocol.ts";
import type { Condition } from "./condition.ts";

interface Figure {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  readonly value: (c: Condition) => number | null;
}

export const workerFigures: readonly Figure[] = [
  counter("records_in_total", "Records read since the process started.", (c) => c.metrics.totalIn),
  counter("records_out_total", "Records given to sinks since the process started.", (c) => c.metrics.totalOut),
  counter("records_late_total", "Records behind the watermark and the allowed lateness.", (c) => c.metrics.late),
  counter(
    "records_malformed_total",
    "Records that are not valid in their source's format.",
    (c) => c.metrics.malformed,
  ),
  counter("records_lost_total", "Records that were gone before they were read.", (c) => c.metrics.lost?.records ?? 0),
  counter("checkpoints_completed_total", "Checkpoints completed.", (c) => c.checkpoints.ok),
  counter("checkpoints_failed_total", "Checkpoints that failed or timed out.", (c) => c.checkpoints.failed),
  gauge("records_in_per_second", "Records read per second.", (c) => c.metrics.in),
  gauge("records_out_per_second", "Records given to sinks per second.", (c) => c.metrics.out),
  gauge("lag_records", "Records not read yet; absent when unknown.", (c) => c.metrics.lag),
  gauge("lag_seconds", "Age of the oldest unread record; absent when unknown.", (c) => seconds(c.metrics.lagMs)),
  gauge("watermark_timestamp_seconds", "Event time up to which everything was seen.", (c) =>
    seconds(c.metrics.watermark),
  ),
  gauge("keys", "Live keys of all keyed nodes.", (c) => c.metrics.keys),
  gauge("splits", "Splits that it reads, over all sources; 0 is a worker too many.", (c) => c.metrics.splits ?? null),
  gauge("busy_ratio", "Share of time the event loop was busy.", (c) => c.metrics.busy),
  gauge("checkpoint_duration_seconds", "How long the last checkpoint took.", (c) => seconds(c.checkpoint?.durationMs)),
  gauge("checkpoint_bytes", "Size of the last checkpoint.", (c) => c.checkpoint?.bytes ?? null),
  gauge("state_files_bytes", "Size of the files of state in RocksDB.", (c) => c.metrics.disk?.used ?? null),
  gauge("state_disk_size_bytes", "Size of the disk below state in RocksDB.", (c) => c.metrics.disk?.size ?? null),
  gauge("state_disk_free_bytes", "What of that disk is free.", (c) => c.metrics.disk?.free ?? null),
  gauge("paused", "1 while the sources are held.", (c) => (c.phase === "Paused" ? 1 : 0)),
  gauge("problem", "1 while something outside keeps the job from going on.", (c) => (c.problem === null ? 0 : 1)),
];

/** One series for each of some nodes, by the label `node`. */
export interface NodeFigure<T> {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  readonly value: (of: T) => number;
}

/** Of sinks, lookups, and nodes with a buffer. */
export const edgeFigures: readonly NodeFigure<EdgeMetrics>[] = [
  {
    name: "buffer_size",
    help: "Records that wait in the buffer before a node.",
    type: "gauge",
    value: (e) => e.buffered,
  },
  {
    name: "dropped_records_total",
    help: "Records that the buffer before a node dropped since the process started.",
    type: "counter",
    value: (e) => e.dropped,
  },
  {
    name: "backpressure_active",
    help: "1 while a node takes no more records for now.",
    type: "gauge",
    value: (e) => (e.backpressure ? 1 : 0),
  },
];

/** Of lookups. */
export const lookupFigures: readonly NodeFigure<LookupMetrics>[] = [
  ofLookup(
    "hits_total",
    "Records of a lookup that were answered at once, by the cache or a request under way.",
    "hits",
  ),
  ofLookup("misses_total", "Keys that a lookup asked the other system for.", "misses"),
  ofLookup("requests_total", "Requests of a lookup to the other system.", "requests"),
  ofLookup("request_seconds_total", "Time that the requests of a lookup took together.", "seconds"),
];

function ofLookup(name: string, help: string, field: Exclude<keyof LookupMetrics, "node">): NodeFigure<LookupMetrics> {
  return { name: `lookup_${name}`, help, type: "counter", value: (of) => of[field] };
}

function counter(name: string, help: string, value: Figure["value"]): Figure {
  return { name, help, type: "counter", value };
}
function gauge(name: string, help: string, value: Figure["value"]): Figure {
  return { name, help, type: "gauge", value };
}
const seconds = (ms: number | null | undefined): number | null => (ms === null || ms === undefined ? null : ms / 1000);

/** On every series. Not "namespace" and "job": a scrape gives those two their own meaning, and would rename ours. */
export const WORKER_LABELS = ["job_namespace", "job_name", "epoch", "slot"] as const;

export function workerLabels(start: StartDocument, slot: number): Record<(typeof WORKER_LABELS)[number], string> {
  return { job_namespace: start.namespace, job_name: start.job, epoch: String(start.epoch), slot: String(slot) };
}

/**
 * The text of GET /metrics. The library is loaded by the first scrape: a worker's start does not wait for it. It comes through
 * a module of ours, because a bundle gives a CommonJS package that is imported at run time no names.
 */
export function exposition(
  labels: Readonly<Record<string, string>>,
  condition: Condition,
): () => Promise<{ text: string; type: string }> {
  let registry: Promise<Registry> | undefined;
  return async () => {
    const all = await (registry ??= load(labels, condition));
    return { text: await all.metrics(), type: all.contentType };
  };
}

async function load(labels: Readonly<Record<string, string>>, condition: Condition): Promise<Registry> {
  return (await import("./metrics-registry.ts")).metricsRegistry(labels, condition);
}
