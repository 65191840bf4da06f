import { describe, expect, it } from "vitest";
import type { LifecycleWorld } from "../../test/builders/lifecycle-world.ts";
import { lifecycleSpec, lifecycleWorld } from "../../test/builders/lifecycle-world.ts";

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

describe("a worker that fails again and again", () => {
  const fail = (world: LifecycleWorld): void => {
    for (const pod of world.pods.filter((p) => p.slot === 1)) {
      pod.waiting = { reason: "CrashLoopBackOff", message: "" };
      pod.failures = 2;
      pod.exit = { code: 137, reason: "OOMKilled", at: world.now, failure: undefined };
      pod.worker.reachable = false;
    }
  };

  it("is not tried again with the old version once there is a new one", () => {
    const { world } = runningPair();
    fail(world);
    world.reconcile();
    expect(world.status.operation).toMatchObject({ type: "Recover" });
    world.spec = lifecycleSpec({ launchHash: "v2" });
    world.generation++;
    world.reconcile();
    expect(world.status.operation).toMatchObject({ type: "Upgrade" });
    world.settle(10);
    expect(world.running().map((p) => p.name)).toEqual(["job-2-0-0", "job-2-1-0"]);
    expect(world.status.operation).toBeUndefined();
  });

  it("is tried again with the old version where the new one may only be reached by a savepoint", () => {
    const { world } = runningPair();
    fail(world);
    world.spec = lifecycleSpec({ launchHash: "v2", upgrade: { mode: "Savepoint", fallback: false } });
    world.generation++;
    world.settle(10);
    expect(world.running().map((p) => p.name)).toEqual(["job-1-0-0", "job-1-1-1"]);
  });
});

describe("a worker that a drain takes away", () => {
  const drained = (world: LifecycleWorld, slot: number): void => {
    const pod = world.running().find((p) => p.slot === slot);
    if (pod === undefined) throw new Error(`worker ${slot} does not run`);
    pod.deleting = true;
    pod.disruption = { reason: "EvictionByEvictionAPI", message: "Eviction API: evicting" };
  };

  it("is replaced at once and counts as no failure, also where its container's end is seen", () => {
    const { world, pod } = runningPair();
    drained(world, 1);
    world.reconcile();
    pod.failures = 1;
    pod.exit = { code: 143, reason: "Error", at: world.now, failure: undefined };
    world.reconcile();
    expect(world.status.operation).toMatchObject({
      type: "Recover",
      target: { because: "worker 1 is moved: EvictionByEvictionAPI: Eviction API: evicting" },
    });
    world.tick(0);
    world.reconcile();
    expect(world.created).toContain("job-1-1-1");
    world.settle(8);
    expect(world.status.restarts).toBeUndefined();
    expect(world.status.state).toBe("RUNNING");
  });

  it("counts as no failure also when it is gone before anybody looks", () => {
    const { world, pod } = runningPair();
    world.pods.splice(world.pods.indexOf(pod), 1);
    world.moved.push({ epoch: 1, slot: 1, attempt: 0, disruption: { reason: "Drained", message: "a node leaves" } });
    world.reconcile();
    expect(world.status.operation?.target).toMatchObject({ because: "worker 1 is moved: Drained: a node leaves" });
    world.settle(8);
    expect(world.status.restarts).toBeUndefined();
    expect(world.status.state).toBe("RUNNING");
    world.pods.splice(
      world.pods.findIndex((p) => p.name === "job-1-1-1"),
      1,
    );
    world.reconcile();
    expect(world.status.restarts?.count).toBe(1);
  });

  it("does not end a job that is never to be restarted, however often", () => {
    const world = lifecycleWorld(lifecycleSpec({ restart: { kind: "Never" } }));
    world.settle(8);
    for (const slot of [0, 1, 0, 1]) {
      drained(world, slot);
      world.settle(8);
    }
    expect(world.status.state).toBe("RUNNING");
    expect(
      world
        .running()
        .map((p) => p.name)
        .toSorted(),
    ).toEqual(["job-1-0-2", "job-1-1-2"]);
  });
});
