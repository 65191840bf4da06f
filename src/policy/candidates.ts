import { createHash } from "node:crypto";
import type { RuleState } from "../api/streaming-job-status.schema.ts";
import type { CompiledRule } from "./compiled-rule.ts";
import { type Bindings, valueOf } from "./condition.ts";
import type { JobView, PolicyIntent } from "./input.ts";

/** What a due rule wants, or why it does nothing. */
export type Candidate = {
  readonly rule: CompiledRule;
  readonly state: RuleState;
  readonly actionId: string;
} & (
  | { readonly wants: PolicyIntent; readonly scaleTo?: number }
  /** `settled`: this firing is over, there is nothing to do. Otherwise the rule stays due. */
  | { readonly refused: string; readonly settled: boolean; readonly outcome: "Suppressed" | "Failed" }
);

/** The same firing has the same id, whoever computes it: a crash between decision and action repeats nothing. */
export function actionIdOf(rule: CompiledRule, state: RuleState): string {
  return createHash("sha256")
    .update(`${rule.policy.uid}/${rule.name}/${state.firings ?? 0}`)
    .digest("hex")
    .slice(0, 16);
}

export function candidateOf(rule: CompiledRule, state: RuleState, bindings: Bindings): Candidate {
  const base = { rule, state, actionId: actionIdOf(rule, state) };
  const settled = (refused: string): Candidate => ({ ...base, refused, settled: true, outcome: "Suppressed" });
  const asked = { by: rule.by, actionId: base.actionId };
  const { job } = bindings;
  switch (rule.action) {
    case "Scale":
      return scale(rule, state, bindings);
    case "Stop":
      if (job.desiredState === "Stopped") return settled("the job is to be stopped already");
      return { ...base, wants: { verb: "stop", ...asked, reason: reasonOf(rule) } };
    case "Start":
      if (!stoppedBy(job, rule)) return settled("this policy did not stop the job, so it does not start it");
      return { ...base, wants: { verb: "start", ...asked, reason: reasonOf(rule) } };
    case "Restart":
      if (job.desiredState === "Stopped") return settled("the job is stopped; a restart would start it");
      return { ...base, wants: { verb: "restart", from: rule.from, ...asked, reason: reasonOf(rule) } };
    case "Savepoint":
      if (job.state !== "RUNNING") return settled(`the job is ${job.state}, not RUNNING`);
      return { ...base, wants: { verb: "savepoint", ...asked, reason: reasonOf(rule) } };
    case "Notify":
      return { ...base, refused: reasonOf(rule), settled: true, outcome: "Suppressed" };
  }
}

const reasonOf = (rule: CompiledRule): string => `${rule.condition.text} holds`;

function stoppedBy(job: JobView, rule: CompiledRule): boolean {
  const prefix = `policy/${rule.policy.name}/`;
  return job.overrides.some((o) => o.field === "desiredState" && o.value === "Stopped" && o.by.startsWith(prefix));
}

function scale(rule: CompiledRule, state: RuleState, bindings: Bindings): Candidate {
  const base = { rule, state, actionId: actionIdOf(rule, state) };
  const { job } = bindings;
  const asked = targetOf(rule, bindings);
  if (typeof asked === "string") return { ...base, refused: asked, settled: true, outcome: "Failed" };
  const { minParallelism = 1, maxParallelism = job.maxParallelism } = rule.policy.spec.limits ?? {};
  const target = Math.max(minParallelism, Math.min(asked, maxParallelism, job.maxParallelism));
  const limited = target === asked ? "" : ` (${asked} limited to ${target})`;
  const refuse = (refused: string): Candidate => ({ ...base, refused, settled: true, outcome: "Suppressed" });
  if (target === job.parallelism) return refuse(`the job has ${target} workers already${limited}`);
  if (job.desiredState === "Stopped") return refuse("the job is stopped");
  const reason = `${reasonOf(rule)}: scale from ${job.parallelism} to ${target}${limited}`;
  return {
    ...base,
    scaleTo: target,
    wants: { verb: "scale", parallelism: target, by: rule.by, actionId: base.actionId, reason },
  };
}

/** The wanted number of workers, or what is wrong with the parameter. */
function targetOf(rule: CompiledRule, bindings: Bindings): number | string {
  const { parallelism } = rule;
  if (typeof parallelism === "number") return parallelism;
  if (parallelism === undefined) return "action Scale needs params.parallelism";
  const found = valueOf(parallelism, bindings);
  if ("unknown" in found) return `params.parallelism: ${found.unknown}`;
  const { value } = found;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 1) return value;
  return `params.parallelism: "${parallelism.text}" gave ${JSON.stringify(value)}, not a whole number of at least 1`;
}
