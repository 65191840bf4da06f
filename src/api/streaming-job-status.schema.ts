import { z } from "zod";
import { conditionList } from "./conditions.ts";
import { list, preserved, text } from "./text.ts";

const time = text(40);
const count = z.int().min(0);

/** The seed's words. */
export const JOB_STATES = ["CREATED", "RUNNING", "SCALING", "STOPPED", "FAILED"] as const;
export type JobState = (typeof JOB_STATES)[number];

export const OPERATION_TYPES = [
  "Start",
  "Stop",
  "Scale",
  "Upgrade",
  "Restart",
  "Savepoint",
  "Recover",
  "Pause",
  "Resume",
  "Delete",
] as const;
export type OperationType = (typeof OPERATION_TYPES)[number];

/** What is in flight, written before its first side effect: the journal. */
export const operation = z.strictObject({
  id: text(128),
  type: z.enum(OPERATION_TYPES),
  step: text(64),
  startedAt: time,
  deadline: time.optional(),
  /** Who asked: `spec`, `verb/<name>=<value>`, `policy/<name>/<rule>`, `failure`. */
  trigger: text(512).optional(),
  attempt: count.optional(),
  /** Once true the operation is finished rather than abandoned. */
  pointOfNoReturn: z.boolean().optional(),
  /** What the operation wants to reach and the ids it uses; its form belongs to the operation's type. */
  target: preserved.optional(),
});
export type JobOperation = z.infer<typeof operation>;

export const DECISION_OUTCOMES = ["Applied", "DryRun", "Suppressed", "Failed"] as const;
export type DecisionOutcome = (typeof DECISION_OUTCOMES)[number];
export const decision = z.strictObject({
  at: time,
  policy: text(253).optional(),
  rule: text(63),
  generation: z.int().optional(),
  /** The values the rule saw, as short text. */
  inputs: text(2048).optional(),
  value: text(256).optional(),
  outcome: z.enum(DECISION_OUTCOMES),
  reason: text(1024),
  actionId: text(128).optional(),
  /** How often in a row the same was decided. */
  count: count.optional(),
});
export type Decision = z.infer<typeof decision>;

/** State of one rule for this job; kept so that `for` and `cooldown` survive the operator. */
export const ruleState = z.strictObject({
  policy: text(253),
  uid: text(64).optional(),
  rule: text(63),
  state: z.enum(["Inactive", "Pending", "Firing", "CoolingDown"]),
  pendingSince: time.optional(),
  firingSince: time.optional(),
  firedAt: time.optional(),
  coolUntil: time.optional(),
  /** Counts how often the rule began to fire: part of the action's id. */
  firings: count.optional(),
  /** Parallelism that the rule asked for since its condition last cleared: a person's later change beats the rule. */
  asked: count.optional(),
});
export type RuleState = z.infer<typeof ruleState>;

export const streamingJobStatus = z.strictObject({
  observedGeneration: z.int().optional(),
  /** The last value of the annotation reconcile.weir.dev/requestedAt that was seen. */
  lastHandledReconcileAt: text(256).optional(),
  state: z.enum(JOB_STATES).optional(),
  /** The engine and the delivery guarantee that are really in force. */
  engine: text(32).optional(),
  delivery: text(32).optional(),
  parallelism: z
    .strictObject({ desired: count.optional(), effective: count.optional(), ready: count.optional() })
    .optional(),
  readyWorkers: count.optional(),
  health: z.enum(["UP", "DEGRADED", "DOWN"]).optional(),
  selector: text(512).optional(),
  /** Overrides of the spec by a verb, a policy or a window; they end when the user changes the field or says the opposite. */
  overrides: list(
    z.strictObject({ field: text(64), value: text(256), by: text(512), since: time, specValue: text(256).optional() }),
    8,
  ).optional(),
  jobId: text(128).optional(),
  webUrl: text(1024).optional(),
  epoch: count.optional(),
  planHash: text(64).optional(),
  specHash: text(64).optional(),
  lag: z.strictObject({ records: count.optional(), time: text(32).optional() }).optional(),
  throughput: z.strictObject({ in: z.number().optional(), out: z.number().optional() }).optional(),
  checkpoint: z
    .strictObject({
      id: count.optional(),
      completedAt: time.optional(),
      duration: text(32).optional(),
      bytes: count.optional(),
      uri: text(1024).optional(),
      failures: count.optional(),
    })
    .optional(),
  savepoint: z
    .strictObject({ uri: text(1024), completedAt: time, snapshot: text(253).optional(), bytes: count.optional() })
    .optional(),
  lineage: z
    .strictObject({
      id: text(128),
      hadState: z.boolean(),
      restoredFrom: z.strictObject({ uri: text(1024), verified: z.boolean() }).optional(),
    })
    .optional(),
  restarts: z
    .strictObject({
      count: count.optional(),
      attempt: count.optional(),
      nextAt: time.optional(),
      lastReason: text(1024).optional(),
    })
    .optional(),
  failure: z.strictObject({ code: text(64), message: text(4096), restartable: z.boolean(), at: time }).optional(),
  operation: operation.optional(),
  requests: list(
    z.strictObject({ verb: text(32), value: text(256), outcome: text(32), message: text(1024).optional(), at: time }),
    10,
  ).optional(),
  decisions: list(decision, 20).optional(),
  policy: z.strictObject({ rules: list(ruleState, 100).optional(), actions: list(time, 100).optional() }).optional(),
  maintenance: z
    .strictObject({ active: z.boolean(), windows: list(text(253), 32).optional(), since: time.optional() })
    .optional(),
  /** What only the operator reads: slots, attempts, what was handled. Its form may change between versions. */
  internal: preserved.optional(),
  conditions: conditionList.optional(),
});
export type StreamingJobStatus = z.infer<typeof streamingJobStatus>;
