import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LifecycleDecision } from "../../src/lifecycle/decision.ts";
import { mayFollow } from "../../src/lifecycle/transitions.ts";
import type { State } from "../../src/lifecycle/transitions.ts";
import type { LifecycleWorld } from "../builders/lifecycle-world.ts";
import { lifecycleSpec, lifecycleWorld } from "../builders/lifecycle-world.ts";

const STRIKES = [
  "podGone",
  "podFailed",
  "workerSilent",
  "workerBack",
  "workerCrash",
  "workerInterrupted",
  "nodeLost",
] as const;

/** Anything that may happen to a job between two decisions. */
type Happening =
  | { readonly kind: "tick"; readonly ms: number }
  | { readonly kind: "reconcile"; readonly crashAt: number }
  | {
      readonly kind: (typeof STRIKES)[number];
      readonly pod: number;
    }
  | { readonly kind: "verb"; readonly verb: string; readonly value: string }
  | {
      readonly kind: "spec";
      readonly parallelism: number;
      readonly version: number;
      readonly desired: "Running" | "Paused" | "Stopped";
    }
  | { readonly kind: "refused" | "accepted" | "unschedulable" | "schedulable" };

const pod = fc.nat(7);
const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant("tick" as const), ms: fc.constantFrom(10, 500, 1_000, 5_000, 30_000) }),
  },
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant("reconcile" as const), crashAt: fc.constantFrom(0, 1, 2, 99, 99, 99) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom(...STRIKES),
      pod,
    }) as fc.Arbitrary<Happening>,
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("verb" as const),
      verb: fc.constantFrom("start", "stop", "restart", "scale", "savepoint", "pause", "resume"),
      value: fc.constantFrom("1", "2", "3", "4"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("spec" as const),
      parallelism: fc.integer({ min: 1, max: 4 }),
      version: fc.integer({ min: 1, max: 3 }),
      desired: fc.constantFrom("Running", "Running", "Running", "Paused", "Stopped"),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom("refused", "accepted", "unschedulable", "schedulable"),
    }) as fc.Arbitrary<Happening>,
  },
);

const endless = {
  kind: "ExponentialBackoff",
  initialDelay: 1_000,
  maxDelay: 5_000,
  multiplier: 2,
  jitter: 0.1,
  resetAfter: 60_000,
  maxAttempts: -1,
} as const;

function happen(world: LifecycleWorld, what: Exclude<Happening, { kind: "reconcile" }>): void {
  switch (what.kind) {
    case "tick":
      world.tick(what.ms);
      return;
    case "verb":
      world.annotations[`weir.dev/${what.verb}`] = what.value;
      return;
    case "spec":
      world.generation += 1;
      world.spec = lifecycleSpec({
        parallelism: what.parallelism,
        launchHash: `v${what.version}`,
        desiredState: what.desired,
        restart: endless,
        exchanges: world.spec.exchanges,
      });
      return;
    case "refused":
      world.refusal = { reason: "InvalidPipeline", message: "no" };
      return;
    case "accepted":
      world.refusal = undefined;
      return;
    case "unschedulable":
    case "schedulable":
      world.schedulable = what.kind === "schedulable";
      return;
    default:
      strike(world, what.kind, what.pod);
  }
}

function strike(world: LifecycleWorld, kind: string, index: number): void {
  const struck = world.pods[index % Math.max(1, world.pods.length)];
  if (struck === undefined) return;
  if (kind === "podGone") world.pods = world.pods.filter((p) => p !== struck);
  else if (kind === "podFailed") struck.phase = "Failed";
  else if (kind === "workerSilent") struck.worker.reachable = false;
  else if (kind === "workerBack") struck.worker.reachable = true;
  else if (kind === "workerInterrupted") interrupt(struck);
  else if (kind === "nodeLost") Object.assign(struck, { deleting: true, lost: true });
  else if (struck.phase === "Running") {
    struck.failures += 1;
    Object.assign(struck.worker, { phase: "Starting", savepoint: undefined, stopping: false });
  }
}

/** It has restarted amid a savepoint, and cannot take its part any more. */
function interrupt({ worker }: LifecycleWorld["pods"][number]): void {
  const { savepoint } = worker;
  if (savepoint !== undefined)
    worker.savepoint = { id: savepoint.id, state: "Failed", error: "restarted", code: "SAVEPOINT_INTERRUPTED" };
}

/** The newest epoch that is known to have run. */
function savedEpoch(world: LifecycleWorld): number {
  const { launched } = world.status.internal as { launched?: { epoch: number; ran?: boolean } };
  return launched?.ran === true ? launched.epoch : 0;
}

function restoredEpoch(restore: { kind: string; uri?: string; epoch?: number }): number {
  if (restore.kind === "checkpoint") return restore.epoch ?? 0;
  return restore.kind === "savepoint" ? Number(/\/[a-z]+-(\d+)-/.exec(restore.uri ?? "")?.[1] ?? 0) : 0;
}

interface Watch {
  epoch: number;
  saved: number;
  hadState: boolean;
}

