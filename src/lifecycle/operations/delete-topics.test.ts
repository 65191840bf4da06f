import { describe, expect, it } from "vitest";
import { ANNOTATION } from "../../api/group.ts";
import type { LifecycleSpec } from "../input.ts";
import type { LifecycleWorld } from "../../../test/builders/lifecycle-world.ts";
import { lifecycleSpec, lifecycleWorld } from "../../../test/builders/lifecycle-world.ts";

const launched = (over: Partial<LifecycleSpec> = {}): LifecycleWorld => {
  const world = lifecycleWorld(lifecycleSpec({ exchanges: ["kafka:9092"], ...over }));
  world.settle(8);
  expect(world.status.state).toBe("RUNNING");
  return world;
};

const remove = (world: LifecycleWorld): void => {
  world.deletedAt = world.now;
};

/** Until the pod that deletes the topics is there. */
const untilItsPod = (world: LifecycleWorld): LifecycleWorld["pods"][number] => {
  for (let i = 0; i < 40 && !world.pods.some((p) => isItsPod(world, p)); i++) {
    world.tick();
    world.reconcile();
  }
  const [pod] = world.pods.filter((p) => isItsPod(world, p));
  if (pod === undefined) throw new Error(`no pod deletes topics: ${JSON.stringify(world.status.operation)}`);
  return pod;
};
const isItsPod = (world: LifecycleWorld, pod: { epoch: number }): boolean => world.plans.get(pod.epoch)?.slots === 0;

/** How many pods have been made to delete topics. */
const itsPods = (world: LifecycleWorld): string[] => {
  const epochs = [...world.plans].filter(([, plan]) => plan.slots === 0).map(([epoch]) => `job-${epoch}-`);
  return world.created.filter((name) => epochs.some((start) => name.startsWith(start)));
};
const told = (world: LifecycleWorld, reason: string): string[] =>
  world.events.filter((e) => e.reason === reason).map((e) => e.message);

const stopped = (world: LifecycleWorld): void => {
  world.annotations[ANNOTATION.stop] = "1";
  world.settle(10);
  expect(world.status.state).toBe("STOPPED");
};
const failed = (world: LifecycleWorld): void => {
  for (let i = 0; i < 40 && world.status.state !== "FAILED"; i++) {
    for (const pod of world.pods) pod.phase = "Failed";
    world.settle(3);
  }
  expect(world.status.state).toBe("FAILED");
};
const completed = (world: LifecycleWorld): void => {
  for (const pod of world.pods) pod.phase = "Succeeded";
  world.settle(3);
  expect(world.status.state).toBe("STOPPED");
};

