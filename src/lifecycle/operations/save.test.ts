import { describe, expect, it } from "vitest";
import { ANNOTATION } from "../../api/group.ts";
import type { LifecycleWorld } from "../../../test/builders/lifecycle-world.ts";
import { lifecycleWorld } from "../../../test/builders/lifecycle-world.ts";

function deletedWithASilentWorker(): LifecycleWorld {
  const world = lifecycleWorld();
  world.settle(8);
  const pod = world.pods[1];
  if (pod === undefined) throw new Error("the pair never ran");
  pod.worker.reachable = false;
  world.deletedAt = world.now;
  world.reconcile();
  return world;
}

describe("the savepoint of a deletion", () => {
  it("is waited for while a worker does not answer", () => {
    const world = deletedWithASilentWorker();
    world.settle(3);
    expect(world.status.operation).toMatchObject({ type: "Delete", step: "Savepoint" });
    expect(world.released).toBe(false);
  });

  it("is given up for a worker that does not answer once the deletion is forced", () => {
    const world = deletedWithASilentWorker();
    world.annotations[ANNOTATION.forceDelete] = "true";
    world.settle(2);
    expect(world.events.at(-1)?.message).toContain("worker 1 does not answer");
    expect(world.released).toBe(true);
    expect(world.pods).toEqual([]);
  });

  it("is taken although the deletion is forced while every worker answers", () => {
    const world = lifecycleWorld();
    world.settle(8);
    world.deletedAt = world.now;
    world.annotations[ANNOTATION.forceDelete] = "true";
    world.settle(6);
    expect(world.sealed).toHaveLength(1);
    expect(world.released).toBe(true);
  });

  it("is taken although the savepoint of the operation that it replaces is under way", () => {
    const world = lifecycleWorld();
    world.settle(8);
    world.annotations[ANNOTATION.restart] = "1";
    world.reconcile();
    world.tick();
    expect(world.status.operation).toMatchObject({ type: "Restart" });
    world.deletedAt = world.now;
    world.settle(8);
    expect(world.sealed).toHaveLength(1);
    expect(world.sealed[0]).toMatch(/^delete-/);
    expect(world.released).toBe(true);
  });
});

describe("a savepoint that a worker forgot", () => {
  it("is asked for again", () => {
    const world = lifecycleWorld();
    world.settle(8);
    world.annotations[ANNOTATION.savepoint] = "1";
    world.reconcile();
    const told = world.pods.map(({ worker }) => worker.savepoint?.id);
    expect(told[0]).toMatch(/^savepoint-/);
    world.reconcile();
    for (const { worker } of world.pods) worker.savepoint = undefined;
    world.settle(6);
    expect(world.sealed).toEqual([told[0]]);
    expect(world.status.operation).toBeUndefined();
  });
});

describe("a savepoint that is given up", () => {
  it.each(["savepoint", "restart"] as const)("does not hold the workers that are left, asked for by %s", (verb) => {
    const world = lifecycleWorld();
    world.settle(8);
    world.annotations[ANNOTATION[verb]] = "1";
    world.reconcile();
    const [left, lost] = world.pods;
    const id = left?.worker.savepoint?.id;
    expect(left?.worker.savepoint).toMatchObject({ state: "InProgress" });
    const failure = { code: "SINK_REFUSED", message: "the topic takes no such record", restartable: false };
    if (lost !== undefined) Object.assign(lost, { phase: "Failed", exit: { code: 1, reason: "Error", failure } });
    const { actions } = world.reconcile();
    expect(world.events.at(-1)?.message).toContain("worker 1 is not running: the topic takes no such record");
    expect(actions).toContainEqual({ kind: "AbandonSavepoint", pods: [left?.name], id });
    expect(world.reconcile().actions.map(({ kind }) => kind)).not.toContain("AbandonSavepoint");
  });
});
