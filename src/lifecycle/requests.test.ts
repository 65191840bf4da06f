import { describe, expect, it } from "vitest";
import { lifecycleWorld } from "../../test/builders/lifecycle-world.ts";
import type { LifecycleWorld } from "../../test/builders/lifecycle-world.ts";
import { ANNOTATION } from "../api/group.ts";
import { streamingJobStatus } from "../api/streaming-job-status.schema.ts";

function running(): LifecycleWorld {
  const world = lifecycleWorld();
  world.settle(8);
  expect(world.status.state).toBe("RUNNING");
  return world;
}

const answers = (world: LifecycleWorld): unknown[] | undefined =>
  world.status.requests?.map(({ verb, outcome, message }) => [verb, outcome, message]);

describe("the answer to a request", () => {
  it.each<[string, Record<string, string>]>([
    ["an endless parallelism", { [ANNOTATION.scale]: "x".repeat(1_100) }],
    ["an endless place", { [ANNOTATION.restart]: "1", [ANNOTATION.restartFrom]: "x".repeat(1_100) }],
  ])("fits the status, asked for %s", (_, annotations) => {
    const world = running();
    Object.assign(world.annotations, annotations);
    world.reconcile();
    expect(streamingJobStatus.safeParse(world.status).error?.issues ?? []).toEqual([]);
    expect(world.status.requests?.[0]).toMatchObject({ outcome: "Refused" });
  });

  it("is given once where a value is cut amid a character, which a server stores as U+FFFD", () => {
    const world = running();
    world.annotations[ANNOTATION.restart] = `${"x".repeat(255)}😀`;
    world.reconcile();
    expect(world.status.operation).toMatchObject({ type: "Restart" });
    const stored = JSON.stringify(world.status).replaceAll(/\\ud[89ab]../gi, "\uFFFD");
    world.status = JSON.parse(stored) as typeof world.status;
    world.settle(20);
    expect(world.status).toMatchObject({ state: "RUNNING", epoch: 2 });
  });
});

describe("a request for a savepoint that nobody takes any more", () => {
  const requested = (world: LifecycleWorld): unknown =>
    answers(world)?.find((answer) => (answer as string[])[0] === "savepoint");

  it("has failed when a stop comes while the savepoint is taken", () => {
    const world = running();
    world.annotations[ANNOTATION.savepoint] = "1";
    world.reconcile();
    expect(world.status.operation).toMatchObject({ type: "Savepoint" });
    world.annotations[ANNOTATION.stop] = "1";
    world.settle(10);
    expect(world.status.state).toBe("STOPPED");
    expect(requested(world)).toEqual(["savepoint", "Failed", "given up: the job stops"]);
  });

  it("has failed when the job ends before its turn comes", () => {
    const world = running();
    world.annotations[ANNOTATION.scale] = "3@1";
    world.reconcile();
    world.annotations[ANNOTATION.savepoint] = "1";
    world.reconcile();
    expect(requested(world)).toEqual(["savepoint", "Accepted", "a savepoint is taken"]);
    world.annotations[ANNOTATION.stop] = "1";
    world.settle(10);
    expect(world.status.state).toBe("STOPPED");
    expect(requested(world)).toEqual(["savepoint", "Failed", "given up: the job ended before its turn"]);
  });

  it("is not forgotten for what a policy asks for", () => {
    const world = running();
    world.annotations[ANNOTATION.scale] = "3@1";
    world.reconcile();
    world.annotations[ANNOTATION.savepoint] = "1";
    world.reconcile();
    world.intents = [{ verb: "savepoint", by: "policy/nightly" }];
    world.settle(20);
    expect(requested(world)).toMatchObject([
      "savepoint",
      "Succeeded",
      `savepoint ${world.status.savepoint?.uri} is complete`,
    ]);
  });
});

describe("a request that another one puts an end to", () => {
  const requested = (world: LifecycleWorld, verb: string): unknown =>
    answers(world)?.find((answer) => (answer as string[])[0] === verb);

  it("has failed when a stop comes while the job restarts", () => {
    const world = running();
    world.annotations[ANNOTATION.restart] = "1";
    world.reconcile();
    expect(world.status.operation).toMatchObject({ type: "Restart" });
    world.annotations[ANNOTATION.stop] = "1";
    world.settle(10);
    expect(world.status.state).toBe("STOPPED");
    expect(requested(world, "restart")).toEqual(["restart", "Failed", "given up: the job stops"]);
    expect(requested(world, "stop")).toEqual(["stop", "Accepted", "the job stops"]);
  });

  it("has failed when a stop comes while nothing runs between the workers before and those after", () => {
    const world = running();
    world.annotations[ANNOTATION.restart] = "1";
    for (let i = 0; i < 20 && world.status.operation?.step !== "AwaitGone"; i++) world.settle(1);
    expect(world.status.operation).toMatchObject({ type: "Restart", step: "AwaitGone" });
    world.annotations[ANNOTATION.stop] = "1";
    world.settle(10);
    expect(world.status).toMatchObject({ state: "STOPPED", epoch: 1 });
    expect(requested(world, "restart")).toEqual(["restart", "Failed", "given up: the job stops"]);
  });

  it("has failed when the job ends before its restart begins", () => {
    const world = running();
    world.annotations[ANNOTATION.savepoint] = "1";
    world.reconcile();
    world.annotations[ANNOTATION.restart] = "1";
    world.reconcile();
    expect(requested(world, "restart")).toEqual(["restart", "Accepted", "the job restarts"]);
    world.annotations[ANNOTATION.stop] = "1";
    world.settle(10);
    expect(requested(world, "restart")).toEqual(["restart", "Failed", "given up: the job ended before its turn"]);
  });

  it("says of another size that the next start has it", () => {
    const world = running();
    world.annotations[ANNOTATION.scale] = "3@1";
    world.reconcile();
    expect(world.status.operation).toMatchObject({ type: "Scale" });
    world.annotations[ANNOTATION.stop] = "1";
    world.settle(10);
    const message = "given up for now: the job stops; the next start has 3 workers";
    expect(requested(world, "scale")).toEqual(["scale", "Accepted", message]);
    world.annotations[ANNOTATION.start] = "1";
    world.settle(10);
    expect(world.status).toMatchObject({ state: "RUNNING", parallelism: { effective: 3 } });
  });

  it("has failed when a stop is taken back", () => {
    const world = running();
    world.annotations[ANNOTATION.stop] = "1";
    world.reconcile();
    expect(world.status.operation).toMatchObject({ type: "Stop" });
    world.annotations[ANNOTATION.start] = "1";
    world.settle(10);
    expect(world.status.state).toBe("RUNNING");
    expect(requested(world, "stop")).toEqual(["stop", "Failed", "given up: the job is to run after all"]);
  });

  it("has failed when the job fails on the way", () => {
    const world = running();
    world.annotations[ANNOTATION.restart] = "1";
    for (let i = 0; i < 20 && world.status.operation?.step !== "AwaitRunning"; i++) world.settle(1);
    expect(world.status.operation).toMatchObject({ type: "Restart", step: "AwaitRunning" });
    const failure = { code: "SINK_REFUSED", message: "the topic takes no such record", restartable: false };
    for (const pod of world.pods) Object.assign(pod, { phase: "Failed", exit: { code: 1, reason: "Error", failure } });
    world.settle(10);
    expect(world.status.state).toBe("FAILED");
    expect(requested(world, "restart")).toEqual([
      "restart",
      "Failed",
      "the job failed: the topic takes no such record",
    ]);
  });
});
