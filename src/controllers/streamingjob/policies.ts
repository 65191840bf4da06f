import type { StreamingJobStatus } from "../../api/streaming-job-status.schema.ts";
import { STALE_MS } from "../../lifecycle/figures.ts";
import type { LifecycleSpec, PolicyVerdict, WorkerView } from "../../lifecycle/input.ts";
import { readMemory } from "../../lifecycle/memory.ts";
import { wantedOf } from "../../lifecycle/overrides.ts";
import { evaluatePolicies } from "../../policy/evaluate-policies.ts";
import type { JobView, PolicyEvent, PolicyView, WindowView } from "../../policy/input.ts";
import type { JobObject } from "../weir-resources.ts";

export interface PolicyScene {
  readonly now: number;
  readonly job: JobObject;
  readonly status: StreamingJobStatus;
  readonly spec: LifecycleSpec;
  readonly policies: readonly PolicyView[];
  readonly windows: readonly WindowView[];
  readonly workers: readonly WorkerView[];
}

/** What the job's policies say now. Pure: the events follow from what was gathered and from what status remembers. */
export function policyVerdict(scene: PolicyScene): PolicyVerdict | undefined {
  const { now, status, policies, windows } = scene;
  const { policy, decisions, maintenance } = status;
  const leftOver = (policy?.rules ?? []).length > 0 || maintenance?.active === true;
  if (policies.length === 0 && windows.length === 0 && !leftOver) return undefined;
  const output = evaluatePolicies({
    now,
    job: jobView(scene),
    policies,
    windows,
    memory: { policy, decisions, maintenance },
    events: [...stateEvents(scene), ...metricsEvents(scene)],
  });
  const { intents, notices, memory, nextEvaluationAt } = output;
  return { intents, notices, memory, nextEvaluationAt };
}

function jobView({ job, status, spec }: PolicyScene): JobView {
  const wanted = wantedOf({ status }, spec);
  return {
    name: job.metadata.name,
    namespace: job.metadata.namespace ?? "default",
    labels: job.metadata.labels ?? {},
    state: status.state ?? "CREATED",
    parallelism: wanted.parallelism,
    desiredState: wanted.desiredState,
    maxParallelism: spec.maxParallelism,
    operation: status.operation?.type,
    overrides: status.overrides ?? [],
  };
}

/** A state that was reached and that the policies have not been told of: told in the write that remembers it. */
function stateEvents({ now, status }: PolicyScene): PolicyEvent[] {
  const { told } = readMemory(status.internal);
  if (told === undefined || told === status.state) return [];
  const event = (type: string, payload: PolicyEvent["payload"] = {}): PolicyEvent[] => [
    { type, time: now, source: "streamingjob", payload },
  ];
  if (status.state === "RUNNING") return event(told === "SCALING" ? "scaled" : "started");
  if (status.state === "STOPPED") return event("stopped");
  if (status.state !== "FAILED") return [];
  return event("failed", { error: status.failure?.message ?? "", restartable: status.failure?.restartable ?? false });
}

/** The job's figures: sums over its workers. A figure is left out while one worker's is missing or stale: unknown, not zero. */
function metricsEvents({ now, workers, status }: PolicyScene): PolicyEvent[] {
  if (status.state !== "RUNNING" && status.state !== "SCALING") return [];
  const fresh = workers.filter(
    (w) => w.epoch === status.epoch && w.metrics !== undefined && now - w.metricsAt <= STALE_MS,
  );
  const complete = fresh.length > 0 && fresh.length === status.parallelism?.effective;
  const sum = (pick: (w: WorkerView) => number | null | undefined): number | undefined => {
    const values = fresh.map(pick);
    const known = values.filter((v) => typeof v === "number");
    return complete && known.length === values.length ? known.reduce((a, b) => a + b, 0) : undefined;
  };
  const most = (pick: (w: WorkerView) => number | null | undefined): number | undefined => {
    const values = fresh.map(pick).filter((v) => typeof v === "number");
    return complete && values.length === fresh.length ? Math.max(...values) : undefined;
  };
  const figures = {
    lag: sum((w) => w.metrics?.lag),
    lagMs: most((w) => w.metrics?.lagMs),
    throughput: sum((w) => w.metrics?.out),
    in: sum((w) => w.metrics?.in),
    out: sum((w) => w.metrics?.out),
    busy: most((w) => w.metrics?.busy),
  };
  const payload = Object.fromEntries(Object.entries(figures).filter(([, value]) => value !== undefined));
  return [{ type: "metrics", time: now, source: "streamingjob", payload }];
}
