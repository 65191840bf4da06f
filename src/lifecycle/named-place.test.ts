import { describe, expect, it } from "vitest";
import { lifecycleSpec, lifecycleWorld } from "../../test/builders/lifecycle-world.ts";
import type { LifecycleWorld } from "../../test/builders/lifecycle-world.ts";
import type { RestorePoint } from "../api/worker-protocol.ts";

const startFrom = (over: object) => lifecycleSpec({ startFrom: { allowNonRestoredState: false, ...over } });

describe("when the place that the user named turns out to be none", () => {
  const notFound = { code: "SAVEPOINT_NOT_FOUND", message: "there is no savepoint", restartable: false };
  /** Starts, and lets the new workers say that they found nothing there. */
  const startInVain = (world: LifecycleWorld, annotations: Record<string, string> = {}): RestorePoint | undefined => {
    world.annotations = { ...world.annotations, ...annotations, "weir.dev/start": `${world.now}` };
    world.generation += 1;
    world.schedulable = false;
    world.settle(3);
    const from = world.plans.get(world.status.epoch ?? 0)?.restore;
    for (const pod of world.pods) {
      pod.phase = "Failed";
      pod.exit = { code: 1, reason: "Error", at: world.now, failure: notFound };
    }
    world.settle(3);
    expect(world.status).toMatchObject({ state: "FAILED", failure: notFound });
    world.schedulable = true;
    return from;
  };

  it("is that place again for as long as the spec names it, and nothing when a new job's spec no longer does", () => {
    const world = lifecycleWorld(startFrom({ savepoint: "file:///state/typo" }));
    expect(startInVain(world)).toMatchObject({ uri: "file:///state/typo" });
    expect(startInVain(world)).toMatchObject({ uri: "file:///state/typo" });
    world.spec = startFrom({});
    world.generation += 1;
    world.settle(12);
    expect(world.status.state).toBe("RUNNING");
    expect(world.plans.get(3)?.restore).toEqual({ kind: "none" });
  });

  it("is the job's own newest state when it has some", () => {
    const world = lifecycleWorld();
    world.settle(8);
    world.annotations["weir.dev/stop"] = "1";
    world.settle(10);
    const own = world.status.savepoint?.uri;
    world.spec = startFrom({ acceptReplay: "yes-1" });
    startInVain(world, { "weir.dev/start-from": "file:///state/typo" });
    world.annotations = { "weir.dev/start": "again" };
    world.settle(12);
    expect(world.status.state).toBe("RUNNING");
    expect(world.plans.get(3)?.restore).toMatchObject({ kind: "savepoint", uri: own });
  });
});
