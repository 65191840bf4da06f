import { describe, expect, it } from "vitest";
import type { Batch } from "../batch.ts";
import type { SourceReader, Split } from "../connectors/connector.ts";
import type { PlanSource } from "../plan.ts";
import type { Program } from "../program.ts";
import { sourceTask } from "./source-task.ts";

const IDLE_MS = 1000;
const plan = { node: "in", eventTime: { maxOutOfOrdernessMs: 0, idleTimeoutMs: IDLE_MS } } as PlanSource;

/** A source that is read batch by batch: one record each, of this split and time. */
function taskOf(
  added: readonly Split[],
  batches: [split: number, time: number][],
  idle: () => readonly number[] = () => [],
) {
  const input = { maxEventTime: -Infinity, process: () => undefined };
  const watermarks: number[] = [];
  const program = {
    inputs: new Map([["in", input]]),
    setIdle: () => undefined,
    advanceWatermark: (_: string, watermark: number) => watermarks.push(watermark),
  } as unknown as Program;
  const reader = {
    added: () => added,
    poll: () => {
      const next = batches.shift();
      input.maxEventTime = next?.[1] ?? -Infinity;
      return next === undefined ? undefined : ({ split: next[0], n: 1 } as Batch);
    },
    positions: () => new Map([...added, { id: "t-0" }].map(({ id }) => [id, { offset: 7 }])),
    idleSplits: idle,
    finished: () => false,
  } as unknown as SourceReader;
  const assigned = [{ split: { id: "t-0", index: 0 }, position: undefined }];
  const dealt = {
    assigned,
    splitWatermarks: new Map(),
    watermark: -Infinity,
    splitCount: 1,
    listing: "l",
    kept: false,
  };
  return { task: sourceTask({ plan, reader, dealt }, program), watermarks };
}

describe("a split that a source takes on while it runs", () => {
  it("is in the checkpoint's state with its position and watermark, and counts", () => {
    const added: Split[] = [];
    const { task } = taskOf(added, [
      [0, 100],
      [1, 50],
    ]);
    task.step();
    expect(task.state().splits.map((s) => s.id)).toEqual(["t-0"]);
    added.push({ id: "t-1", index: 1 });
    task.step();
    expect(task.state().splits).toEqual([
      { id: "t-0", index: 0, position: { offset: 7 }, watermark: 99 },
      { id: "t-1", index: 1, position: { offset: 7 }, watermark: 49 },
    ]);
    expect(task.splits).toBe(2);
  });

  it("holds the watermark back from when it is there, and never takes it back", () => {
    const added: Split[] = [];
    const { task, watermarks } = taskOf(added, [
      [0, 100],
      [0, 200],
      [1, 150],
      [1, 300],
    ]);
    task.step();
    added.push({ id: "t-1", index: 1 });
    for (let i = 0; i < 3; i++) task.step();
    expect(watermarks).toEqual([99, 149, 199]);
  });
});

describe("splits that were all idle", () => {
  it("hold each other back again as soon as they have records, whichever is read first", () => {
    const batches: [number, number][] = [];
    const idle = (): number[] => [0, 1].filter((split) => !batches.some(([of]) => of === split));
    const { task, watermarks } = taskOf([{ id: "t-1", index: 1 }], batches, idle);
    for (const now of [0, IDLE_MS]) task.rest(now);
    batches.push([0, 5000], [1, 100], [1, 200]);
    task.stir();
    for (let i = 0; i < 3; i++) task.step();
    expect(watermarks).toEqual([99, 199]);
    for (const now of [2 * IDLE_MS, 3 * IDLE_MS]) task.rest(now);
    expect(watermarks).toEqual([99, 199, 4999]);
  });
});
