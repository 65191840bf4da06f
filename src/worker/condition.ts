import type {
  CheckpointReport,
  WorkerFailure,
  WorkerMetrics,
  WorkerPhase,
  WorkerStatus,
} from "../api/worker-protocol.ts";
import { isWeirError, messageOf } from "../errors.ts";
import type { EventHeader } from "./events.ts";

/** What a worker knows about itself: the source of its status, readiness and metrics. */
export interface Condition {
  phase: WorkerPhase;
  metrics: WorkerMetrics;
  checkpoint: CheckpointReport | null;
  checkpoints: { ok: number; failed: number };
  restored: WorkerStatus["restored"];
  problem: WorkerStatus["problem"];
  failure: WorkerFailure | null;
}

export function newCondition(): Condition {
  return {
    phase: "Starting",
    metrics: {
      lag: null,
      lagMs: null,
      in: 0,
      out: 0,
      totalIn: 0,
      totalOut: 0,
      malformed: 0,
      late: 0,
      keys: 0,
      busy: 0,
      watermark: null,
    },
    checkpoint: null,
    checkpoints: { ok: 0, failed: 0 },
    restored: null,
    problem: null,
    failure: null,
  };
}

export function statusOf(header: EventHeader, condition: Condition): WorkerStatus {
  const { checkpoints: _counts, ...shown } = condition;
  return { ...header, ...shown };
}

export function failureOf(e: unknown): WorkerFailure {
  if (!isWeirError(e)) return { code: "INTERNAL", message: messageOf(e), restartable: true };
  return { code: e.code, message: e.message, restartable: e.retry !== "Terminal" };
}
