import { describe, expect, it } from "vitest";
import type { MaintenanceWindowSpec } from "../api/maintenance-window.schema.ts";
import { nextEdge, windowState } from "./schedule-window.ts";

const at = (text: string): number => Date.parse(text);
const nightly: MaintenanceWindowSpec = {
  jobs: ["a"],
  schedule: "0 2 * * *",
  duration: "1h",
  timeZone: "Europe/Berlin",
};

/** Walks from edge to edge as the controller does, and lists when the window opened. */
function openings(spec: MaintenanceWindowSpec, from: string, to: string): string[] {
  const found: string[] = [];
  let now = at(from);
  while (now < at(to)) {
    const state = windowState(spec, now);
    if (state.active && state.startedAt === now) found.push(new Date(now).toISOString());
    const next = nextEdge(state);
    if (next === undefined || next <= now) break;
    now = next;
  }
  return found;
}

describe("a maintenance window", () => {
  it("is open from its first millisecond to just before its end", () => {
    const spec: MaintenanceWindowSpec = { jobs: ["a"], start: "2026-05-01T00:00:00Z", end: "2026-05-01T01:00:00Z" };
    expect(windowState(spec, at("2026-04-30T23:59:59.999Z")).active).toBe(false);
    expect(windowState(spec, at("2026-05-01T00:00:00Z")).active).toBe(true);
    expect(windowState(spec, at("2026-05-01T00:59:59.999Z")).active).toBe(true);
    expect(windowState(spec, at("2026-05-01T01:00:00Z"))).toMatchObject({ active: false, nextStart: undefined });
  });

  it("repeats in its own time zone", () => {
    expect(openings(nightly, "2026-06-01T00:00:00Z", "2026-06-04T00:00:00Z")).toEqual([
      "2026-06-01T00:00:00.000Z",
      "2026-06-02T00:00:00.000Z",
      "2026-06-03T00:00:00.000Z",
    ]);
  });

  it("opens once on the day that skips its hour, right after the gap", () => {
    expect(openings(nightly, "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z")).toEqual([
      "2026-03-29T01:00:00.000Z",
      "2026-03-30T00:00:00.000Z",
    ]);
  });

  it("opens once on the day that repeats its hour", () => {
    const openingsThatDay = openings(nightly, "2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z");
    expect(openingsThatDay).toEqual(["2026-10-25T00:00:00.000Z"]);
  });

  it("knows leap days", () => {
    const leap: MaintenanceWindowSpec = { jobs: ["a"], schedule: "0 0 29 2 *", duration: "24h" };
    expect(openings(leap, "2026-01-01T00:00:00Z", "2033-01-01T00:00:00Z")).toEqual([
      "2028-02-29T00:00:00.000Z",
      "2032-02-29T00:00:00.000Z",
    ]);
  });

  it("crosses midnight", () => {
    const late: MaintenanceWindowSpec = { jobs: ["a"], schedule: "30 23 * * *", duration: "1h" };
    expect(windowState(late, at("2026-06-02T00:15:00Z"))).toMatchObject({
      active: true,
      startedAt: at("2026-06-01T23:30:00Z"),
    });
  });

  it("does not open while it is suspended", () => {
    expect(windowState({ ...nightly, suspend: true }, at("2026-06-01T00:30:00Z"))).toMatchObject({ active: false });
  });
});
