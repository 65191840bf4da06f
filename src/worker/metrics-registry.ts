import { Counter, Gauge, Registry } from "prom-client";
import type { EdgeMetrics } from "../api/worker-protocol.ts";
import type { Condition } from "./condition.ts";
import { edgeFigures, workerFigures } from "./exposition.ts";

/** The figures of a worker, read from its condition at each scrape. */
export function metricsRegistry(labels: Readonly<Record<string, string>>, condition: Condition): Registry {
  const registry = new Registry();
  registry.setDefaultLabels(labels);
  for (const { name, help, type, value } of workerFigures) {
    const options = { name: `weir_worker_${name}`, help, registers: [registry] };
    if (type === "counter") {
      new Counter({
        ...options,
        collect() {
          this.reset();
          this.inc(value(condition) ?? 0);
        },
      });
    } else {
      new Gauge({ ...options, collect: collectGauge(() => value(condition)) });
    }
  }
  for (const { name, help, type, value } of edgeFigures) {
    const options = { name: `weir_worker_${name}`, help, registers: [registry], labelNames: ["node"] };
    const edges = (): readonly EdgeMetrics[] => condition.metrics.edges ?? [];
    if (type === "counter") {
      new Counter({
        ...options,
        collect() {
          this.reset();
          for (const edge of edges()) this.inc({ node: edge.node }, value(edge));
        },
      });
    } else {
      new Gauge({
        ...options,
        collect() {
          this.reset();
          for (const edge of edges()) this.set({ node: edge.node }, value(edge));
        },
      });
    }
  }
  return registry;
}

function collectGauge(value: () => number | null): (this: Gauge) => void {
  return function collect() {
    const now = value();
    if (now === null) this.remove();
    else this.set(now);
  };
}
