import type { JobOperation } from "../../api/streaming-job-status.schema.ts";
import type { Draft } from "../draft.ts";
import type { LifecycleSpec } from "../input.ts";

/** What a step answers: it waits for the world, it is done, or it ended the whole operation. */
export type StepResult = "Wait" | "Done" | "Ended";

export interface StepContext {
  readonly draft: Draft;
  readonly operation: JobOperation;
  readonly spec: LifecycleSpec;
}

export type StepHandler = (context: StepContext) => StepResult;