describe("the deletion of a job whose workers had topics between them", () => {
  it.each([
    ["runs", () => undefined],
    ["has failed", failed],
    ["has come to its end", completed],
    ["was stopped", stopped],
    [
      "scales",
      (world: LifecycleWorld) => {
        world.annotations[ANNOTATION.scale] = "3@1";
        world.reconcile();
        expect(world.status.state).toBe("SCALING");
      },
    ],
    [
      "runs with a single worker now",
      (world: LifecycleWorld) => {
        world.annotations[ANNOTATION.scale] = "1@1";
        world.settle(20);
        expect(world.running()).toHaveLength(1);
      },
    ],
  ])("deletes them by one pod when it %s, after all others are gone", (_, before) => {
    const world = launched();
    before(world);
    remove(world);
    const pod = untilItsPod(world);
    expect(world.pods).toEqual([pod]);
    expect(world.finalizers).not.toEqual([]);
    world.settle(4);
    expect(world.released).toBe(true);
    expect(itsPods(world)).toHaveLength(1);
    expect(told(world, "TopicsDeleted")).toHaveLength(1);
    expect(told(world, "TopicsRemain")).toEqual([]);
  });

  it.each([
    ["has no keys to hand over", { exchanges: [] }],
    ["never had more than one worker", { parallelism: 1 }],
    ["leaves everything behind", { deletion: { mode: "Orphan", timeoutMs: 20_000 } } as const],
  ])("makes no pod where the job %s", (_, over) => {
    const world = launched(over);
    remove(world);
    world.settle(10);
    expect(world.released).toBe(true);
    expect(itsPods(world)).toEqual([]);
    expect(told(world, "TopicsRemain")).toEqual([]);
  });

  it("deletes those that an older version had made, of which the status says nothing, behind a change to one worker", () => {
    const world = launched();
    delete (world.status.internal as { topics?: boolean }).topics;
    world.annotations[ANNOTATION.scale] = "1@1";
    world.settle(20);
    expect(world.running()).toHaveLength(1);
    remove(world);
    world.settle(20);
    expect(told(world, "TopicsDeleted")).toHaveLength(1);
  });

  it("deletes them by the plan of the workers that were there where the spec is refused by now", () => {
    const world = launched();
    world.spec = lifecycleSpec();
    world.refusal = { reason: "InvalidPipeline", message: "a newer version takes it no more" };
    remove(world);
    world.settle(20);
    expect(told(world, "TopicsDeleted")).toHaveLength(1);
  });

  it("does not say that they are deleted where neither the spec nor what ran last knows their Kafka any more", () => {
    const world = launched();
    world.spec = lifecycleSpec({ exchanges: [], launchHash: "without" });
    world.generation++;
    world.settle(30);
    expect(world.status).toMatchObject({ state: "RUNNING", epoch: 2 });
    remove(world);
    world.settle(20);
    expect(world.released).toBe(true);
    expect(told(world, "TopicsDeleted")).toEqual([]);
    expect(told(world, "TopicsRemain")[0]).toMatch(
      /--bootstrap-server BROKER .*the spec does not say any more where they are/,
    );
  });

  it("copies the plan of the workers that were there, and takes the generation of their topics", () => {
    const world = launched();
    const { exchange } = world.plans.get(1) ?? {};
    remove(world);
    const { epoch } = untilItsPod(world);
    expect(world.plans.get(epoch)).toMatchObject({ copyOf: 1, exchange, slots: 0, restore: { kind: "none" } });
  });

  it("begins again with the next pod when one ends or is taken away, three times at most, and then says what to do", () => {
    const world = launched();
    remove(world);
    untilItsPod(world).phase = "Failed";
    world.reconcile();
    expect(itsPods(world)).toHaveLength(2);
    world.tick(10);
    world.reconcile();
    world.pods = world.pods.filter((p) => !isItsPod(world, p));
    world.reconcile();
    expect(itsPods(world)).toHaveLength(3);
    expect(world.released).toBe(false);
    const [last] = world.pods;
    if (last === undefined) throw new Error("no pod");
    const failure = { code: "SINK_UNREACHABLE", message: "no broker answers", restartable: true };
    Object.assign(last, { phase: "Failed", exit: { code: 1, reason: "Error", at: world.now, failure } });
    world.reconcile();
    expect(world.released).toBe(true);
    expect(itsPods(world)).toHaveLength(3);
    expect(told(world, "TopicsRemain")).toEqual([
      "topics between the job's workers may stay on Kafka; delete them with kafka-topics.sh --bootstrap-server kafka:9092 --delete " +
        "--topic 'weir\\.ns\\.job\\..*': no broker answers",
    ]);
  });

  it("shows in its conditions what is in the way, and ends when the pod's container has failed three times", () => {
    const world = launched();
    remove(world);
    const pod = untilItsPod(world);
    const failure = { code: "SINK_UNREACHABLE", message: "no broker answers", restartable: true };
    const exit = { code: 1, reason: "Error", at: world.now, failure };
    Object.assign(pod, { phase: "Running", failures: 2, exit });
    world.reconcile();
    const ready = world.status.conditions?.find((c) => c.type === "Ready");
    expect(ready).toMatchObject({
      status: "False",
      reason: "Deleting",
      message: "the topics between workers are not deleted yet: no broker answers",
    });
    expect(world.released).toBe(false);
    pod.failures = 3;
    world.reconcile();
    expect(world.released).toBe(true);
    expect(told(world, "TopicsRemain")).toHaveLength(1);
  });

  it("says of a job that has failed that it is deleted, and no longer what it failed of", () => {
    const world = launched();
    failed(world);
    remove(world);
    untilItsPod(world);
    const conditions = world.status.conditions?.map(({ type, reason }) => `${type} ${reason}`);
    expect(conditions).toEqual(expect.arrayContaining(["Ready Deleting", "Reconciling Deleting"]));
    expect(conditions?.filter((c) => c.startsWith("Stalled"))).toEqual([]);
  });

  it("does not wait for a Secret that is gone, and for nothing longer than a minute", () => {
    const missing = launched();
    remove(missing);
    untilItsPod(missing).waiting = { reason: "FailedMount", message: 'secret "kafka" not found' };
    missing.reconcile();
    expect(missing.released).toBe(true);
    expect(told(missing, "TopicsRemain")[0]).toContain('secret "kafka" not found');

    const world = launched({ deletion: { mode: "Savepoint", timeoutMs: 300_000 } });
    remove(world);
    world.schedulable = false;
    untilItsPod(world);
    world.tick(59_000);
    world.reconcile();
    expect(world.released).toBe(false);
    world.tick(1_000);
    world.reconcile();
    expect(world.released).toBe(true);
    expect(told(world, "TopicsRemain")[0]).toContain("they were not deleted in time");
  });

  it("waits for what only takes its time, such as the driver of a volume on a node that has just come", () => {
    const world = launched();
    world.schedulable = false;
    remove(world);
    const pod = untilItsPod(world);
    pod.waiting = {
      reason: "FailedMount",
      message: "driver name csi.example not found in the list of registered CSI drivers",
    };
    world.reconcile();
    expect(world.released).toBe(false);
    pod.waiting = undefined;
    world.schedulable = true;
    world.settle(4);
    expect(told(world, "TopicsDeleted")).toHaveLength(1);
  });

  it("tries no second time what the worker calls final, as an image of an older version does", () => {
    const world = launched();
    remove(world);
    const pod = untilItsPod(world);
    const failure = { code: "CONFIG_INVALID", message: "start.json: slots: must be at least 1", restartable: false };
    Object.assign(pod, { phase: "Running", failures: 1, exit: { code: 1, reason: "Error", at: world.now, failure } });
    world.reconcile();
    expect(world.released).toBe(true);
    expect(told(world, "TopicsRemain")[0]).toContain("slots: must be at least 1");
  });

  it("does not wait in a namespace that is being deleted", () => {
    const world = launched();
    remove(world);
    untilItsPod(world);
    world.pods = [];
    world.hindrance = { reason: "Forbidden", message: "forbidden: namespace ns is being terminated" };
    world.reconcile();
    expect(world.released).toBe(true);
    expect(told(world, "TopicsRemain")[0]).toContain("being terminated");
  });

  it("touches no topics while a worker does not end", () => {
    const world = launched();
    remove(world);
    for (const { worker } of world.pods) worker.reachable = false;
    const [silent] = world.pods;
    for (let i = 0; i < 60 && !world.released; i++) {
      world.reconcile();
      world.tick();
      // Its node does not answer, and is not yet given up.
      if (silent !== undefined && !world.pods.includes(silent)) world.pods.push(silent);
    }
    expect(world.released).toBe(true);
    expect(itsPods(world)).toEqual([]);
    expect(told(world, "TopicsRemain")[0]).toContain("a worker of the job does not end");
  });

  it.each([
    ["is forced", (world: LifecycleWorld) => void (world.annotations[ANNOTATION.forceDelete] = "true")],
    ["takes too long", (world: LifecycleWorld) => world.tick(60_000)],
  ])("ends with a word on the topics when it %s", (_, how) => {
    const world = launched();
    world.schedulable = false;
    remove(world);
    untilItsPod(world);
    how(world);
    world.reconcile();
    expect(world.released).toBe(true);
    expect(told(world, "TopicsRemain")).toHaveLength(1);
  });

  it("ends where it crashes after every action, with one pod", () => {
    for (let crash = 0; crash < 12; crash++) {
      const world = launched();
      remove(world);
      for (let i = 0; i < 60 && !world.released; i++) {
        world.reconcile(i === crash ? 0 : i === crash + 1 ? 1 : Number.POSITIVE_INFINITY);
        world.tick();
      }
      expect(world.released, `crash in decision ${crash}`).toBe(true);
      expect(new Set(itsPods(world)).size).toBe(1);
      expect(told(world, "TopicsRemain")).toEqual([]);
    }
  });
});
