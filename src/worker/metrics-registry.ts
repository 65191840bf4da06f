import { Counter, Gauge, Registry } from "prom-client";
import type { Condition } from "./condition.ts";
import { edgeFigures, lookupFigures, workerFigures } from "./exposition.ts";
import type { NodeFigure } from "./exposition.ts";

/** The figures of a worker, read from its condition at each scrape. */
export function metricsRegistry(labels: Readonly<Record<string, string>>, condition: Condition): Registry {
  const registry = new Registry();
  registry.setDefaultLabels(labels);
  for (const figure of workerFigures) {
    register(registry, { ...figure, labelNames: [] }, () => [{ labels: {}, value: figure.value(condition) }]);
  }
  byNode(registry, edgeFigures, () => condition.metrics.edges ?? []);
  byNode(registry, lookupFigures, () => condition.metrics.lookups ?? []);
  return registry;
}

function byNode<T extends { readonly node: string }>(
  registry: Registry,
  figures: readonly NodeFigure<T>[],
  of: () => readonly T[],
): void {
  for (const figure of figures)
    register(registry, { ...figure, labelNames: ["node"] }, () =>
      of().map((one) => ({ labels: { node: one.node }, value: figure.value(one) })),
    );
}

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  readonly labelNames: string[];
}

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  /** Null while nobody knows. */
  readonly value: number | null;
}

function register(
  registry: Registry,
  { name, help, type, labelNames }: Metric,
  samples: () => readonly Sample[],
): void {
  const options = { name: `weir_worker_${name}`, help, registers: [registry], labelNames };
  const known = () => samples().flatMap(({ labels, value }) => (value === null ? [] : [{ labels, value }]));
  if (type === "counter") {
    new Counter({
      ...options,
      collect() {
        this.reset();
        for (const { labels, value } of known()) this.inc(labels, value);
      },
    });
    return;
  }
  new Gauge({
    ...options,
    collect() {
      // Without labels a reset leaves a zero.
      this.reset();
      if (labelNames.length === 0) this.remove();
      for (const { labels, value } of known()) this.set(labels, value);
    },
  });
}
