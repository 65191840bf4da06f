import { createHash } from "node:crypto";
import { checkStreamingJob } from "../../api/check.ts";
import { parseDuration } from "../../api/duration.ts";
import { effectiveSpec } from "../../api/effective-spec.ts";
import type { EffectiveSpec } from "../../api/effective-spec.ts";
import { summary } from "../../api/problem.ts";
import type { Problem } from "../../api/problem.ts";
import { specViolations } from "../../api/violations.ts";
import { streamingJobSpec } from "../../api/streaming-job.schema.ts";
import type { StreamingJobSpec } from "../../api/streaming-job.schema.ts";
import type { Plan } from "../../engine/plan.ts";
import { weakestDelivery } from "../../engine/planner/delivery.ts";
import { exchangeBrokers } from "../../engine/planner/exchanges.ts";
import { checkedPlan } from "../../engine/planner/plan-pipeline.ts";
import { catalogue, isWeirError, messageOf, WeirError } from "../../errors.ts";
import { canonical, relaunchPart } from "../../lifecycle/change-class.ts";
import type { LifecycleSpec, Refusal } from "../../lifecycle/input.ts";
import type { RestartStrategy } from "../../lifecycle/restart-strategy.ts";
import { checkMounts } from "./mounts.ts";
import { checkTemplate } from "./template-guard.ts";

/** A spec with everything that follows from it alone. Pure, so that it is computed once for a generation. */
export interface PlannedJob {
  readonly spec: LifecycleSpec | undefined;
  readonly effective: EffectiveSpec | undefined;
  readonly plan: Plan | undefined;
  readonly refusal: Refusal | undefined;
  /** Everything that is wrong with it: the refusal says the first. */
  readonly problems: readonly Problem[];
}

export function planJob(raw: unknown): PlannedJob {
  const parsed = streamingJobSpec.safeParse(raw);
  if (!parsed.success) {
    const problems = specViolations(raw);
    return {
      spec: undefined,
      effective: undefined,
      plan: undefined,
      refusal: { reason: "InvalidSpec", message: summary(problems) },
      problems,
    };
  }
  const effective = effectiveSpec(parsed.data);
  const planned = planOf(parsed.data, effective);
  const spec = lifecycleSpec(effective, planned.plan);
  return { spec, effective, ...planned };
}

const specProblem = (path: string, message: string): Problem => ({
  code: "SPEC_INVALID",
  path: `spec.${path}`,
  message,
});

function planOf(own: StreamingJobSpec, effective: EffectiveSpec): Pick<PlannedJob, "plan" | "refusal" | "problems"> {
  const problems = [...checkStreamingJob(own), ...checkMounts(effective), ...checkTemplate(effective.worker)];
  const first = problems[0];
  if (first !== undefined)
    return refused({ reason: catalogue[first.code].reason, message: summary(problems) }, problems);
  if (own.pipeline === undefined)
    return refused({ reason: "InvalidSpec", message: "spec.pipeline is missing" }, [
      specProblem("pipeline", "is missing"),
    ]);
  try {
    const { parameters, maxParallelism, checkpoint, state } = effective;
    const options = { parameters, maxParallelism, delivery: checkpoint.delivery, stateTtl: state.ttl };
    const { plan, errors } = checkedPlan(own.pipeline, options);
    const [error] = errors;
    if (error === undefined) return { plan, refusal: undefined, problems: [] };
    return refused({ reason: error.reason, message: error.message }, errors.map(problemOf));
  } catch (e) {
    const error = isWeirError(e) ? e : new WeirError("INTERNAL", messageOf(e), { cause: e });
    return refused({ reason: error.reason, message: error.message }, [problemOf(error)]);
  }
}

const refused = (refusal: Refusal, problems: readonly Problem[]) => ({ plan: undefined, refusal, problems });

function problemOf({ code, message, place }: WeirError): Problem {
  const { path = "spec.pipeline", text, offset = 0, message: short } = place ?? { message };
  const problem = { code, path, message: short };
  return text === undefined ? problem : { ...problem, expression: { text, offset, message: short } };
}

export function lifecycleSpec(effective: EffectiveSpec, plan: Plan | undefined): LifecycleSpec {
  const { checkpoint, stop, upgrade, deletion, startFrom, savepoint } = effective;
  const { uri } = checkpoint.storage;
  const savepointUri = savepoint?.uri ?? uri;
  return {
    engine: effective.engine,
    ...planFacts(plan),
    desiredState: effective.desiredState,
    parallelism: effective.parallelism,
    maxParallelism: effective.maxParallelism,
    launchHash: hashOf(relaunchPart({ ...effective })),
    specHash: hashOf(effective),
    checkpoint: { uri, ...checkpointTimes(checkpoint) },
    maxLagMs: effective.slo?.maxLag === undefined ? null : parseDuration(effective.slo.maxLag),
    savepointUri: savepointUri.startsWith("memory:") ? null : savepointUri,
    startFrom: {
      savepoint: startFrom.savepoint,
      allowNonRestoredState: startFrom.allowNonRestoredState ?? false,
      acceptEmptyState: startFrom.acceptEmptyState,
      acceptReplay: startFrom.acceptReplay,
    },
    stop: { mode: stop.mode, drain: stop.drain, uri: stop.savepointDir, timeoutMs: parseDuration(stop.timeout) },
    upgrade: { mode: upgrade.mode, fallback: upgrade.fallback === "LastCheckpoint" },
    restart: restartStrategy(effective.restart),
    deletion: { mode: deletion.mode, timeoutMs: parseDuration(deletion.timeout) },
  };
}

const planFacts = (plan: Plan | undefined): Pick<LifecycleSpec, "delivery" | "planHash" | "limit" | "exchanges"> => ({
  delivery: weakestDelivery(plan?.sinks ?? []),
  planHash: plan?.hash,
  limit: plan?.parallelismLimit ?? null,
  exchanges: plan === undefined ? [] : exchangeBrokers(plan),
});

const hashOf = (value: object): string => createHash("sha256").update(canonical(value)).digest("hex").slice(0, 16);

/** The next one begins an interval after the last began, and no sooner than minPause after it ended; it may take the timeout. */
function checkpointTimes(checkpoint: EffectiveSpec["checkpoint"]): Omit<LifecycleSpec["checkpoint"], "uri"> {
  const intervalMs = parseDuration(checkpoint.interval);
  const timeoutMs = parseDuration(checkpoint.timeout);
  const maxAgeMs = Math.max(intervalMs, parseDuration(checkpoint.minPause)) + timeoutMs;
  return { intervalMs, timeoutMs, maxAgeMs };
}

function restartStrategy(restart: EffectiveSpec["restart"]): RestartStrategy {
  switch (restart.strategy) {
    case "ExponentialBackoff":
      return {
        kind: "ExponentialBackoff",
        maxAttempts: restart.maxAttempts,
        multiplier: restart.multiplier,
        jitter: restart.jitter,
        initialDelay: parseDuration(restart.initialDelay),
        maxDelay: parseDuration(restart.maxDelay),
        resetAfter: parseDuration(restart.resetAfter),
      };
    case "FixedDelay":
      return { kind: "FixedDelay", delay: parseDuration(restart.delay), maxAttempts: restart.maxAttempts };
    case "FailureRate":
      return {
        kind: "FailureRate",
        maxFailures: restart.maxFailures,
        window: parseDuration(restart.window),
        delay: parseDuration(restart.delay),
      };
    case "Never":
      return { kind: "Never" };
  }
}