function check(world: LifecycleWorld, decision: LifecycleDecision, before: { state: State; watch: Watch }): void {
  const { watch } = before;
  expect(
    mayFollow(before.state, decision.status.state as State),
    `${before.state} → ${decision.status.state ?? ""}`,
  ).toBe(true);
  expect(decision.status.epoch ?? 0).toBeGreaterThanOrEqual(watch.epoch);
  for (const action of decision.actions) {
    if (action.kind === "ApplyPlan" && action.slots > 0) {
      if (watch.hadState) expect(action.restore.kind, "a job with state starts empty").not.toBe("none");
      expect(restoredEpoch(action.restore), "a start goes behind the newest state").toBeGreaterThanOrEqual(watch.saved);
    }
    if (action.kind === "CreatePod") {
      const others = world.pods.filter((p) => p.epoch !== action.epoch && !(p.deleting && p.lost));
      expect(others, "two epochs are up together").toEqual([]);
      const twins = world.pods.filter(
        (p) => p.slot === action.slot && p.name !== `job-${action.epoch}-${action.slot}-${action.attempt}`,
      );
      expect(
        twins.filter((p) => !p.deleting && p.phase !== "Failed"),
        "two pods for one slot",
      ).toEqual([]);
    }
  }
  if (watch.hadState) expect(decision.status.lineage?.hadState, "hadState is forgotten").toBe(true);
  const types = (decision.status.conditions ?? []).map((c) => c.type);
  expect(new Set(types).size).toBe(types.length);
  expect(types).toContain("Ready");
  expect(decision.status.observedGeneration).toBe(world.generation);
}

function play(world: LifecycleWorld, happenings: readonly Happening[]): void {
  const watch: Watch = { epoch: 0, saved: 0, hadState: false };
  for (const what of happenings) {
    if (what.kind !== "reconcile") {
      happen(world, what);
      continue;
    }
    const state = (world.status.state ?? "CREATED") as State;
    const podsBefore = structuredClone(world.pods);
    const decision = world.reconcile(what.crashAt);
    const after = world.pods;
    world.pods = podsBefore;
    check(world, decision, { state, watch });
    world.pods = after;
    watch.epoch = world.status.epoch ?? 0;
    watch.saved = Math.max(watch.saved, savedEpoch(world));
    watch.hadState ||= world.status.lineage?.hadState === true;
  }
}

/** The faults are over: what is wanted must come true. */
function calm(world: LifecycleWorld): void {
  world.refusal = undefined;
  world.schedulable = true;
  for (const p of world.pods) p.worker.reachable = true;
  world.pods = world.pods.filter((p) => !p.lost);
  world.annotations = {};
  world.generation += 1;
  world.settle(150);
}

const runs = process.env["WEIR_LONG"] === undefined ? 600 : 100_000;

describe("the lifecycle under anything that happens", () => {
  it("keeps its promises, and reaches what is wanted once the faults are over", () => {
    fc.assert(
      fc.property(fc.array(happening, { minLength: 10, maxLength: 120 }), (happenings) => {
        const world = lifecycleWorld(lifecycleSpec({ restart: endless }));
        play(world, happenings);
        calm(world);
        const overridden = world.status.overrides ?? [];
        const wanted = overridden.find((o) => o.field === "desiredState")?.value ?? world.spec.desiredState;
        const slots = Number(overridden.find((o) => o.field === "parallelism")?.value ?? world.spec.parallelism);
        expect(world.status.operation).toBeUndefined();
        expect(world.status.state).toBe(wanted === "Stopped" ? "STOPPED" : "RUNNING");
        expect(world.running()).toHaveLength(wanted === "Stopped" ? 0 : slots);
        const { writes } = world;
        world.settle(5);
        expect(world.writes, "a steady job is written").toBe(writes);
      }),
      { numRuns: runs },
    );
    console.log(`lifecycle: ${runs} stories, no promise broken`);
  });

  it("ends a deletion in its time, and by a word on topics between workers that may stay", () => {
    let [deleted, stay] = [0, 0];
    const story = fc.array(happening, { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(story, story, (before, after) => {
        const spec = lifecycleSpec({ restart: endless, exchanges: ["kafka:9092"] });
        const world = lifecycleWorld(spec);
        world.reconcile(); // a deletion is ours once the finalizer is there
        play(world, before);
        const { topics } = (world.status.internal ?? {}) as { topics?: boolean };
        world.deletedAt = world.now;
        play(world, after);
        const end = world.deletedAt + spec.deletion.timeoutMs + 30_000;
        while (!world.released && world.now < end) {
          world.reconcile();
          world.tick();
        }
        world.reconcile();
        expect(world.released, JSON.stringify(world.status.operation)).toBe(true);
        const reasons = world.events.flatMap((e) => (e.reason.startsWith("Topics") ? [e.reason] : []));
        expect(reasons.length > 0).toBe(topics === true);
        deleted += Number(reasons.includes("TopicsDeleted"));
        stay += Number(reasons.includes("TopicsRemain"));
      }),
      { numRuns: runs / 2 },
    );
    console.log(`lifecycle: ${runs / 2} deletions; of topics ${deleted} times, and told that they stay ${stay} times`);
    expect(Math.min(deleted, stay)).toBeGreaterThan(0);
  });
});
