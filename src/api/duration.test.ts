import { describe, expect, it } from "vitest";
import { duration, formatDuration, parseDuration } from "./duration.ts";

describe("durations", () => {
  it.each([
    ["0", 0],
    ["0s", 0],
    ["250ms", 250],
    ["1m30s", 90_000],
    ["1.5h", 5_400_000],
    ["168h", 604_800_000],
    ["0.0005s", 1],
  ])("reads %s as %d ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
    expect(duration.safeParse(text).success).toBe(true);
  });

  it.each(["", "1", "1d", "-1s", "1 s", "s", "1m30", "1us", "1e3s", "１s"])("refuses %j", (text) => {
    expect(duration.safeParse(text).success).toBe(false);
    expect(() => parseDuration(text)).toThrow(/is not a duration/);
  });

  it.each([0, 1, 250, 1000, 90_000, 3_600_000, 5_400_000, 90_061_001])("writes %d ms so that it reads back", (ms) => {
    expect(parseDuration(formatDuration(ms))).toBe(ms);
  });

  it("writes the shortest form", () => {
    expect([0, 1500, 90_000, 3_600_000].map(formatDuration)).toEqual(["0s", "1s500ms", "1m30s", "1h"]);
  });
});
