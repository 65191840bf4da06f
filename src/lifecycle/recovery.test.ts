import { describe, expect, it } from "vitest";
import type { LifecycleWorld } from "../../test/builders/lifecycle-world.ts";
import { lifecycleWorld } from "../../test/builders/lifecycle-world.ts";

function runningPair(): { world: LifecycleWorld; pod: LifecycleWorld["pods"][number] } {
  const world = lifecycleWorld();
  world.settle(8);
  const pod = world.pods[1];
  if (pod === undefined) throw new Error("the pair never ran");
  return { world, pod };
}

describe("the loss of a worker", () => {
  it("gives the next attempt also when its pod came and went before a decision saw it", () => {
    const world = lifecycleWorld();
    world.reconcile();
    world.reconcile();
    expect(world.created).toEqual(["job-1-0-0", "job-1-1-0"]);
    world.pods = world.pods.filter((p) => p.slot !== 1);
    world.vanished = [{ epoch: 1, slot: 1, attempt: 0 }];
    world.settle(8);
    expect(world.created).toEqual(["job-1-0-0", "job-1-1-0", "job-1-1-1"]);
    expect(world.status.restarts?.count).toBe(1);
  });

  it("counts once when its pod is deleted and its container then ends by SIGTERM", () => {
    const { world, pod } = runningPair();
    pod.deleting = true;
    world.reconcile();
    pod.failures = 1;
    pod.exit = { code: 143, reason: "Error", at: world.now, failure: undefined };
    world.reconcile();
    expect(world.status.restarts?.count).toBe(1);
    world.settle(8);
    expect(world.status.restarts?.count).toBe(1);
    expect(world.running().map((p) => p.name)).toEqual(["job-1-0-0", "job-1-1-1"]);
  });

  it("counts once when its end and its deletion are seen together", () => {
    const { world, pod } = runningPair();
    pod.deleting = true;
    pod.failures = 1;
    world.reconcile();
    world.reconcile();
    expect(world.status.restarts?.count).toBe(1);
  });

  it("counts again when a container that came back is lost with its pod", () => {
    const { world, pod } = runningPair();
    pod.failures = 1;
    world.settle(1);
    expect(world.status.restarts?.count).toBe(1);
    world.pods = world.pods.filter((p) => p !== pod);
    world.reconcile();
    expect(world.status.restarts?.count).toBe(2);
  });
});
