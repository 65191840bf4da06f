import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { kubeMetrics } from "../kube/meter.ts";
import type { Labels, Meter, MetricName, MetricShape } from "../kube/meter.ts";

/** A registry with every metric in it from the start: a dashboard must tell zero from missing. */
export interface PrometheusMeter extends Meter {
  readonly registry: Registry;
}

const PREFIX = "weir_";

export function prometheusMeter(): PrometheusMeter {
  const registry = new Registry();
  const counters = new Map<MetricName, Counter>();
  const histograms = new Map<MetricName, Histogram>();
  const readings = new Map<MetricName, Map<string, { labels: Labels; read: () => number }>>();

  for (const [name, shape] of Object.entries(kubeMetrics) as [MetricName, MetricShape][]) {
    const common = { name: PREFIX + name, help: shape.help, labelNames: [...shape.labels], registers: [registry] };
    if (shape.type === "counter") counters.set(name, new Counter(common));
    else if (shape.type === "histogram") histograms.set(name, new Histogram({ ...common, buckets: BUCKETS }));
    else readings.set(name, registerGauge(common));
  }

  return {
    registry,
    count: (name, labels, by = 1) => counters.get(name)?.inc({ ...labels }, by),
    observe: (name, labels, seconds) => histograms.get(name)?.observe({ ...labels }, seconds),
    gauge: (name, labels, read) => readings.get(name)?.set(JSON.stringify(labels), { labels, read }),
  };
}

/** Seconds: a cached decision takes microseconds, a slow API server tens of seconds. */
const BUCKETS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60];

type Readings = Map<string, { labels: Labels; read: () => number }>;

function registerGauge(common: { name: string; help: string; labelNames: string[]; registers: Registry[] }): Readings {
  const readings: Readings = new Map();
  // It lives in the registry, which asks it when somebody looks.
  void new Gauge({
    ...common,
    collect() {
      this.reset();
      for (const { labels, read } of readings.values()) this.set({ ...labels }, read());
    },
  });
  return readings;
}
