import { describe, expect, it } from "vitest";
import { lifecycleSpec, lifecycleWorld } from "../../test/builders/lifecycle-world.ts";
import type { LifecycleWorld } from "../../test/builders/lifecycle-world.ts";

const condition = (world: LifecycleWorld, type: string) => world.status.conditions?.find((c) => c.type === type);
const started = (spec = lifecycleSpec()): LifecycleWorld => {
  const world = lifecycleWorld(spec);
  world.settle(8);
  expect(world.status.state).toBe("RUNNING");
  expect(world.status.operation).toBeUndefined();
  return world;
};

describe("a start", () => {
  it("goes from CREATED to RUNNING with one pod a slot", () => {
    const world = started();
    expect(world.created).toEqual(["job-1-0-0", "job-1-1-0"]);
    expect(condition(world, "Ready")).toMatchObject({ status: "True", reason: "Running" });
    expect(condition(world, "Reconciling")).toBeUndefined();
    expect(world.status.lineage).toMatchObject({ hadState: true });
    expect(world.status.health).toBe("UP");
  });

  it("writes the epoch into the journal before the first pod", () => {
    const world = lifecycleWorld();
    world.reconcile();
    const decision = world.reconcile(0);
    expect(decision.status.epoch).toBe(1);
    expect(decision.status.operation).toMatchObject({ type: "Start", step: "Launch" });
    expect(decision.actions.map((a) => a.kind)).toEqual(["ApplyPlan", "CreatePod", "CreatePod"]);
  });

  it("does not begin while the spec is refused, and says why", () => {
    const world = lifecycleWorld();
    world.refusal = { reason: "InvalidPipeline", message: "a cycle" };
    world.settle(3);
    expect(world.created).toEqual([]);
    expect(world.status.state).toBe("CREATED");
    expect(condition(world, "Stalled")).toMatchObject({
      status: "True",
      reason: "InvalidPipeline",
      message: "a cycle",
    });
    expect(condition(world, "Ready")).toMatchObject({ status: "False", reason: "InvalidPipeline", message: "a cycle" });
    expect(world.status.observedGeneration).toBe(1);
  });

  it("tells a refusal in an Event once, and the next one again", () => {
    const world = lifecycleWorld();
    world.refusal = { reason: "InvalidPipeline", message: "a cycle" };
    const told = [1, 2, 3].flatMap(() => world.reconcile().events);
    expect(told).toEqual([{ type: "Warning", reason: "InvalidPipeline", message: "a cycle" }]);
    world.refusal = { reason: "InvalidPipeline", message: "another cycle" };
    expect(world.reconcile().events.map((e) => e.message)).toEqual(["another cycle"]);
  });

  it("stays CREATED with the reason and the next try while a broker is unreachable", () => {
    const world = lifecycleWorld();
    world.settle(1);
    for (const pod of world.pods) {
      pod.phase = "Running";
      pod.worker.problem = {
        code: "SOURCE_UNREACHABLE",
        message: "kafka:9092 refuses",
        restartable: true,
        nextTryAt: world.now + 5_000,
      };
    }
    world.reconcile();
    expect(world.status.state).toBe("CREATED");
    expect(condition(world, "Ready")).toMatchObject({ status: "False", reason: "SourceUnreachable" });
    expect(condition(world, "Ready")?.message).toMatch(/kafka:9092 refuses; next try/);
  });
});

describe("a stop", () => {
  it("takes a savepoint first and is ready when stopped", () => {
    const world = started();
    world.spec = lifecycleSpec({ desiredState: "Stopped" });
    world.generation = 2;
    world.settle(10);
    expect(world.status.state).toBe("STOPPED");
    expect(world.pods).toEqual([]);
    expect(world.status.savepoint?.uri).toMatch(/^file:\/\/\/state\/ns\/job\/savepoints\/stop-1-/);
    expect(condition(world, "Ready")).toMatchObject({ status: "True", reason: "Stopped" });
  });

  it("resumes from its savepoint", () => {
    const world = started();
    world.annotations["weir.dev/stop"] = "1";
    world.settle(10);
    expect(world.status.state).toBe("STOPPED");
    world.annotations["weir.dev/start"] = "1";
    world.settle(10);
    expect(world.status.state).toBe("RUNNING");
    expect(world.plans.get(2)?.restore).toMatchObject({ kind: "savepoint", uri: world.status.savepoint?.uri });
    expect(world.status.requests?.map((r) => [r.verb, r.outcome])).toEqual([
      ["start", "Accepted"],
      ["stop", "Accepted"],
    ]);
  });

  it("keeps waiting for a worker that does not answer, and leaves from the checkpoints at the deadline", () => {
    const world = started();
    const silent = world.pods[1];
    if (silent !== undefined) silent.worker.reachable = false;
    world.annotations["weir.dev/stop"] = "1";
    world.settle(5);
    expect(world.status.state).toBe("RUNNING");
    expect(condition(world, "Ready")).toMatchObject({ status: "False", reason: "Unreachable" });
    world.settle(40);
    expect(world.status.state).toBe("STOPPED");
    expect(world.status.savepoint).toBeUndefined();
    world.annotations["weir.dev/start"] = "1";
    world.settle(10);
    expect(world.plans.get(2)?.restore).toEqual({ kind: "checkpoint", epoch: 1, slots: 2 });
  });
});

