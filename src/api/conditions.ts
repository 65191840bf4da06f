import { z } from "zod";
import { keywords } from "./rule.ts";
import { list, text } from "./text.ts";

/**
 * Condition types → what `True` means. Ready, Reconciling and Stalled follow kstatus: the latter two exist only while true.
 */
export const CONDITIONS = {
  Ready: "The object is where its spec wants it; a job that is stopped on purpose is ready.",
  Reconciling: "Weir is working on it. Present only while true.",
  Stalled: "Weir cannot go on without you; the message says what to do. Present only while true.",
  StateSafe: "A restore point of the job is recorded, verified and durable.",
  Checkpointing: "Checkpoints complete as often as the spec promises.",
  SLOMet: "The lag is within the objective.",
  Paused: "The sources are stopped, as asked.",
  ReconciliationPaused: "Weir leaves the job alone, as asked.",
  ScalingLimited: "More workers would not help, or cannot be had.",
  RecordsLost: "Records of a source were gone before they were read; the job went on because its source says so.",
  DeliveryAtRisk:
    "The job has failed because what was committed fits no state to go on from; the message lists the transactions.",
  NoConsumer: "No selected job reacts to the maintenance window.",
} as const satisfies Record<string, string>;
export type ConditionType = keyof typeof CONDITIONS;
export const CONDITION_TYPES = Object.keys(CONDITIONS) as ConditionType[];

/**
 * Every reason a condition may carry besides those of the error catalogue: reason → what it tells the user. One map, so
 * that a reason means the same everywhere and the docs can list them.
 */
export const REASONS = {
  // Ready
  Running: "Every worker runs and the job makes progress.",
  Stopped: "The job is stopped because that is what was asked for.",
  Completed: "The bounded input is done.",
  Paused: "The workers are up and the sources are stopped, as asked.",
  Created: "The job is known and has not started yet.",
  Starting: "The job is being started.",
  Stopping: "The job is being stopped.",
  Scaling: "The job is moving to another parallelism.",
  Upgrading: "The job is moving to a new version of its spec.",
  Recovering: "A worker was lost; the job is coming back from its last checkpoint.",
  Savepointing: "A savepoint is being taken.",
  Deleting: "The job is being deleted.",
  Failed: "The job gave up; the message says why and what to do.",
  RestartsExhausted: "The restart strategy allows no further try.",
  // Operation trouble
  AwaitingWorkers: "Pods of workers are not running yet; the message names what they wait for.",
  ScaledBack: "The new parallelism did not come up; the job runs at the last one that worked.",
  RolledBack: "The new version was not stable; the job runs the last stable one.",
  SecretMissing: "A Secret that the job names does not exist.",
  WaitingForNextTry: "The last try failed; the message says when the next one is.",
  // State
  CheckpointCurrent: "The newest checkpoint is as recent as the interval promises.",
  CheckpointLate: "No checkpoint completed for longer than the interval and timeout allow.",
  CheckpointFailing: "The last checkpoint failed.",
  NoCheckpointYet: "No checkpoint completed yet.",
  NotDurable: "Checkpoints are kept in memory and do not survive the workers.",
  RestorePointVerified: "The place to resume from is recorded and verified.",
  RestorePointMissing: "The job had state and there is no verified place to resume from.",
  StateAtRisk: "A start would lose state or repeat output; it waits for your word in spec.startFrom.",
  ForbiddenChange: "The spec changes a field that the job's state fixes; the job goes on as it is.",
  // Objectives and limits
  WithinObjective: "The lag is within slo.maxLag.",
  LagAboveObjective: "The lag is above slo.maxLag.",
  LagUnknown: "The lag of a worker is missing or old, so nothing is said about the objective.",
  NotEnoughSplits: "There are more workers than splits to read; some are idle.",
  OffsetReset:
    "A source went on behind records that it never read, by its offsetReset or because a file was replaced; the message counts them.",
  // Pauses
  PausedByUser: "Weir leaves the job alone because of the annotation weir.dev/pause-reconciliation.",
  // Policies and windows
  Evaluating: "The policy is in force.",
  Disabled: "The policy is switched off by its mode.",
  DryRun: "The policy decides but does not act.",
  NoMatchingJobs: "No job is selected.",
  Conflict: "Somebody else scales the same job; the policy does not act.",
  Scheduled: "The next window is known.",
  Active: "The window is open.",
  Suspended: "The window is suspended.",
  Over: "The single window is over.",
  NobodyReacts: "No selected job has a policy that reacts to a maintenance window.",
  SomebodyReacts: "A selected job has a policy that reacts to a maintenance window.",
} as const satisfies Record<string, string>;
export type Reason = keyof typeof REASONS;

export const condition = z.strictObject({
  type: text(316),
  status: z.enum(["True", "False", "Unknown"]),
  observedGeneration: z.int().optional(),
  lastTransitionTime: text(40),
  reason: text(1024),
  message: text(32_768),
});
export type Condition = z.infer<typeof condition>;

export const conditionList = keywords(list(condition, 32), {
  "x-kubernetes-list-type": "map",
  "x-kubernetes-list-map-keys": ["type"],
});
