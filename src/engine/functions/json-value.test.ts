import { expect, it } from "vitest";
import { jsonCopy } from "./json-value.ts";

it.each([
  ["deep inside", [[[[[[[[[[[[Number.NaN]]]]]]]]]]]], /is NaN at 0\.0/],
  [
    "nested too deep",
    Array.from({ length: 200 }).reduce<unknown[]>((inner) => [inner], []),
    /nested more than 100 deep/,
  ],
])("says of what is no JSON %s where it was given, not the way into it", (_, value, message) => {
  const given = (): unknown => jsonCopy(value, "it");
  expect(given).toThrow(message);
  expect.assertions(2);
  try {
    given();
  } catch (e) {
    expect((e as Error).stack?.split("\n    at ")[1]).toMatch(/json-value\.test\.ts/);
  }
});
