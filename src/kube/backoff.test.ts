import { describe, expect, it } from "vitest";
import { reconnectBackoff } from "./backoff.ts";
import { manualTimers } from "./manual-timers.ts";

describe("the reconnect back-off", () => {
  it("starts again after two quiet minutes, and not before", async () => {
    const timers = manualTimers({ random: () => 0 });
    const backoff = reconnectBackoff(timers);
    expect([backoff.next(), backoff.next()]).toEqual([800, 1_600]);
    await timers.advance(120_000);
    expect(backoff.next()).toBe(3_200);
    await timers.advance(120_001);
    expect(backoff.next()).toBe(800);
  });

  it("spreads clients over twice the wait, never over 30 s", () => {
    const waits = Array.from({ length: 10 }, () => {
      const backoff = reconnectBackoff(manualTimers({ random: Math.random }));
      return Array.from({ length: 9 }, () => backoff.next());
    });
    for (const [first = 0] of waits) expect(first >= 800 && first < 1_600).toBe(true);
    expect(new Set(waits.map(([first]) => first)).size).toBeGreaterThan(5);
    expect(Math.max(...waits.flat())).toBeLessThanOrEqual(30_000);
  });
});
