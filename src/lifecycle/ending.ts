import type { WorkerFailure } from "../api/worker-protocol.ts";
import type { Draft } from "./draft.ts";
import { enter, finish, instant, tell } from "./draft.ts";
import { answerRequest } from "./requests.ts";
import { restoreAfter } from "./restore-point.ts";

const NOTHING_TO_RESTORE: readonly string[] = ["SAVEPOINT_NOT_FOUND", "CHECKPOINT_CORRUPT", "RESTORE_REFUSED"];

/** The job gives up: its pods are swept away, its newest state stays the restore point. */
export function fail(draft: Draft, failure: WorkerFailure, exhausted: boolean): void {
  const { now, job } = draft.input;
  const named = draft.memory.launched?.ran === true ? undefined : draft.memory.launched?.replaced;
  const { exchange } = draft.memory;
  leaveEpoch(draft);
  if (named !== undefined && NOTHING_TO_RESTORE.includes(failure.code)) {
    // A typing error in the place must not cost the job what is recorded of its own state.
    draft.memory.restorePoint = named.restorePoint;
    draft.memory.used = named.used;
    draft.memory.exchange = exchange;
  }
  draft.status.failure = {
    code: failure.code.slice(0, 64),
    message: failure.message.slice(0, 4096),
    restartable: failure.restartable,
    at: instant(now),
  };
  draft.memory.ended = {
    reason: "Failed",
    code: exhausted ? "RestartsExhausted" : "Failed",
    generation: job.generation,
  };
  enter(draft, "FAILED");
  const asked = draft.status.operation?.trigger;
  answerRequest(draft, asked, { outcome: "Failed", message: `the job failed: ${failure.message}` });
  finish(draft);
  tell(draft, "Warning", "Failed", failure.message);
}

export function stopped(draft: Draft): void {
  leaveEpoch(draft, "keep");
  draft.memory.ended = { reason: "Stopped", code: "Stopped", generation: draft.input.job.generation };
  enter(draft, "STOPPED");
  finish(draft);
  tell(
    draft,
    "Normal",
    "Stopped",
    draft.status.savepoint === undefined
      ? "the job is stopped"
      : `the job is stopped; savepoint ${draft.status.savepoint.uri}`,
  );
}

export function completed(draft: Draft): void {
  leaveEpoch(draft);
  draft.memory.ended = { reason: "Completed", code: "Completed", generation: draft.input.job.generation };
  enter(draft, "STOPPED");
  finish(draft);
  tell(draft, "Normal", "Completed", "the bounded input is done");
}

function leaveEpoch(draft: Draft, restorePoint: "keep" | "newest" = "newest"): void {
  const { launched, savepoint, restart } = draft.memory;
  if (launched !== undefined && restorePoint === "newest" && launched.ending !== true) {
    draft.memory.restorePoint = restoreAfter(launched);
  }
  if (launched !== undefined) draft.memory.exchange = launched.exchange;
  for (const asked of [savepoint, restart])
    answerRequest(draft, asked?.by, { outcome: "Failed", message: "given up: the job ended before its turn" });
  delete draft.memory.launched;
  delete draft.memory.restart;
  delete draft.memory.savepoint;
  draft.memory.slots = [];
  draft.status.readyWorkers = 0;
  delete draft.status.lag;
  delete draft.status.throughput;
}
