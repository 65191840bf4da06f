import type { ControlPolicySpec, ControlPolicyStatus } from "../../api/control-policy.schema.ts";
import { observed } from "../../api/observed.ts";
import { summary } from "../../api/problem.ts";
import type { Problem } from "../../api/problem.ts";
import type { RuleState } from "../../api/streaming-job-status.schema.ts";
import { catalogue } from "../../errors.ts";
import { compileRules } from "../../policy/compiled-rule.ts";
import { conflicts } from "../../policy/conflicts.ts";
import type { PolicyView } from "../../policy/input.ts";
import { acceptedPolicy } from "../accepted-spec.ts";
import type { PolicyObject } from "../caches.ts";
import type { ConditionInput } from "../status-writer.ts";
import { conditionsFor } from "../status-writer.ts";
import type { JobObject } from "../weir-resources.ts";
import { expressionProblems } from "./expression-problems.ts";

export interface PolicyFacts {
  readonly policy: PolicyObject;
  /** The jobs that it selects. */
  readonly jobs: readonly { readonly job: JobObject; readonly policies: readonly PolicyView[] }[];
  readonly now: number;
}

/** Counts over the jobs, not a row a job: what a rule does on one job is in that job's status. */
export function policyStatus({ policy, jobs, now }: PolicyFacts): ControlPolicyStatus {
  const { spec, problems } = acceptedPolicy(policy);
  const all = [...problems, ...expressionProblems(policy), ...conflictProblems(policy, jobs)];
  return {
    ...observed(policy.metadata),
    matchedJobs: jobs.length,
    rules: spec === undefined ? [] : ruleNames(spec).map((name) => ruleCounts(policy, name, jobs)),
    conditions: conditionsFor(policy, conditionsOf(spec, all, jobs.length), now),
  };
}

function conflictProblems(policy: PolicyObject, jobs: PolicyFacts["jobs"]): Problem[] {
  for (const { job, policies } of jobs) {
    const found = conflicts(compileRules(policies).rules, job.metadata.name).find(
      (c) => c.policy === policy.metadata.name,
    );
    if (found !== undefined) return [{ code: found.code, path: "spec.priority", message: found.message }];
  }
  return [];
}

function ruleNames(spec: ControlPolicySpec): string[] {
  const edges = [
    ...(spec.stopWhen === undefined ? [] : ["stopWhen"]),
    ...(spec.restartWhen === undefined ? [] : ["restartWhen"]),
  ];
  return [...(spec.rules ?? []).map((r) => r.name), ...edges];
}

type RuleCounts = NonNullable<ControlPolicyStatus["rules"]>[number];

function ruleCounts(policy: PolicyObject, name: string, jobs: PolicyFacts["jobs"]): RuleCounts {
  const states = jobs.map(({ job }) => ({ job, state: stateOf(job, policy, name) }));
  const count = (wanted: RuleState["state"]): number =>
    states.filter((s) => (s.state?.state ?? "Inactive") === wanted).length;
  const fired = states.filter((s) => s.state?.firedAt !== undefined);
  const last = fired.toSorted((a, b) => Date.parse(b.state?.firedAt ?? "") - Date.parse(a.state?.firedAt ?? ""))[0];
  return {
    name,
    inactive: count("Inactive"),
    pending: count("Pending"),
    firing: count("Firing"),
    coolingDown: count("CoolingDown"),
    ...(last === undefined ? {} : { lastFired: lastFired(last.job, last.state?.firedAt ?? "", { policy, name }) }),
  };
}

function stateOf(job: JobObject, policy: PolicyObject, rule: string): RuleState | undefined {
  return job.status?.policy?.rules?.find((s) => s.rule === rule && s.policy === policy.metadata.name);
}

function lastFired(
  job: JobObject,
  at: string,
  of: { policy: PolicyObject; name: string },
): NonNullable<RuleCounts["lastFired"]> {
  const mine = (job.status?.decisions ?? []).filter((d) => d.policy === of.policy.metadata.name && d.rule === of.name);
  return { job: job.metadata.name, at, outcome: mine.at(-1)?.outcome ?? "Applied" };
}

const isOneRule = ({ code }: Problem): boolean => code === "EXPRESSION_INVALID" || code === "EXPRESSION_OVER_BUDGET";

function conditionsOf(
  spec: ControlPolicySpec | undefined,
  problems: readonly Problem[],
  matched: number,
): ConditionInput[] {
  const first = problems[0];
  if (first !== undefined) {
    const rest = problems.every(isOneRule) ? "; the other rules are in force" : "";
    const trouble = { reason: catalogue[first.code].reason, message: summary(problems) + rest };
    return [
      { type: "Ready", status: "False", ...trouble },
      { type: "Stalled", status: "True", ...trouble },
    ];
  }
  if (spec?.mode === "Disabled")
    return [{ type: "Ready", status: "True", reason: "Disabled", message: "the policy is switched off by spec.mode" }];
  if (matched === 0) {
    return [
      {
        type: "Ready",
        status: "True",
        reason: "NoMatchingJobs",
        message: "no job of this namespace is selected; the policy waits for one",
      },
    ];
  }
  const jobs = matched === 1 ? "1 job" : `${matched} jobs`;
  if (spec?.mode === "DryRun") {
    return [{ type: "Ready", status: "True", reason: "DryRun", message: `decides for ${jobs} and does not act` }];
  }
  return [{ type: "Ready", status: "True", reason: "Evaluating", message: `in force for ${jobs}` }];
}
