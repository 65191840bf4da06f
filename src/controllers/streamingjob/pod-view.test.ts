import { describe, expect, it } from "vitest";
import { podView } from "./pod-view.ts";

const labels = { "weir.dev/epoch": "1", "weir.dev/slot": "0", "weir.dev/attempt": "0" };
const DELETED = Date.parse("2026-01-01T00:00:00Z");
const deleted = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "j-1-0-0", labels, deletionTimestamp: new Date(DELETED).toISOString() },
};

describe("a pod that should be gone", () => {
  it("is lost a minute later, or when that is set", () => {
    const lostAfter = (ms: number, limit?: number) => podView(deleted, DELETED + ms, limit)?.lost;
    expect([lostAfter(60_000), lostAfter(60_001)]).toEqual([false, true]);
    expect([lostAfter(300_000, 300_000), lostAfter(300_001, 300_000)]).toEqual([false, true]);
  });
});
