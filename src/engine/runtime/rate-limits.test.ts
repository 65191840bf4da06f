import { expect, it } from "vitest";
import type { Plan } from "../plan.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";
import type { NodeCounters, Program } from "../program.ts";
import { rateLimits } from "./rate-limits.ts";

function limited(rateLimit: { perSecond: number; burst?: number }): Plan {
  const nodes = [
    { name: "fast", source: { datagen: {} } },
    { name: "slow", source: { datagen: {} } },
    { name: "all", from: ["fast"], filter: "true" },
    { name: "limit", from: ["all"], rateLimit },
    { name: "out", from: ["limit", "slow"], sink: { blackhole: {} } },
  ];
  return planPipeline({ nodes }, { parameters: {}, maxParallelism: 8 });
}

function start(plan: Plan, slots = 1) {
  let now = 0;
  const counters: NodeCounters = { in: 0, out: 0, late: 0, errors: 0 };
  const program = { counters: () => new Map([["limit", counters]]) } as unknown as Program;
  const limits = rateLimits(plan, { program, slots, clock: { now: () => now, elapsed: () => now } });
  return {
    limits,
    take: (n: number) => (counters.in += n),
    pass: (ms: number) => (now += ms),
  };
}

it("lets a burst through, then makes the sources above it wait for tokens, and no others", () => {
  const { limits, take, pass } = start(limited({ perSecond: 100, burst: 10 }));
  expect(limits.waitMs("fast")).toBe(0);
  take(10);
  expect(limits.waitMs("fast")).toBe(10);
  expect(limits.waitMs("slow")).toBe(0);
  pass(10);
  expect(limits.waitMs("fast")).toBe(0);
});

it("pays back a batch that was larger than what there was", () => {
  const { limits, take, pass } = start(limited({ perSecond: 1000, burst: 1 }));
  take(1001);
  expect(limits.waitMs("fast")).toBe(1001);
  pass(500);
  expect(limits.waitMs("fast")).toBe(501);
});

it("saves no more than a burst in quiet times", () => {
  const { limits, take, pass } = start(limited({ perSecond: 1000, burst: 5 }));
  pass(60_000);
  expect(limits.waitMs("fast")).toBe(0);
  take(5);
  expect(limits.waitMs("fast")).toBeGreaterThan(0);
});

it("gives each worker its share", () => {
  const { limits, take } = start(limited({ perSecond: 1000, burst: 4 }), 4);
  take(1);
  expect(limits.waitMs("fast")).toBe(4);
});
