import { expect, it } from "vitest";
import { plainInt } from "./decoder.ts";

it.each([
  0, 7, -7, 123_456_789, -999_999_999, 1_000_000_000, 1_700_000_000_123, -100_000_000_000_001, 999_999_999_999_999,
])("reads the whole number %s from its digits", (n) => {
  expect(plainInt(Buffer.from(`9${n}9`), 1, 1 + String(n).length)).toBe(n);
});
