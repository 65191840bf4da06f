import fc from "fast-check";
import { expect, it } from "vitest";
import { viewOf } from "../short-copy.ts";
import { plainInt, plainTime } from "./decoder.ts";

it.each([
  0, 7, -7, 123_456_789, -999_999_999, 1_000_000_000, 1_700_000_000_123, -100_000_000_000_001, 999_999_999_999_999,
])("reads the whole number %s from its digits", (n) => {
  expect(plainInt(Buffer.from(`9${n}9`), 1, 1 + String(n).length)).toBe(n);
});

it("reads every whole number as a time, most quickly those that are milliseconds of our years", () => {
  const most = 999_999_999_999_999;
  const times = fc.oneof(fc.integer({ min: 1e12, max: 1e13 - 1 }), fc.integer({ min: -most, max: most }));
  fc.assert(
    fc.property(times, fc.nat(20), (n, before) => {
      // Within a larger buffer, and among other digits.
      const bytes = Buffer.concat([Buffer.alloc(3), Buffer.from(`${"7".repeat(before)}${n}5`)]).subarray(3);
      expect(plainTime(bytes, before, before + String(n).length, viewOf(bytes))).toBe(n);
    }),
    { numRuns: 2000 },
  );
});
