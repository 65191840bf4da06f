import type { SavepointStatus, WorkerEvent, WorkerStatus } from "../../api/worker-protocol.ts";
import type { WorkerView } from "../../lifecycle/input.ts";

/** What is known of one worker from its stream and its answers. */
export interface WorkerState {
  phase: WorkerView["phase"];
  metrics: WorkerView["metrics"];
  metricsAt: number;
  checkpoint: WorkerView["checkpoint"];
  checkpointFailures: number;
  /** When its newest good checkpoint completed; before its first one, when it started. */
  savedAt: number | undefined;
  restored: string | undefined;
  problem: WorkerView["problem"];
  failure: WorkerView["failure"];
  savepoint: SavepointStatus | undefined;
  saving: readonly string[];
}

export function freshState(): WorkerState {
  return {
    phase: undefined,
    metrics: undefined,
    metricsAt: 0,
    checkpoint: undefined,
    checkpointFailures: 0,
    savedAt: undefined,
    restored: undefined,
    problem: undefined,
    failure: undefined,
    savepoint: undefined,
    saving: [],
  };
}

export function applyStatus(state: WorkerState, status: WorkerStatus, now: number): void {
  state.phase = status.phase;
  state.metrics = status.metrics;
  state.metricsAt = now;
  state.restored = status.restored?.uri;
  state.problem = status.problem ?? undefined;
  state.failure = status.failure ?? undefined;
  state.saving = status.saving ?? [];
  if (status.checkpoint !== null) noteCheckpoint(state, status.checkpoint);
}

/** How much an event matters: `Live` figures may wait a moment, `Change` is looked at now. */
export type Weight = "None" | "Live" | "Change";

export function applyEvent(state: WorkerState, event: WorkerEvent, now: number): Weight {
  switch (event.type) {
    case "heartbeat":
      return "None";
    case "metrics":
      state.metrics = event.metrics;
      state.metricsAt = now;
      return "Live";
    case "checkpoint":
      return noteCheckpoint(state, event.checkpoint);
    case "problem":
      state.problem = event.problem ?? undefined;
      return "Change";
    case "failed":
      state.failure = event.failure;
      state.phase = "Failed";
      return "Change";
    case "finished":
      state.phase = "Finished";
      return "Change";
    case "started":
      state.restored = event.restored?.uri;
      state.savedAt ??= event.at;
      return "Change";
    case "savepoint":
      return "Change";
  }
}

function noteCheckpoint(state: WorkerState, report: NonNullable<WorkerView["checkpoint"]>): Weight {
  const before = state.checkpoint;
  // A status has the newest good one, which may be older than a failure that was heard of.
  if (before !== undefined && report.id <= before.id && report.completedAt < before.completedAt) return "None";
  if (report.ok) {
    state.checkpointFailures = 0;
    state.savedAt = report.completedAt;
  } else if (before?.id !== report.id) state.checkpointFailures += 1;
  state.checkpoint = report;
  return before?.ok === report.ok ? "Live" : "Change";
}
