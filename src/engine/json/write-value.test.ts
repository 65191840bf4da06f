import { expect, it } from "vitest";
import { NOT_QUICK, writeQuickly } from "./write-value.ts";

const bytes = Buffer.alloc(80);
function written(value: unknown): string | undefined {
  const end = writeQuickly(bytes, 0, value);
  return end === NOT_QUICK ? undefined : bytes.toString("latin1", 0, end);
}

it("writes plain ints, short plain texts and lists of them as JSON.stringify does", () => {
  const ints = [0, -0, 9, 10, 99, 2 ** 31 - 1, 2 ** 31, 999_999_999, 1e9, 1e9 + 7, 1_436_918_400_000, 1e15 - 1];
  const lists = [[], [1], ["a", 2, ["b"]], [1_436_918_400_000, 12]];
  for (const value of [...ints, "", "a", "tenant-000123", "x".repeat(64), ...lists])
    expect(written(value)).toBe(JSON.stringify(value));
});

it("leaves everything else alone", () => {
  const odd = [-1, 1.5, 1e15, NaN, 'a"b', "a\\b", "ä", "\n", "\u{7f}", "x".repeat(65), null, true, {}, [null], [["ä"]]];
  for (const value of odd) expect(written(value)).toBeUndefined();
});

it("says so where there is no room", () => {
  const small = Buffer.alloc(16);
  for (const value of ["x".repeat(15), [1, 2, 3, 4, 5, 6, 7, 8, 9], ["x".repeat(13)]])
    expect(writeQuickly(small, 0, value)).toBe(NOT_QUICK);
});
