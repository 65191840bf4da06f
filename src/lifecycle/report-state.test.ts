import { describe, expect, it } from "vitest";
import { lifecycleSpec, lifecycleWorld } from "../../test/builders/lifecycle-world.ts";
import { decide } from "./decide.ts";
import type { WorkerView } from "./input.ts";

describe("a worker whose storage is full when it starts", () => {
  const full = {
    code: "CHECKPOINT_UNWRITABLE",
    message: "cannot write below file:///state: ENOSPC",
    restartable: true,
  };

  it.each([
    ["waits for it", (now: number): Partial<WorkerView> => ({ problem: { ...full, nextTryAt: now + 1000 } })],
    ["has ended", (): Partial<WorkerView> => ({ phase: "Failed", failure: full })],
  ])("is told by Checkpointing, too, though its last checkpoint was good: it %s", (_how, said) => {
    const world = lifecycleWorld(lifecycleSpec({}));
    world.settle(8);
    const input = world.input();
    const checkpointing = (of: Partial<WorkerView>) => {
      const workers = input.observed.workers.map((worker): WorkerView => ({ ...worker, ...of }));
      const { status } = decide({ ...input, observed: { ...input.observed, workers } });
      return status.conditions?.find((c) => c.type === "Checkpointing");
    };
    expect(checkpointing({})?.reason).not.toBe("CheckpointUnwritable");
    expect(checkpointing(said(world.now))).toMatchObject({
      status: "False",
      reason: "CheckpointUnwritable",
      message: `worker 0: ${full.message}`,
    });
  });
});
