import { describe, expect, it } from "vitest";
import type { LifecycleWorld } from "../../test/builders/lifecycle-world.ts";
import { lifecycleSpec, lifecycleWorld } from "../../test/builders/lifecycle-world.ts";

function scaled(world: LifecycleWorld, slots: number): void {
  world.annotations["weir.dev/scale"] = `${slots}@1`;
  world.settle(15);
  expect(world.running()).toHaveLength(slots);
}

const launched = (world: LifecycleWorld) => {
  const { epoch = 0 } = world.status;
  const { restore, exchange } = world.plans.get(epoch) ?? {};
  return { epoch, from: restore?.kind, generation: exchange?.generation };
};

const generationOf = (world: LifecycleWorld): number => launched(world).generation ?? 0;

it("says the hash of the plan that runs, not of one that is not launched yet", () => {
  const world = lifecycleWorld(lifecycleSpec({ planHash: "p1" }));
  world.settle(8);
  expect(world.status.planHash).toBe("p1");
  scaled(world, 3);
  expect(world.status.planHash).toBe("p1");
  world.spec = { ...world.spec, launchHash: "v2", planHash: "p2" };
  world.generation++;
  world.reconcile();
  expect(world.status).toMatchObject({ epoch: 2, planHash: "p1" });
  world.settle(20);
  expect(world.status).toMatchObject({ epoch: 3, planHash: "p2" });
});

describe("the topics between workers", () => {
  it("are those of the launch that starts from a savepoint, and none for one worker", () => {
    const world = lifecycleWorld(lifecycleSpec({ parallelism: 1 }));
    world.settle(8);
    expect(launched(world)).toEqual({ epoch: 1, from: "none", generation: undefined });
    scaled(world, 3);
    const second = generationOf(world);
    expect(launched(world)).toMatchObject({ epoch: 2, from: "savepoint" });
    scaled(world, 2);
    expect(launched(world)).toMatchObject({ epoch: 3, from: "savepoint" });
    expect(generationOf(world)).toBeGreaterThan(second);
    scaled(world, 1);
    expect(launched(world)).toEqual({ epoch: 4, from: "savepoint", generation: undefined });
  });

  it("stay where a launch goes on from checkpoints, which hold positions in them, also for one worker", () => {
    const world = lifecycleWorld(lifecycleSpec({ savepointUri: null }));
    world.settle(8);
    const generation = generationOf(world);
    expect(generation).toBeGreaterThan(0);
    scaled(world, 1);
    expect(launched(world)).toEqual({ epoch: 2, from: "checkpoint", generation });
    scaled(world, 4);
    expect(launched(world)).toEqual({ epoch: 3, from: "checkpoint", generation });
  });

  it("are new where checkpoints end with the workers: who begins anew must not read what was sent before", () => {
    const durable = lifecycleSpec();
    const spec = lifecycleSpec({ checkpoint: { ...durable.checkpoint, uri: "memory://" }, savepointUri: null });
    const world = lifecycleWorld(spec);
    world.settle(8);
    const first = generationOf(world);
    scaled(world, 3);
    const second = generationOf(world);
    expect(second).toBeGreaterThan(first);
    expect(world.plans.get(2)?.restore).toEqual({ kind: "none" });
    world.spec = { ...durable, launchHash: "v2", savepointUri: null };
    world.generation++;
    world.settle(20);
    expect(world.plans.get(3)?.restore).toEqual({ kind: "none" });
    expect(generationOf(world)).toBeGreaterThan(second);
  });

  it("stay where a job starts from its checkpoints again after it was stopped or had failed", () => {
    const world = lifecycleWorld(lifecycleSpec({ savepointUri: null }));
    world.settle(8);
    const generation = generationOf(world);
    world.spec = { ...world.spec, desiredState: "Stopped" };
    world.settle(8);
    expect(world.status.state).toBe("STOPPED");
    world.spec = { ...world.spec, desiredState: "Running" };
    world.settle(8);
    expect(launched(world)).toEqual({ epoch: 2, from: "checkpoint", generation });
    for (const pod of world.pods)
      pod.exit = { code: 1, reason: "Error", at: 0, failure: { code: "X", message: "x", restartable: false } };
    for (const pod of world.pods) pod.phase = "Failed";
    world.settle(3);
    expect(world.status.state).toBe("FAILED");
    world.generation++;
    world.settle(8);
    expect(launched(world)).toEqual({ epoch: 3, from: "checkpoint", generation });
  });

  it.each([
    ["are discarded by a stop with a savepoint, which nothing of them is in", "file:///state", true],
    ["stay over a stop by checkpoints, which hold positions in them", null, undefined],
  ])("%s", (_, savepointUri, discard) => {
    const world = lifecycleWorld(lifecycleSpec({ savepointUri }));
    world.settle(8);
    world.annotations["weir.dev/stop"] = "1";
    const told: unknown[] = [];
    for (let i = 0; i < 8; i++) {
      for (const action of world.reconcile().actions) if (action.kind === "StopWorkers") told.push(action.discard);
      world.tick();
    }
    expect(world.status.state).toBe("STOPPED");
    expect(told).toEqual([discard]);
  });

  it("are not discarded by a change that launches the job again: it may have to go back to checkpoints", () => {
    const world = lifecycleWorld();
    world.settle(8);
    world.annotations["weir.dev/scale"] = "3@1";
    const told: unknown[] = [];
    for (let i = 0; i < 8; i++) {
      for (const action of world.reconcile().actions) if (action.kind === "StopWorkers") told.push(action.discard);
      world.tick();
    }
    expect(world.running()).toHaveLength(3);
    expect(told).toEqual([undefined]);
  });

  it("are others than those that a deleted job of the same name has left", () => {
    const world = lifecycleWorld();
    world.settle(8);
    const left = generationOf(world);
    const anew = lifecycleWorld();
    anew.now = world.now;
    anew.settle(8);
    expect(launched(anew)).toMatchObject({ epoch: 1, from: "none" });
    expect(anew.plans.get(1)?.exchange?.owner).toBe("01234567");
    expect(generationOf(anew)).toBeGreaterThan(left);
  });

  it("stay where the status was lost", () => {
    const world = lifecycleWorld();
    world.settle(8);
    const generation = generationOf(world);
    world.status = { observedGeneration: -1 };
    world.settle(8);
    expect(launched(world)).toEqual({ epoch: 2, from: "checkpoint", generation });
  });
});
