import { describe, expect, it } from "vitest";
import type { LifecycleWorld } from "../../test/builders/lifecycle-world.ts";
import { lifecycleSpec, lifecycleWorld } from "../../test/builders/lifecycle-world.ts";
import type { WorkerMetrics } from "../api/worker-protocol.ts";
import { newCondition } from "../worker/condition.ts";
import { decide } from "./decide.ts";
import type { LifecycleSpec, WorkerView } from "./input.ts";

const running = (spec: Partial<LifecycleSpec>): LifecycleWorld => {
  const world = lifecycleWorld(lifecycleSpec(spec));
  world.settle(8);
  return world;
};

type Figures = Partial<WorkerMetrics> | undefined;

/** The condition after each worker said this; undefined is a worker that has said nothing. */
function after(world: LifecycleWorld, type: string, figures: readonly Figures[], ageMs = 0) {
  const input = world.input();
  const workers = input.observed.workers.map((worker, i): WorkerView => {
    const said = figures[i];
    const metrics = said === undefined ? undefined : { ...newCondition().metrics, ...said };
    return { ...worker, metrics, metricsAt: metrics === undefined ? 0 : world.now - ageMs };
  });
  world.status = decide({ ...input, observed: { ...input.observed, workers } }).status;
  return world.status.conditions?.find((c) => c.type === type);
}

describe("an objective for the lag", () => {
  const world = running({ maxLagMs: 10_000 });
  const slo = (lags: readonly (number | null)[], ageMs?: number) =>
    after(
      world,
      "SLOMet",
      lags.map((lagMs) => ({ lagMs })),
      ageMs,
    );

  it("is met while no worker has an older unread record, and not met as soon as one has", () => {
    expect(slo([0, 10_000])).toMatchObject({ status: "True", reason: "WithinObjective" });
    expect(slo([0, 10_001])).toMatchObject({ status: "False", reason: "LagAboveObjective" });
  });

  it("is not met again before the lag is clearly below it", () => {
    expect(slo([0, 10_001])).toMatchObject({ status: "False" });
    expect(slo([0, 9_500])).toMatchObject({ status: "False" });
    expect(slo([0, 9_000])).toMatchObject({ status: "True" });
    expect(slo([0, 9_500])).toMatchObject({ status: "True" });
  });

  it("says that it does not know while the figure of one worker is missing or old", () => {
    expect(slo([0, null])).toMatchObject({ status: "Unknown", reason: "LagUnknown" });
    expect(after(world, "SLOMet", [{ lagMs: 0 }, undefined])).toMatchObject({ status: "Unknown" });
    expect(slo([0, 0], 5_001)).toMatchObject({ status: "Unknown" });
  });

  it("says nothing without an objective, and nothing of a job that is paused as asked", () => {
    expect(after(running({}), "SLOMet", [{ lagMs: 99_000 }, { lagMs: 0 }])).toBeUndefined();
    const paused = running({ maxLagMs: 10_000, desiredState: "Paused" });
    expect(after(paused, "SLOMet", [{ lagMs: 99_000 }, { lagMs: 0 }])).toBeUndefined();
  });
});

describe("workers without a split", () => {
  const limited = (world: LifecycleWorld, splits: readonly (number | undefined)[]) =>
    after(
      world,
      "ScalingLimited",
      splits.map((count) => (count === undefined ? undefined : { splits: count })),
    );

  it("are told, with the parallelism that would do", () => {
    const condition = limited(running({ parallelism: 4 }), [1, 1, 1, 0]);
    expect(condition).toMatchObject({ status: "True", reason: "NotEnoughSplits" });
    expect(condition?.message).toContain("1 of 4 workers have no split to read; ask for parallelism 3");
  });

  it("are not told of a job whose workers all read", () => {
    expect(limited(running({ parallelism: 2 }), [2, 1])).toBeUndefined();
  });

  it("keep what was said while a worker has not said yet what it reads", () => {
    const world = running({ parallelism: 2 });
    expect(limited(world, [1, undefined])).toBeUndefined();
    expect(limited(world, [1, 0])).toMatchObject({ status: "True" });
    expect(limited(world, [undefined, 0])).toMatchObject({ status: "True" });
    expect(limited(world, [1, 1])).toBeUndefined();
  });
});
