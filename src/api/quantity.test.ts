import { describe, expect, it } from "vitest";
import { parseQuantity, quantity } from "./quantity.ts";

describe("quantities", () => {
  it.each([
    ["512Mi", 536_870_912],
    ["500m", 0.5],
    ["2", 2],
    [2, 2],
    ["1.5Gi", 1_610_612_736],
    ["1e3", 1000],
    ["2E", 2e18],
    ["12k", 12_000],
  ])("reads %s as %d", (text, value) => {
    expect(parseQuantity(text)).toBeCloseTo(value, 6);
  });

  it.each(["", "Mi", "1 Gi", "1gi", "0x10", "1e", "1.2.3"])("refuses %j", (text) => {
    expect(quantity.safeParse(text).success).toBe(false);
    expect(() => parseQuantity(text)).toThrow(/is not a quantity/);
  });
});
