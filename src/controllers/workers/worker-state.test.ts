import { expect, it } from "vitest";
import type { CheckpointReport, WorkerEvent, WorkerStatus } from "../../api/worker-protocol.ts";
import { newCondition, statusOf } from "../../worker/condition.ts";
import { applyEvent, applyStatus, freshState } from "./worker-state.ts";

const who = { jobUid: "u", epoch: 1, slot: 0, attempt: 0 };
const report = (id: number, ok: boolean): CheckpointReport => ({
  id,
  ok,
  completedAt: id * 1_000,
  durationMs: 10,
  bytes: ok ? 100 : 0,
  uri: `file:///c/${id}`,
  ...(ok ? {} : { error: "no space left" }),
});
const heard = (checkpoint: CheckpointReport): WorkerEvent => ({
  ...who,
  seq: 1,
  at: 1,
  type: "checkpoint",
  checkpoint,
});
const status = (checkpoint: CheckpointReport): WorkerStatus => statusOf(who, { ...newCondition(), checkpoint });

it("remembers a failed checkpoint although a status tells only of the good one before it", () => {
  const state = freshState();
  applyEvent(state, heard(report(1, true)), 0);
  applyEvent(state, heard(report(2, false)), 0);
  applyStatus(state, status(report(1, true)), 0);
  expect(state).toMatchObject({ checkpoint: { id: 2, ok: false }, checkpointFailures: 1, savedAt: 1_000 });
  applyEvent(state, heard(report(3, true)), 0);
  expect(state).toMatchObject({ checkpoint: { id: 3, ok: true }, checkpointFailures: 0, savedAt: 3_000 });
});

it("takes the newest checkpoint of a worker whose clock was set back", () => {
  const state = freshState();
  applyEvent(state, heard(report(1, true)), 0);
  applyEvent(state, heard({ ...report(2, true), completedAt: 1 }), 0);
  expect(state).toMatchObject({ checkpoint: { id: 2 }, savedAt: 1 });
});
