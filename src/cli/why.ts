import type { Decision, RuleState, StreamingJobStatus } from "../api/streaming-job-status.schema.ts";

/** What is told about a job: its name and its status. */
export interface JobReport {
  readonly metadata: { readonly name: string };
  readonly status?: StreamingJobStatus | undefined;
}

/** The text of `weir why JOB`: where the job stands, what each rule is waiting for, what was decided and why. */
export function explainJob(job: JobReport): string[] {
  const { status = {} } = job;
  const { conditions = [], overrides = [], policy = {}, decisions: made = [] } = status;
  return [
    `${job.metadata.name}: ${status.state ?? "CREATED"}${parallelismOf(job)}`,
    ...conditions.map((c) => `  ${c.type}=${c.status} ${c.reason}: ${c.message}`),
    ...inFlight(status),
    ...overrides.map(
      (o) => `  ${o.field} is ${o.value} instead of the spec's ${o.specValue ?? "default"}: ${o.by} since ${o.since}`,
    ),
    "",
    ...rules(policy.rules ?? [], made),
    "",
    ...decisions(made),
  ];
}

function inFlight(status: StreamingJobStatus): string[] {
  const lines: string[] = [];
  if (status.failure !== undefined) {
    const { at, message, restartable } = status.failure;
    lines.push(`  failed at ${at}: ${message} (${restartable ? "will be tried again" : "not tried again"})`);
  }
  if (status.operation !== undefined) {
    const { type, step, trigger, startedAt } = status.operation;
    const by = trigger === undefined ? "" : `, asked by ${trigger}`;
    lines.push(`  in flight: ${type}, step ${step}, since ${startedAt}${by}`);
  }
  return lines;
}

function parallelismOf(job: JobReport): string {
  const { desired, effective, ready } = job.status?.parallelism ?? {};
  return effective === undefined
    ? ""
    : `, parallelism ${effective} (wanted ${desired ?? effective}, ready ${ready ?? 0})`;
}

function rules(states: readonly RuleState[], made: readonly Decision[]): string[] {
  if (states.length === 0) return ["No policy rule looks at this job."];
  return [
    "Rules:",
    ...states.map((rule) => `  ${rule.policy}/${rule.rule}: ${rule.state}${waitingFor(rule)}${lastOf(rule, made)}`),
  ];
}

function waitingFor(rule: RuleState): string {
  switch (rule.state) {
    case "Inactive":
      return ", its condition does not hold";
    case "Pending":
      return `, its condition holds since ${rule.pendingSince ?? "now"} but not long enough yet`;
    case "Firing":
      return `, its condition holds since ${rule.firingSince ?? "now"}`;
    case "CoolingDown":
      return `, no action before ${rule.coolUntil ?? "the cool-down ends"}`;
  }
}

function lastOf(rule: RuleState, made: readonly Decision[]): string {
  const last = made.findLast((d) => d.rule === rule.rule && d.policy === rule.policy);
  return last === undefined ? "" : `; last: ${last.outcome} at ${last.at}, ${last.reason}`;
}

function decisions(made: readonly Decision[]): string[] {
  if (made.length === 0) return ["No decision yet."];
  return [
    "Decisions, newest first:",
    ...made.toReversed().map((d) => {
      const times = (d.count ?? 1) > 1 ? ` (${d.count} times)` : "";
      return `  ${d.at} ${d.policy ?? "-"}/${d.rule} ${d.outcome}${times}: ${d.reason}${d.inputs === undefined ? "" : ` [${d.inputs}]`}`;
    }),
  ];
}
