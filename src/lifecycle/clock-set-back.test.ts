import { describe, expect, it } from "vitest";
import { lifecycleSpec, lifecycleWorld } from "../../test/builders/lifecycle-world.ts";

const HOUR_MS = 3_600_000;

describe("a clock that is set back by an hour", () => {
  it("does not keep a lost worker from its next try", () => {
    const world = lifecycleWorld();
    world.settle(8);
    world.pods = world.pods.filter((p) => p.slot !== 1);
    world.reconcile();
    expect(world.status.restarts?.nextAt).toBeDefined();
    world.now -= HOUR_MS;
    world.settle(8);
    expect(world.created).toEqual(["job-1-0-0", "job-1-1-0", "job-1-1-1"]);
  });

  it("does not keep a worker of a new version waiting for the next try of one before", () => {
    const world = lifecycleWorld(lifecycleSpec({ restart: { kind: "FixedDelay", delay: 60_000, maxAttempts: 3 } }));
    world.now += 2 * HOUR_MS;
    world.settle(8);
    world.pods = world.pods.filter((p) => p.slot !== 1);
    world.reconcile();
    world.spec = { ...world.spec, launchHash: "v2" };
    world.generation++;
    world.schedulable = false;
    const started = () => world.pods.find((p) => p.epoch === 2 && p.slot === 0);
    for (let i = 0; i < 20 && started() === undefined; i++) world.settle(1);
    world.now -= HOUR_MS;
    Object.assign(started() ?? {}, { deleting: true, disruption: { reason: "Drain", message: "a node is drained" } });
    world.settle(8);
    expect(world.created).toContain("job-2-0-1");
  });

  it("does not prolong the time that a new parallelism has to come up in", () => {
    const world = lifecycleWorld();
    world.settle(8);
    world.schedulable = false;
    world.spec = lifecycleSpec({ parallelism: 3 });
    world.generation++;
    for (let i = 0; i < 20 && world.status.operation?.step !== "Verify"; i++) world.settle(1);
    const { startedAt = "", deadline = "" } = world.status.operation ?? {};
    const allowed = Date.parse(deadline) - Date.parse(startedAt);
    world.now -= HOUR_MS;
    world.reconcile();
    const moved = world.status.operation;
    expect(Date.parse(moved?.startedAt ?? "")).toBe(world.now);
    expect(Date.parse(moved?.deadline ?? "") - world.now).toBe(allowed);
  });
});
