import type { InlinePolicy } from "../../src/api/control-policy.schema.ts";
import type { MaintenanceWindowSpec } from "../../src/api/maintenance-window.schema.ts";
import type { JobView, PolicyEvent, PolicyMemory, PolicyOutput, PolicyView } from "../../src/policy/input.ts";
import { evaluatePolicies } from "../../src/policy/evaluate-policies.ts";

export const START = Date.parse("2026-03-02T08:00:00Z");

export const jobView = (more: Partial<JobView> = {}): JobView => ({
  name: "etl",
  namespace: "default",
  labels: {},
  state: "RUNNING",
  parallelism: 1,
  maxParallelism: 16,
  desiredState: "Running",
  operation: undefined,
  overrides: [],
  ...more,
});

export const policyView = (spec: InlinePolicy, more: Partial<PolicyView> = {}): PolicyView => ({
  name: "keep-up",
  uid: "uid-keep-up",
  generation: 1,
  spec,
  ...more,
});

/** A job under its policies, moved through time by hand; what the intents ask for is done at once. */
export interface Bench {
  job: JobView;
  readonly memory: PolicyMemory;
  readonly intents: string[];
  now: number;
  step(...events: { type: string; payload?: Record<string, unknown> }[]): PolicyOutput;
  metrics(lag: unknown, more?: Record<string, unknown>): PolicyOutput;
  after(ms: number): Bench;
}

export function bench(
  policies: readonly PolicyView[],
  options: { job?: Partial<JobView>; windows?: readonly { name: string; spec: MaintenanceWindowSpec }[] } = {},
): Bench {
  const self: Bench & { memory: PolicyMemory } = {
    job: jobView(options.job),
    memory: { policy: undefined, decisions: undefined, maintenance: undefined },
    intents: [],
    now: START,
    step: (...given) => {
      const events: PolicyEvent[] = given.map(({ type, payload = {} }) => ({ type, time: self.now, payload }));
      const { job, now, memory } = self;
      const output = evaluatePolicies({ now, job, policies, windows: options.windows ?? [], memory, events });
      self.memory = output.memory;
      for (const intent of output.intents) {
        self.intents.push(intent.verb === "scale" ? `scale ${intent.parallelism}` : intent.verb);
        self.job = obeyed(self.job, intent, self.now);
      }
      return output;
    },
    metrics: (lag, more = {}) => self.step({ type: "metrics", payload: { lag, throughput: 100, ...more } }),
    after: (ms) => {
      self.now += ms;
      return self;
    },
  };
  return self;
}

function obeyed(job: JobView, intent: PolicyOutput["intents"][number], now: number): JobView {
  const since = new Date(now).toISOString();
  const over = (field: string, value: string): JobView["overrides"] => [
    ...job.overrides.filter((o) => o.field !== field),
    { field, value, by: intent.by, since },
  ];
  switch (intent.verb) {
    case "scale":
      return { ...job, parallelism: intent.parallelism, overrides: over("parallelism", String(intent.parallelism)) };
    case "stop":
      return { ...job, desiredState: "Stopped", state: "STOPPED", overrides: over("desiredState", "Stopped") };
    case "start":
      return {
        ...job,
        desiredState: "Running",
        state: "RUNNING",
        overrides: job.overrides.filter((o) => o.field !== "desiredState"),
      };
    case "restart":
    case "savepoint":
      return job;
  }
}
