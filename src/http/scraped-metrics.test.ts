import { Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { registerScraped } from "./scraped-metrics.ts";

describe("a metric that is read by each scrape", () => {
  it.each(["gauge", "counter"] as const)(
    "is a %s that is known before it has a series, and forgets those that are gone",
    async (type) => {
      const registry = new Registry();
      const jobs = new Map<string, number>();
      registerScraped(registry, {
        name: "weir_x",
        type,
        labels: ["job"],
        help: "X.",
        samples: () => [...jobs].map(([job, value]) => ({ labels: { job }, value })),
      });
      expect(await registry.metrics()).toContain(`# TYPE weir_x ${type}`);
      jobs.set("a", 3).set("b", 4);
      expect(await registry.metrics()).toMatch(/weir_x\{job="a"\} 3\nweir_x\{job="b"\} 4/);
      jobs.delete("a");
      const after = await registry.metrics();
      expect(after).not.toContain('job="a"');
      expect(after).toContain('weir_x{job="b"} 4');
    },
  );
});
