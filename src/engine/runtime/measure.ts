import type { EdgeMetrics, WorkerMetrics } from "../../api/worker-protocol.ts";
import type { Clock } from "../../clock.ts";
import type { SinkWriter } from "../connectors/connector.ts";
import type { LookupClient } from "../lookups/lookup-client.ts";
import type { Program } from "../program.ts";
import type { Losses } from "./losses.ts";
import type { SourceTask } from "./source-task.ts";

export interface Measured {
  readonly tasks: readonly SourceTask[];
  readonly sinks: ReadonlyMap<string, SinkWriter>;
  readonly program: Program;
  readonly losses: Losses;
  readonly lookups: ReadonlyMap<string, LookupClient>;
  readonly disk: () => WorkerMetrics["disk"];
  readonly clock: Clock;
}

export type Totals = Pick<WorkerMetrics, "totalIn" | "totalOut">;

/** What comes in and goes out of the job: not what its workers hand each other. */
export function totalsOf({ tasks, sinks }: Pick<Measured, "tasks" | "sinks">): Totals {
  return {
    totalIn: sum(tasks.map((t) => (t.exchanged ? 0 : t.records))),
    totalOut: sum([...sinks.values()].map((s) => (s.watermark === undefined ? s.counters().records : 0))),
  };
}

/** Each call gives the figures of now, with rates since the last call. */
export function meter({ tasks, sinks, program, losses, lookups, disk, clock }: Measured): () => WorkerMetrics {
  const totals = () => ({ at: clock.elapsed(), ...totalsOf({ tasks, sinks }) });
  const sources = new Set(tasks.map((t) => t.node));
  let last = totals();
  let loop = performance.eventLoopUtilization();

  return () => {
    const now = totals();
    const seconds = Math.max(0.001, (now.at - last.at) / 1000);
    const rate = (total: keyof Totals): number => Math.max(0, now[total] - last[total]) / seconds;
    const rates = { in: rate("totalIn"), out: rate("totalOut") };
    last = now;
    const busy = performance.eventLoopUtilization(loop).utilization;
    loop = performance.eventLoopUtilization();
    const counters = [...program.counters()];
    const watermark = Math.min(...tasks.filter((t) => !t.broadcast).map((t) => t.watermark));
    return {
      ...lagOf(
        tasks.filter((task) => !task.broadcast),
        clock.now(),
      ),
      ...rates,
      totalIn: now.totalIn,
      totalOut: now.totalOut,
      malformed:
        sum(counters.filter(([node]) => sources.has(node)).map(([, c]) => c.errors)) +
        sum([...sinks.values()].map((sink) => sink.counters().refused ?? 0)),
      late: sum(counters.map(([, c]) => c.late)),
      keys: sum(program.keyed.map((k) => k.size())),
      busy: Number.isFinite(busy) ? Math.min(1, Math.max(0, busy)) : 0,
      watermark: Number.isFinite(watermark) ? watermark : null,
      splits: sum(tasks.map((t) => t.splits)),
      lost: losses.current(),
      edges: edgesOf(program, sinks),
      ...diskOf(disk()),
      ...(lookups.size === 0 ? {} : { lookups: [...lookups].map(([node, client]) => ({ node, ...client.figures() })) }),
    };
  };
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

function edgesOf(program: Program, sinks: Measured["sinks"]): EdgeMetrics[] {
  const edges = new Map<string, EdgeMetrics>();
  for (const [node, sink] of sinks) edges.set(node, { node, buffered: 0, dropped: 0, backpressure: sink.saturated() });
  for (const { plan, pending, dropped } of program.buffers) {
    const { reader: node } = plan;
    // A join has two, and a sink is full by itself.
    const other = edges.get(node) ?? { node, buffered: 0, dropped: 0, backpressure: false };
    const backpressure = pending >= plan.size || other.backpressure;
    edges.set(node, { node, buffered: other.buffered + pending, dropped: other.dropped + dropped, backpressure });
  }
  return [...edges.values()];
}

const diskOf = (disk: WorkerMetrics["disk"]): Pick<WorkerMetrics, "disk"> => (disk === undefined ? {} : { disk });

/** Unknown for one source is unknown for the slot: a lag that leaves something out would look healthy. */
function lagOf(tasks: readonly SourceTask[], now: number): { lag: number | null; lagMs: number | null } {
  let records = 0;
  let oldest = Infinity;
  for (const { reader } of tasks) {
    const lag = reader.lag();
    if (lag === undefined) return { lag: null, lagMs: null };
    records += lag.records;
    oldest = Math.min(oldest, lag.oldestTimestamp ?? Infinity);
  }
  if (records === 0) return { lag: 0, lagMs: 0 };
  return { lag: records, lagMs: oldest === Infinity ? null : Math.max(0, now - oldest) };
}
