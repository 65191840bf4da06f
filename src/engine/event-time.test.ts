import { expect, it } from "vitest";
import { eventTimeOf } from "./event-time.ts";

it.each([
  ["1969-12-31T23:59:59.999Z", -1],
  ["2026-03-29T03:00:00.5+02:00", Date.UTC(2026, 2, 29, 1, 0, 0, 500)],
  ["2024-02-29T00:00:00Z", Date.UTC(2024, 1, 29)],
  [1.5, 1],
  [-1.5, -2],
])("takes %s for an event time", (value, ms) => {
  expect(eventTimeOf(value)).toBe(ms);
});

it.each([
  "2026-02-29T00:00:00Z",
  "2026-02-30T00:00:00Z",
  "2026-04-31T00:00:00Z",
  "2026-13-01T00:00:00Z",
  "2026-01-01T24:00:00Z",
  "2026-01-01",
  "",
  null,
  true,
  1e20,
])("takes %s for none", (value) => {
  expect(eventTimeOf(value)).toBeNaN();
});
