import { describe, expect, it } from "vitest";
import { ANNOTATION } from "../../api/group.ts";
import type { LifecycleWorld } from "../../../test/builders/lifecycle-world.ts";
import { lifecycleSpec, lifecycleWorld } from "../../../test/builders/lifecycle-world.ts";

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

describe("a savepoint amid which a worker restarted", () => {
  /** The second worker says that it cannot take its part any more. */
  const interrupted = (over: Partial<LifecycleWorld["spec"]> = {}): LifecycleWorld => {
    const world = lifecycleWorld(lifecycleSpec(over));
    world.settle(8);
    return world;
  };
  const interrupt = (world: LifecycleWorld): string => {
    const worker = world.pods[1]?.worker;
    const id = worker?.savepoint?.id;
    if (worker === undefined || id === undefined) throw new Error("nobody asked for a savepoint");
    worker.savepoint = { id, state: "Failed", error: "it has restarted", code: "SAVEPOINT_INTERRUPTED" };
    return id;
  };

  it.each(["savepoint", "restart", "stop"] as const)("is begun anew, asked for by %s", (verb) => {
    const world = interrupted();
    world.annotations[ANNOTATION[verb]] = "1";
    world.reconcile();
    const before = world.status.operation;
    world.now += 100;
    const id = interrupt(world);
    const { actions } = world.reconcile();
    expect(world.status.operation).toMatchObject({ type: before?.type, step: before?.step, attempt: 2 });
    expect(world.status.operation).toMatchObject({ deadline: before?.deadline, trigger: before?.trigger });
    expect(actions).toContainEqual({ kind: "AbandonSavepoint", pods: [world.pods[0]?.name], id });
    expect(world.events.at(-1)?.message).toContain("worker 1: it has restarted");
    world.settle(8);
    expect(world.sealed).toHaveLength(1);
    expect(world.sealed[0]).not.toBe(id);
    expect(world.status.savepoint?.uri).toMatch(new RegExp(`/savepoints/${world.sealed[0]}$`));
    expect(world.status.requests?.map((r) => r.outcome)).toEqual([verb === "savepoint" ? "Succeeded" : "Accepted"]);
  });

  it("is begun anew as often as it takes, but not behind its deadline", () => {
    const world = interrupted();
    world.annotations[ANNOTATION.savepoint] = "1";
    world.reconcile();
    const ids = new Set<string>();
    while (world.status.operation !== undefined) {
      if (world.pods[1]?.worker.savepoint !== undefined) ids.add(interrupt(world));
      world.now += 900;
      world.reconcile();
    }
    expect(ids.size).toBeGreaterThan(2);
    expect(world.sealed).toEqual([]);
    expect(world.status.requests?.map((r) => r.outcome)).toEqual(["Failed"]);
  });

  it("is given up where windows were closed for it", () => {
    const world = interrupted({ stop: { mode: "Savepoint", drain: true, timeoutMs: 20_000 } });
    world.annotations[ANNOTATION.stop] = "1";
    world.reconcile();
    interrupt(world);
    world.reconcile();
    expect(world.status.operation).toMatchObject({ type: "Stop", step: "Terminate" });
  });

  it("is given up where another worker could not take its part either", () => {
    const world = interrupted();
    world.annotations[ANNOTATION.savepoint] = "1";
    world.reconcile();
    const id = interrupt(world);
    const worker = world.pods[0]?.worker;
    if (worker !== undefined) worker.savepoint = { id, state: "Failed", error: "the disk is full" };
    world.reconcile();
    expect(world.events.at(-1)?.message).toContain("worker 0: the disk is full");
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

describe("a savepoint that is asked for as workers come to the end of their input", () => {
  it.each([
    [
      [1],
      "worker 1 has read all of its input and has ended, and a savepoint needs every worker; the last checkpoints have the whole state",
      "RUNNING",
    ],
    [[0, 1], "the job has read all of its input and is done; its last checkpoints are its final state", "STOPPED"],
  ])("is no failure where those that have ended are %j: the request says why there is none", (ended, why, state) => {
    const world = lifecycleWorld();
    world.settle(8);
    world.annotations[ANNOTATION.savepoint] = "1";
    world.reconcile();
    for (const slot of ended) Object.assign(world.pods[slot] ?? {}, { phase: "Succeeded" });
    world.settle(4);
    expect(world.status.requests).toMatchObject([{ verb: "savepoint", outcome: "Refused", message: why }]);
    expect(world.events).toContainEqual({
      type: "Normal",
      reason: "SavepointNotTaken",
      message: `no savepoint is taken: ${why}`,
    });
    expect(world.events.filter(({ type }) => type === "Warning")).toEqual([]);
    expect(world.status.state).toBe(state);
  });
});

describe("a part that a worker refuses that has read all of its input", () => {
  const asked = (): { world: LifecycleWorld; refuse: (slot: number, code?: string) => void } => {
    const world = lifecycleWorld();
    world.settle(8);
    world.annotations[ANNOTATION.savepoint] = "1";
    world.reconcile();
    const id = world.pods[0]?.worker.savepoint?.id ?? "";
    const refuse = (slot: number, code = "WORKER_REFUSED"): void => {
      const savepoint = { id, state: "Failed", error: `slot ${slot} says why`, code };
      Object.assign(world.pods[slot]?.worker ?? {}, { phase: "Finished", savepoint });
    };
    return { world, refuse };
  };
  const warnings = ({ events }: LifecycleWorld): string[] =>
    events.filter(({ type }) => type === "Warning").map(({ reason }) => reason);

  it.each([
    [[1], /^worker 1 has read all of its input and has ended/],
    [[0, 1], /^the job has read all of its input and is done/],
  ])("is no failure in the seconds that it stays, of %j", (slots, why) => {
    const { world, refuse } = asked();
    for (const slot of slots) refuse(slot);
    world.reconcile();
    const message = expect.stringMatching(why) as string;
    expect(world.status.requests).toMatchObject([{ verb: "savepoint", outcome: "Refused", message }]);
    expect(warnings(world)).toEqual([]);
  });

  it("does not hide the failure of another, or another failure of its own", () => {
    const { world, refuse } = asked();
    refuse(0);
    refuse(1, "CHECKPOINT_UNWRITABLE");
    world.reconcile();
    expect(world.status.requests).toMatchObject([{ outcome: "Failed", message: "worker 1: slot 1 says why" }]);
    expect(warnings(world)).toEqual(["SavepointFailed"]);
  });
});

describe("what the status says of a request for a savepoint", () => {
  const requested = (world: LifecycleWorld): unknown[] | undefined =>
    world.status.requests?.map(({ verb, value, outcome, message }) => [verb, value, outcome, message]);
  const loseAWorker = (world: LifecycleWorld): void => {
    const [lost] = world.pods;
    if (lost !== undefined) Object.assign(lost, { phase: "Failed", exit: { code: 1, reason: "OOMKilled" } });
    world.reconcile();
  };

  it("is where the savepoint is, once it is complete, and it stays that when a later one fails", () => {
    const world = lifecycleWorld();
    world.settle(8);
    world.annotations[ANNOTATION.savepoint] = "1";
    world.settle(6);
    const answered = [["savepoint", "1", "Succeeded", `savepoint ${world.status.savepoint?.uri} is complete`]];
    expect(requested(world)).toEqual(answered);
    world.intents = [{ verb: "savepoint", by: "schedule" }];
    world.reconcile();
    world.intents = [];
    expect(world.status.operation).toMatchObject({ type: "Savepoint", trigger: "schedule" });
    loseAWorker(world);
    expect(world.events.some(({ reason }) => reason === "SavepointFailed")).toBe(true);
    expect(requested(world)).toEqual(answered);
  });

  it("is why a stop goes without one", () => {
    const world = lifecycleWorld();
    world.settle(8);
    world.annotations[ANNOTATION.stop] = "1";
    world.reconcile();
    loseAWorker(world);
    const message = "no savepoint could be taken (worker 0 is not running): it goes by the newest checkpoints";
    expect(requested(world)).toEqual([["stop", "1", "Accepted", message]]);
  });
});
