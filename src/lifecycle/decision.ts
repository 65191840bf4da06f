import type { StreamingJobStatus } from "../api/streaming-job-status.schema.ts";
import type { Exchange, RestorePoint, SavepointPart } from "../api/worker-protocol.ts";

/** What a decision asks for. The controller writes `status` first, and only then does `actions`, in order. */
export interface LifecycleDecision {
  readonly status: StreamingJobStatus;
  readonly actions: readonly Action[];
  readonly events: readonly JobEvent[];
  /** Look again after this long even if nothing happens. */
  readonly requeueAfterMs: number | undefined;
}

/** Every action may be repeated: it looks for its own effect or is named by ids that status already holds. */
export type Action =
  | { readonly kind: "AddFinalizer" }
  | { readonly kind: "RemoveFinalizer" }
  /** The epoch's immutable ConfigMap. `copyOf` relaunches what an earlier epoch ran. */
  | {
      readonly kind: "ApplyPlan";
      readonly epoch: number;
      /** 0 is not to run the job, but to delete the topics between its workers. */
      readonly slots: number;
      readonly lineage: string;
      readonly restore: RestorePoint;
      readonly paused: boolean;
      readonly exchange?: Exchange;
      readonly copyOf?: number | undefined;
    }
  | { readonly kind: "DeletePlan"; readonly epoch: number }
  | { readonly kind: "CreatePod"; readonly epoch: number; readonly slot: number; readonly attempt: number }
  | { readonly kind: "DeletePod"; readonly name: string; readonly uid: string; readonly force: boolean }
  /** The pods and the plans that they mount stay, and nobody owns them any more. */
  | { readonly kind: "Orphan"; readonly pods: readonly string[]; readonly plans: readonly number[] }
  | {
      readonly kind: "TriggerSavepoint";
      readonly pods: readonly string[];
      readonly id: string;
      readonly uri: string;
      readonly pause: boolean;
      readonly drain: boolean;
    }
  | { readonly kind: "AbandonSavepoint"; readonly pods: readonly string[]; readonly id: string }
  | {
      readonly kind: "SealSavepoint";
      readonly pod: string;
      readonly id: string;
      readonly uri: string;
      readonly parts: readonly SavepointPart[];
    }
  | {
      readonly kind: "StopWorkers";
      readonly pods: readonly string[];
      readonly mode: "Cancel" | "Checkpoint";
      readonly drain: boolean;
      /** Nobody goes on from what workers keep for each other: the job is deleted, or will start from a savepoint. */
      readonly discard?: true;
    }
  | { readonly kind: "PauseWorkers"; readonly pods: readonly string[] }
  | { readonly kind: "ResumeWorkers"; readonly pods: readonly string[] };

export interface JobEvent {
  readonly type: "Normal" | "Warning";
  /** CamelCase, for people and filters. */
  readonly reason: string;
  readonly message: string;
}
