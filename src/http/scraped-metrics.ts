import { Counter, Gauge } from "prom-client";
import type { Registry } from "prom-client";

/** A metric whose series are read anew by each scrape: what is not read any more is not shown any more. */
export interface ScrapedMetric {
  readonly name: string;
  readonly type: "gauge" | "counter";
  readonly labels: readonly string[];
  readonly help: string;
  readonly samples: () => Iterable<{ readonly labels: Readonly<Record<string, string>>; readonly value: number }>;
}

/** Its help and type are there from the start, also while there is no series. */
export function registerScraped(registry: Registry, metric: ScrapedMetric): void {
  const { name, help, labels, samples } = metric;
  const options = { name, help, labelNames: [...labels], registers: [registry] };
  if (metric.type === "counter") {
    void new Counter({
      ...options,
      collect() {
        this.reset();
        for (const sample of samples()) this.inc({ ...sample.labels }, sample.value);
      },
    });
  } else {
    void new Gauge({
      ...options,
      collect() {
        this.reset();
        for (const sample of samples()) this.set({ ...sample.labels }, sample.value);
      },
    });
  }
}
