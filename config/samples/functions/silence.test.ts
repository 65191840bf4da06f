import { expect, it } from "vitest";
import { functionTest } from "weir/functions/testing";
import { silence } from "./silence.ts";

const at = (ts: number): [object, { key: string; timestamp: number }] => [
  { ts, tenant: "a" },
  { key: "a", timestamp: ts },
];
const quiet = (quietSince: number) => expect.objectContaining({ record: { tenant: "a", quietSince } });
const back = (backAt: number, after: number) => expect.objectContaining({ record: { tenant: "a", backAt, after } });

it("tells of a silence once, and of its end, also after a restart", () => {
  const test = functionTest(silence, { parameters: { quiet_ms: "100" } });
  test.record(...at(10));
  test.advanceTo(109);
  expect(test.taken()).toEqual([]);
  test.advanceTo(110);
  expect(test.taken()).toEqual([quiet(10)]);
  test.restart();
  test.advanceTo(500);
  test.record(...at(510));
  expect(test.taken()).toEqual([back(510, 500)]);
});

it("tells of a silence that was over before its timer was due", () => {
  const test = functionTest(silence, { parameters: { quiet_ms: "100" } });
  test.record(...at(10));
  test.record(...at(150));
  expect(test.taken()).toEqual([quiet(10), back(150, 140)]);
  test.advanceTo(200);
  expect(test.taken()).toEqual([]);
});
