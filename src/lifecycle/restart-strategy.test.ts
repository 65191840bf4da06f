import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nextDelay, remember, spreadOf } from "./restart-strategy.ts";
import type { RestartMemory, RestartStrategy } from "./restart-strategy.ts";

const none: RestartMemory = { attempt: 0, recent: [] };
const backoff: RestartStrategy = {
  kind: "ExponentialBackoff",
  initialDelay: 1_000,
  maxDelay: 60_000,
  multiplier: 2,
  jitter: 0,
  resetAfter: 600_000,
  maxAttempts: -1,
};
const failures = (strategy: RestartStrategy, times: readonly number[]): RestartMemory =>
  times.reduce((memory, at) => remember(memory, strategy, 1, at), none);

describe("a restart strategy", () => {
  it("doubles the delay up to the limit", () => {
    const delays = [1, 2, 3, 7, 50].map((n) => nextDelay({ attempt: n, recent: [] }, backoff, 0.5));
    expect(delays).toEqual([1_000, 2_000, 4_000, 60_000, 60_000]);
  });

  it("starts anew after a calm time", () => {
    expect(failures(backoff, [0, 1, 2]).attempt).toBe(3);
    expect(failures(backoff, [0, 1, 700_000]).attempt).toBe(1);
  });

  it("gives up after maxAttempts, never with -1, and at once with Never", () => {
    const fixed: RestartStrategy = { kind: "FixedDelay", delay: 10, maxAttempts: 2 };
    expect(nextDelay(failures(fixed, [0, 1]), fixed, 0)).toBe(10);
    expect(nextDelay(failures(fixed, [0, 1, 2]), fixed, 0)).toBeNull();
    expect(nextDelay({ attempt: 1e6, recent: [] }, backoff, 0)).not.toBeNull();
    expect(nextDelay(none, { kind: "Never" }, 0)).toBeNull();
  });

  it("bounds the rate of failures, not their number", () => {
    const rate: RestartStrategy = { kind: "FailureRate", maxFailures: 2, window: 100, delay: 5 };
    expect(nextDelay(failures(rate, [0, 200, 400, 600]), rate, 0)).toBe(5);
    expect(nextDelay(failures(rate, [0, 10, 20]), rate, 0)).toBeNull();
  });

  it("spreads the delay by no more than the jitter, the same for the same text", () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 40 }), (text, attempt) => {
        const delay = nextDelay({ attempt, recent: [] }, { ...backoff, jitter: 0.1 }, spreadOf(text)) ?? 0;
        const plain = nextDelay({ attempt, recent: [] }, backoff, 0.5) ?? 0;
        expect(Math.abs(delay - plain)).toBeLessThanOrEqual(plain * 0.1 + 1);
        expect(spreadOf(text)).toBe(spreadOf(text));
      }),
    );
  });
});