describe("a scale", () => {
  it("moves through SCALING by a savepoint to a new epoch", () => {
    const world = started();
    world.annotations["weir.dev/scale"] = "4@1";
    world.reconcile();
    expect(world.status.state).toBe("SCALING");
    world.settle(15);
    expect(world.status.state).toBe("RUNNING");
    expect(world.status.epoch).toBe(2);
    expect(world.running()).toHaveLength(4);
    expect(world.status.parallelism).toEqual({ desired: 4, effective: 4, ready: 4 });
    expect(world.plans.get(2)?.restore.kind).toBe("savepoint");
    expect([...world.plans.keys()]).toEqual([2]);
  });

  it("goes back to the last parallelism that worked, and remembers the refused one", () => {
    const world = started();
    world.annotations["weir.dev/scale"] = "4@1";
    world.settle(3);
    while (world.status.operation?.step !== "AwaitRunning") {
      world.reconcile();
      world.tick();
      for (const pod of world.pods) if (pod.epoch === 2) pod.phase = "Pending";
    }
    world.schedulable = false;
    world.now += 301_000;
    world.reconcile();
    world.schedulable = true;
    world.settle(15);
    expect(world.status.state).toBe("RUNNING");
    expect(world.running()).toHaveLength(2);
    expect(condition(world, "Stalled")).toMatchObject({ reason: "ScaledBack" });
    expect(world.created.filter((n) => n.startsWith("job-3-"))).toHaveLength(2);
  });

  it("ends an override when the user changes the field", () => {
    const world = started();
    world.annotations["weir.dev/scale"] = "4@1";
    world.settle(15);
    world.spec = lifecycleSpec({ parallelism: 3 });
    world.generation = 2;
    world.settle(15);
    expect(world.running()).toHaveLength(3);
    expect(world.status.overrides).toBeUndefined();
  });
});

describe("a lost worker", () => {
  it("is replaced with the same slot and the next attempt", () => {
    const world = started();
    world.pods = world.pods.filter((p) => p.slot !== 1);
    world.reconcile();
    expect(world.status.operation).toMatchObject({ type: "Recover" });
    world.settle(8);
    expect(world.running().map((p) => p.name)).toEqual(["job-1-0-0", "job-1-1-1"]);
    expect(world.status.restarts?.count).toBe(1);
    expect(world.status.state).toBe("RUNNING");
  });

  it("fails the job when the restart strategy is exhausted, and a new generation starts it from its state", () => {
    const world = started();
    for (let i = 0; i < 6; i++) {
      world.pods = world.pods.filter((p) => p.slot !== 1);
      world.settle(4);
    }
    expect(world.status.state).toBe("FAILED");
    expect(world.status.failure).toMatchObject({ code: "RestartsExhausted", restartable: true });
    expect(condition(world, "Stalled")).toMatchObject({ reason: "RestartsExhausted" });
    world.settle(3);
    expect(world.pods).toEqual([]);
    world.generation = 2;
    world.settle(10);
    expect(world.status.state).toBe("RUNNING");
    expect(world.plans.get(2)?.restore).toEqual({ kind: "checkpoint", epoch: 1, slots: 2 });
  });
});

describe("a deletion", () => {
  it("takes a savepoint, ends the workers and lets the object go", () => {
    const world = started();
    world.deletedAt = world.now;
    world.settle(10);
    expect(world.released).toBe(true);
    expect(world.pods).toEqual([]);
    expect(world.status.savepoint).toBeDefined();
  });

  it("ends within its time when no worker answers", () => {
    const world = started();
    for (const pod of world.pods) {
      pod.worker.reachable = false;
      pod.lost = true;
    }
    world.deletedAt = world.now;
    world.settle(60);
    expect(world.released).toBe(true);
  });
});

describe("a pause", () => {
  it("stops the sources and keeps the workers", () => {
    const world = started();
    world.spec = lifecycleSpec({ desiredState: "Paused" });
    world.generation = 2;
    world.settle(3);
    expect(world.running()).toHaveLength(2);
    expect(condition(world, "Paused")).toMatchObject({ status: "True" });
    world.spec = lifecycleSpec();
    world.generation = 3;
    world.settle(3);
    expect(condition(world, "Paused")).toBeUndefined();
    expect(world.running().every((p) => p.worker.phase === "Running")).toBe(true);
  });

  it("that a verb asked for holds in the next epoch from its first record on", () => {
    const world = started();
    world.annotations["weir.dev/pause"] = "1";
    world.settle(3);
    world.annotations["weir.dev/scale"] = "3@1";
    world.settle(12);
    expect(world.plans.get(2)).toMatchObject({ slots: 3, paused: true });
  });
});

describe("a steady job", () => {
  it("causes no further writes", () => {
    const world = started();
    const { writes } = world;
    world.settle(10);
    expect(world.writes).toBe(writes);
  });
});
