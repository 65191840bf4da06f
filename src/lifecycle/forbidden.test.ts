import { describe, expect, it } from "vitest";
import { lifecycleSpec, lifecycleWorld } from "../../test/builders/lifecycle-world.ts";
import type { LifecycleWorld } from "../../test/builders/lifecycle-world.ts";
import { CHANGE_CLASSES } from "./change-class.ts";
import { FORBIDDEN } from "./forbidden.ts";

const stalled = (world: LifecycleWorld) => world.status.conditions?.find((c) => c.type === "Stalled");
const change = (world: LifecycleWorld, over: Parameters<typeof lifecycleSpec>[0]): void => {
  world.spec = lifecycleSpec(over);
  world.generation += 1;
  world.settle(12);
};
function started(): LifecycleWorld {
  const world = lifecycleWorld();
  world.settle(8);
  return world;
}

describe("a change of a field that the state fixes", () => {
  it("is of class Forbidden in the table, and nothing else is", () => {
    const rows = Object.keys(CHANGE_CLASSES).filter((path) => CHANGE_CLASSES[path] === "Forbidden");
    expect(rows.toSorted()).toEqual(FORBIDDEN.toSorted());
  });

  it("is refused with what to do, and the running epoch goes on, also when it is relaunched", () => {
    const world = started();
    change(world, { maxParallelism: 16, parallelism: 3, launchHash: "v2" });
    expect(stalled(world)).toMatchObject({ reason: "ForbiddenChange" });
    expect(stalled(world)?.message).toContain("spec.maxParallelism from 8 to 16; set maxParallelism to 8 again");
    expect(world.status).toMatchObject({ state: "RUNNING", epoch: 1 });
    world.annotations["weir.dev/restart"] = "1";
    world.settle(12);
    expect(world.plans.get(2)).toMatchObject({ copyOf: 1 });
    expect(world.running()).toHaveLength(2);
  });

  it("takes effect together with the rest of the spec once the field is set back", () => {
    const world = started();
    change(world, { maxParallelism: 16, parallelism: 3 });
    change(world, { parallelism: 3 });
    expect(stalled(world)).toBeUndefined();
    expect(world.running()).toHaveLength(3);
  });

  it("leaves no override above it: more workers than shards are not launched", () => {
    const world = started();
    change(world, { maxParallelism: 16 });
    world.annotations["weir.dev/scale"] = "12@1";
    world.settle(2);
    change(world, {});
    expect(stalled(world)?.message).toContain(
      "parallelism 12, asked for by verb/scale=12@1, is above maxParallelism 8",
    );
    expect(world.status).toMatchObject({ state: "RUNNING", epoch: 1 });
    world.annotations["weir.dev/scale"] = "4@2";
    world.settle(12);
    expect(stalled(world)).toBeUndefined();
    expect(world.running()).toHaveLength(4);
  });

  it("keeps a stopped job from starting, until the user lets its state go", () => {
    const world = started();
    change(world, { desiredState: "Stopped" });
    change(world, { engine: "Flink" });
    expect(world.running()).toEqual([]);
    expect(stalled(world)).toMatchObject({ reason: "ForbiddenChange" });
    change(world, { engine: "Flink", startFrom: { allowNonRestoredState: false, acceptEmptyState: "anew" } });
    expect(stalled(world)).toBeUndefined();
    expect(world.plans.get(2)?.restore).toEqual({ kind: "none" });
    expect(world.running()).toHaveLength(2);
  });

  it("is free as long as there is no state", () => {
    const world = lifecycleWorld();
    world.schedulable = false;
    world.settle(3);
    change(world, { maxParallelism: 16 });
    expect(stalled(world)).toBeUndefined();
  });
});

describe("a change of the program that the state does not fit", () => {
  const reason = "node counts keeps other state now";

  it("is refused with the exact reason, and the running epoch goes on until the spec fits", () => {
    const world = started();
    world.misfit = reason;
    change(world, { launchHash: "v2" });
    expect(stalled(world)).toMatchObject({ reason: "RestoreRefused" });
    expect(stalled(world)?.message).toContain(`${reason}. The job goes on as it was`);
    expect(world.status).toMatchObject({ state: "RUNNING", epoch: 1 });
    expect(world.running()).toHaveLength(2);
    world.misfit = undefined;
    change(world, { launchHash: "v3" });
    expect(stalled(world)).toBeUndefined();
    expect(world.status).toMatchObject({ state: "RUNNING", epoch: 2 });
  });

  it("is made where the upgrade takes no state along", () => {
    const world = started();
    world.misfit = reason;
    change(world, { launchHash: "v2", upgrade: { mode: "Stateless", fallback: true } });
    expect(world.status).toMatchObject({ state: "RUNNING", epoch: 2 });
  });
});
