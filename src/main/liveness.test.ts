import { describe, expect, it } from "vitest";
import { notLive } from "./liveness.ts";

const now = 10_000_000;
const parts = { now, watches: [{ name: "the watch of pods", movedAt: now - 160_000 }], queues: [] };

describe("the liveness of the operator", () => {
  it("outlasts a silent API server: a watch that is opened anew moves", () => {
    expect(notLive(parts)).toBeUndefined();
    expect(notLive({ ...parts, queues: [{ key: "streamingjob a/b", since: now - 60_000 }] })).toBeUndefined();
  });

  it("ends when a watch does not even ask any more", () => {
    const watches = [...parts.watches, { name: "the watch of configmaps", movedAt: now - 601_000 }];
    expect(notLive({ ...parts, watches })).toBe("the watch of configmaps has stood still for 601 s");
  });

  it("ends when a reconcile never ends: its object would not be looked after any more", () => {
    const queues = [{ key: "streamingjob a/b", since: now - 700_000 }];
    expect(notLive({ ...parts, queues })).toBe("streamingjob a/b has been reconciled for 700 s");
  });
});
