import { describe, expect, it } from "vitest";
import { lifecycleSpec, lifecycleWorld } from "../../test/builders/lifecycle-world.ts";
import type { LifecycleWorld } from "../../test/builders/lifecycle-world.ts";

/** A job that ran, saved state and was stopped with a savepoint. */
function stopped(): LifecycleWorld {
  const world = lifecycleWorld();
  world.settle(8);
  world.annotations["weir.dev/stop"] = "1";
  world.settle(10);
  expect(world.status.state).toBe("STOPPED");
  return world;
}
const start = (world: LifecycleWorld, annotations: Record<string, string> = {}): void => {
  world.annotations = { ...world.annotations, ...annotations, "weir.dev/start": `${world.now}` };
  world.generation += 1;
  world.settle(12);
};
/** Pods come up, and nobody hears of their workers. */
function outOfReach(world: LifecycleWorld): void {
  for (let i = 0; i < 12; i++) {
    for (const { worker } of world.pods) Object.assign(worker, { reachable: false, phase: "Starting" });
    world.reconcile();
    world.tick();
  }
}
const stalled = (world: LifecycleWorld) => world.status.conditions?.find((c) => c.type === "Stalled");
const startFrom = (over: object) => lifecycleSpec({ startFrom: { allowNonRestoredState: false, ...over } });

describe("where a start comes from", () => {
  it("is the savepoint of the last stop", () => {
    const world = stopped();
    start(world);
    expect(world.plans.get(2)?.restore).toMatchObject({ kind: "savepoint", uri: world.status.savepoint?.uri });
    expect(world.status.lineage?.id).toBe("01234567-1");
  });

  it("lets the state of nodes that are gone go while the spec says so, also in an upgrade from its own state", () => {
    for (const [mode, kind] of [
      ["Savepoint", "savepoint"],
      ["LastCheckpoint", "checkpoint"],
    ] as const) {
      const world = lifecycleWorld();
      world.settle(8);
      const upgrade = { mode, fallback: true };
      world.spec = lifecycleSpec({ launchHash: "v2", upgrade, startFrom: { allowNonRestoredState: true } });
      world.generation += 1;
      world.settle(12);
      expect(world.plans.get(2)?.restore).toMatchObject({ kind, allowNonRestoredState: true });
      world.spec = lifecycleSpec({ launchHash: "v3", upgrade });
      world.generation += 1;
      world.settle(12);
      expect(world.plans.get(3)?.restore).toMatchObject({ kind });
      expect(world.plans.get(3)?.restore).not.toMatchObject({ allowNonRestoredState: true });
    }
  });

  it("is the place that the start verb names, for that start", () => {
    const world = stopped();
    const uri = world.status.savepoint?.uri ?? "";
    start(world, { "weir.dev/start-from": uri });
    expect(world.plans.get(2)?.restore).toMatchObject({ kind: "savepoint", uri });
  });

  it("is not an older place that the start verb names, until the user accepts that output is written again", () => {
    const world = stopped();
    start(world, { "weir.dev/start-from": "file:///state/older" });
    expect(world.status.state).toBe("CREATED");
    expect(stalled(world)).toMatchObject({
      reason: "StateAtRisk",
      message: expect.stringContaining("the annotation weir.dev/start-from, file:///state/older") as string,
    });
    world.spec = startFrom({ acceptReplay: "yes-1" });
    world.generation += 1;
    world.settle(12);
    expect(world.plans.get(2)?.restore).toMatchObject({ kind: "savepoint", uri: "file:///state/older" });
    expect(stalled(world)).toBeUndefined();
  });

  it("is the newest state again when the start verb takes an older place back", () => {
    const world = stopped();
    start(world, { "weir.dev/start-from": "file:///state/older" });
    expect(stalled(world)).toMatchObject({ reason: "StateAtRisk" });
    delete world.annotations["weir.dev/start-from"];
    start(world);
    expect(world.plans.get(2)?.restore).toMatchObject({ kind: "savepoint", uri: world.status.savepoint?.uri });
  });

  it("is not an older savepoint of the spec, until the user accepts that output is written again", () => {
    const world = stopped();
    world.spec = startFrom({ savepoint: "file:///state/older" });
    start(world);
    expect(world.status.state).toBe("CREATED");
    expect(stalled(world)).toMatchObject({ reason: "StateAtRisk" });
    expect(world.created.filter((n) => n.startsWith("job-2-"))).toEqual([]);
    world.spec = startFrom({ savepoint: "file:///state/older", acceptReplay: "yes-1" });
    world.generation += 1;
    world.settle(12);
    expect(world.plans.get(2)?.restore).toMatchObject({ kind: "savepoint", uri: "file:///state/older" });
    expect(stalled(world)).toBeUndefined();
  });

  it("is empty only for a new word of the user, and then a new lineage", () => {
    const world = stopped();
    world.spec = startFrom({ acceptEmptyState: "empty-1" });
    start(world);
    expect(world.plans.get(2)?.restore).toEqual({ kind: "none" });
    expect(world.status.lineage?.id).toBe("01234567-2");
    world.annotations["weir.dev/stop"] = "2";
    world.settle(12);
    start(world);
    expect(world.plans.get(3)?.restore.kind).toBe("savepoint");
  });

  it("waits for the user's word when the job had state and no place is recorded", () => {
    const world = stopped();
    const internal = world.status.internal as { restorePoint?: unknown };
    delete internal.restorePoint;
    start(world);
    expect(stalled(world)).toMatchObject({ reason: "RestorePointMissing" });
    expect(world.running()).toEqual([]);
  });

  it("is never taken from a memory that cannot be read", () => {
    const world = stopped();
    world.status.internal = { restorePoint: { kind: "odd" } };
    expect(() => world.reconcile()).toThrow();
  });

  it("is the newest epoch that ran, as its workers find it, where nobody has heard of it", () => {
    const world = stopped();
    const uri = world.status.savepoint?.uri;
    world.annotations["weir.dev/start"] = "1";
    world.generation += 1;
    outOfReach(world);
    expect(world.created).toContain("job-2-0-0");
    for (const [epoch, parallelism] of [
      [3, 3],
      [4, 1],
    ] as const) {
      world.spec = { ...world.spec, parallelism };
      world.generation += 1;
      outOfReach(world);
      expect(world.plans.get(epoch)?.restore).toMatchObject({ kind: "savepoint", uri, since: 2 });
    }
    for (const { worker } of world.pods) worker.reachable = true;
    world.settle(12);
    expect(world.status.state).toBe("RUNNING");
    world.annotations["weir.dev/stop"] = "2";
    world.settle(12);
    start(world);
    expect(world.plans.get(5)?.restore).not.toHaveProperty("since");
  });

  it("is a place that epochs may have gone on from only for a word of the user, and then that place itself", () => {
    const unheard = (): LifecycleWorld => {
      const world = stopped();
      world.annotations["weir.dev/start"] = "1";
      world.generation += 1;
      outOfReach(world);
      world.annotations["weir.dev/stop"] = "2";
      for (let i = 0; i < 60 && world.status.state !== "STOPPED"; i++) outOfReach(world);
      expect(world.status.state).toBe("STOPPED");
      return world;
    };
    const goingOn = unheard();
    goingOn.spec = startFrom({ acceptReplay: "yes-1" });
    start(goingOn);
    const { uri } = goingOn.status.savepoint ?? {};
    const restore = { kind: "savepoint", uri, allowNonRestoredState: false };
    expect(goingOn.plans.get(3)?.restore).toEqual({ ...restore, since: 2, acceptReplay: true });

    const named = unheard();
    named.spec = startFrom({ savepoint: uri });
    start(named);
    expect(stalled(named)).toMatchObject({
      reason: "StateAtRisk",
      message: expect.stringMatching(/is what epoch 2 and any later one were to start from/) as string,
    });
    named.spec = startFrom({ savepoint: uri, acceptReplay: "yes-1" });
    named.generation += 1;
    named.settle(12);
    expect(named.plans.get(3)?.restore).toEqual(restore);
  });

  it("goes above every epoch that pods or plans still show, also when the status was lost", () => {
    const world = lifecycleWorld();
    world.settle(8);
    world.status = {};
    world.settle(15);
    expect(world.status.epoch).toBe(2);
    expect(world.running().every((p) => p.epoch === 2)).toBe(true);
    expect(world.plans.get(2)?.restore).toEqual({ kind: "checkpoint", epoch: 1, slots: 2 });
    expect(world.status.lineage?.id).toBe("01234567-1");
  });
});

