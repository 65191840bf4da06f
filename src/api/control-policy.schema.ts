import { z } from "zod";
import { conditionList } from "./conditions.ts";
import { cron } from "./cron.ts";
import { duration } from "./duration.ts";
import { API_VERSION } from "./group.ts";
import { objectMeta } from "./metadata.schema.ts";
import { byName, keywords, rules } from "./rule.ts";
import type { Rule } from "./rule.ts";
import { jobSelection } from "./selection.schema.ts";
import { expression, int, list, localName, mapOf, text, timeZone } from "./text.ts";

export const ACTIONS = ["Scale", "Stop", "Start", "Restart", "Savepoint", "Notify"] as const;
export type PolicyAction = (typeof ACTIONS)[number];
const spellings = ACTIONS.flatMap((a) => [a, a.toLowerCase()]);
/** Both spellings are accepted; `actionOf` gives the API's own. */
const action = z.enum(spellings as [string, ...string[]]);

export function actionOf(written: string): PolicyAction {
  const found = ACTIONS.find((a) => a.toLowerCase() === written.toLowerCase());
  if (found === undefined) throw new RangeError(`"${written}" is not an action; write one of ${ACTIONS.join(", ")}`);
  return found;
}

/** An integer, the text of one, or a CEL expression such as `min(job.parallelism * 2, 16)`. */
const parameter = keywords(z.union([z.int(), text(1024)], { error: "must be a number or a text" }), {
  "x-kubernetes-int-or-string": true,
});

const scaleSaysHowFar: Rule<{ action: string; params?: Readonly<Record<string, unknown>> | undefined }> = {
  cel: "!(self.action in ['Scale','scale']) || (has(self.params) && 'parallelism' in self.params)",
  message: 'action Scale needs params.parallelism, a number or an expression such as "job.parallelism * 2"',
  holds: (r) => actionOf(r.action) !== "Scale" || r.params?.["parallelism"] !== undefined,
};

export const policyRule = rules(
  z.strictObject({
    name: localName,
    condition: expression,
    /** Hysteresis: the rule stays firing until this holds. */
    clearCondition: expression.optional(),
    /** How long the condition must hold before the rule fires. Default 0s. */
    for: duration.optional(),
    action,
    params: mapOf(parameter, 16).optional(),
    /** Least time between two actions of this rule on one job. Default 0s. */
    cooldown: duration.optional(),
    /** What a missing, stale or NaN value means. Default Hold. */
    onMissingData: z.enum(["Hold", "Fire", "Clear"]).optional(),
    verify: z
      .strictObject({ after: duration, condition: expression, onFailure: z.enum(["Revert", "Hold"]).optional() })
      .optional(),
  }),
  [scaleSaysHowFar],
);
export type PolicyRule = z.infer<typeof policyRule>;

const window = z.strictObject({
  kind: z.enum(["Deny", "Allow"]),
  schedule: cron,
  duration,
  timeZone: timeZone.optional(),
  actions: list(action, 12).optional(),
  overrun: z.boolean().optional(),
});

/** What a policy says, also inside a job (`spec.controlPolicy`). */
export const policyFields = {
  mode: z.enum(["Enforce", "DryRun", "Disabled"]).optional(),
  priority: int(-1_000_000, 1_000_000).optional(),
  rules: byName(list(policyRule, 32)).optional(),
  stopWhen: expression.optional(),
  restartWhen: expression.optional(),
  limits: z
    .strictObject({
      actionsPerHour: int(0, 1000).optional(),
      minParallelism: int(0, 1024).optional(),
      maxParallelism: int(1, 1024).optional(),
    })
    .optional(),
  windows: list(window, 16).optional(),
};
export const inlinePolicy = z.strictObject(policyFields);
export type InlinePolicy = z.infer<typeof inlinePolicy>;

const something: Rule<{ rules?: unknown; stopWhen?: unknown; restartWhen?: unknown }> = {
  cel: "(has(self.rules) && self.rules.size() > 0) || has(self.stopWhen) || has(self.restartWhen)",
  message: "a policy needs rules, stopWhen or restartWhen",
  holds: (p) =>
    (Array.isArray(p.rules) && p.rules.length > 0) || p.stopWhen !== undefined || p.restartWhen !== undefined,
};
export const controlPolicySpec = rules(z.strictObject({ ...jobSelection.fields, ...policyFields }), [
  jobSelection.rule,
  something,
]);
export type ControlPolicySpec = z.infer<typeof controlPolicySpec>;

const count = z.int().min(0);
export const controlPolicyStatus = z.strictObject({
  observedGeneration: z.int().optional(),
  /** The last value of the annotation reconcile.weir.dev/requestedAt that was seen. */
  lastHandledReconcileAt: text(256).optional(),
  matchedJobs: count.optional(),
  rules: byName(
    list(
      z.strictObject({
        name: text(63),
        /** Jobs in each state of the rule. */
        inactive: count.optional(),
        pending: count.optional(),
        firing: count.optional(),
        coolingDown: count.optional(),
        lastFired: z.strictObject({ job: text(253), at: text(40), outcome: text(64) }).optional(),
      }),
      34,
    ),
  ).optional(),
  conditions: conditionList.optional(),
});
export type ControlPolicyStatus = z.infer<typeof controlPolicyStatus>;

export const controlPolicy = z.strictObject({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal("ControlPolicy"),
  metadata: objectMeta,
  spec: controlPolicySpec,
  status: controlPolicyStatus.optional(),
});
export type ControlPolicy = z.infer<typeof controlPolicy>;
