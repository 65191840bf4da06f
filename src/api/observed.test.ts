import { describe, expect, it } from "vitest";
import { observed } from "./observed.ts";

const requested = (value: string) => ({ generation: 3, annotations: { "reconcile.weir.dev/requestedAt": value } });

describe("what a status says it was decided on", () => {
  it("is the generation, and the request to look again", () => {
    expect(observed(requested("2026-05-01T12:00:00Z"))).toEqual({
      observedGeneration: 3,
      lastHandledReconcileAt: "2026-05-01T12:00:00Z",
    });
  });

  it("names no request where none is", () => {
    expect(observed({ generation: 3 })).toEqual({ observedGeneration: 3 });
    expect(observed({ generation: 3, annotations: { other: "x" } }).lastHandledReconcileAt).toBeUndefined();
  });

  it("fits the schema whatever the request's value is", () => {
    expect(observed(requested("x".repeat(100_000))).lastHandledReconcileAt).toHaveLength(256);
  });
});
