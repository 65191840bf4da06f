import { performance } from "node:perf_hooks";
import type { ScrapedMetric } from "./scraped-metrics.ts";

const one = (value: number): ReturnType<ScrapedMetric["samples"]> => [{ labels: {}, value }];

/** What Prometheus' own client libraries say of a process, by the same names, and how busy this one is. */
export const processMetrics: readonly ScrapedMetric[] = [
  {
    name: "process_cpu_seconds_total",
    type: "counter",
    labels: [],
    help: "Total user and system CPU time spent in seconds.",
    samples: () => {
      const { user, system } = process.cpuUsage();
      return one((user + system) / 1e6);
    },
  },
  {
    name: "process_resident_memory_bytes",
    type: "gauge",
    labels: [],
    help: "Resident memory size in bytes.",
    samples: () => one(process.memoryUsage.rss()),
  },
  {
    name: "process_start_time_seconds",
    type: "gauge",
    labels: [],
    help: "Start time of the process since the Unix epoch in seconds.",
    samples: () => one(performance.timeOrigin / 1000),
  },
  {
    name: "weir_event_loop_busy_seconds_total",
    type: "counter",
    labels: [],
    help: "Time in which the event loop had something to do; its rate is the share of one core that is in use, 1 at most.",
    samples: () => one(performance.eventLoopUtilization().active / 1000),
  },
];