describe("a word for one start", () => {
  it("that came with the first spec does not empty the job when it scales later", () => {
    const world = lifecycleWorld(startFrom({ acceptEmptyState: "first" }));
    world.settle(8);
    expect(world.status.lineage).toMatchObject({ hadState: true });
    world.spec = { ...world.spec, parallelism: 3 };
    world.generation += 1;
    world.settle(12);
    expect(world.plans.get(2)?.restore.kind).toBe("savepoint");
  });

  it("waits for the next start while the job runs: a scale goes on from its own savepoint", () => {
    const world = lifecycleWorld();
    world.settle(8);
    world.spec = { ...startFrom({ savepoint: "file:///state/older", acceptEmptyState: "later" }), parallelism: 3 };
    world.generation += 1;
    world.settle(12);
    expect(world.plans.get(2)?.restore).toMatchObject({ kind: "savepoint", uri: world.status.savepoint?.uri });
    expect(world.running()).toHaveLength(3);
  });

  it("that the first start did not need is not left over for a later one", () => {
    const world = lifecycleWorld(startFrom({ acceptReplay: "first" }));
    world.settle(8);
    world.annotations["weir.dev/stop"] = "1";
    world.settle(10);
    world.spec = startFrom({ savepoint: "file:///state/older", acceptReplay: "first" });
    start(world);
    expect(stalled(world)).toMatchObject({ reason: "StateAtRisk" });
  });

  it("goes back behind what was committed only for the start that the user accepts it for", () => {
    const world = lifecycleWorld();
    world.settle(8);
    const failure = { code: "DELIVERY_AT_RISK", message: "weir.line.1.0", restartable: false };
    const failAll = (): void => {
      for (const pod of world.pods) {
        pod.phase = "Failed";
        pod.exit = { code: 1, reason: "Error", at: world.now, failure };
      }
      world.settle(3);
    };
    failAll();
    expect(world.status).toMatchObject({ state: "FAILED", failure });
    const condition = world.status.conditions?.find((c) => c.type === "DeliveryAtRisk");
    expect(condition).toMatchObject({ status: "True", reason: "DeliveryAtRisk", message: "weir.line.1.0" });
    start(world);
    expect(world.plans.get(2)?.restore).toEqual({ kind: "checkpoint", epoch: 1, slots: expect.any(Number) as number });
    failAll();
    world.spec = startFrom({ acceptReplay: "yes-1" });
    start(world);
    expect(world.plans.get(3)?.restore).toMatchObject({ kind: "checkpoint", acceptReplay: true });
    expect(world.status.conditions?.some((c) => c.type === "DeliveryAtRisk")).toBe(false);
  });
});
