import { describe, expect, it } from "vitest";
import { datagenJob } from "../../../test/builders/datagen-job.ts";
import type { LiveFigures } from "../workers/registry.ts";
import { jobMetrics } from "./job-metrics.ts";

type Status = NonNullable<ReturnType<typeof datagenJob>["status"]>;
const read = (metric: keyof typeof jobMetrics, status: Status, live: LiveFigures = {}) =>
  jobMetrics[metric].read({ job: { ...datagenJob("j"), status }, live, now: 60_000 });

describe("the metrics of a job", () => {
  it("say 1 for its state and 0 for every other", () => {
    const samples = read("job_state", { state: "SCALING" });
    expect(samples).toHaveLength(5);
    expect(samples.filter((s) => s.value === 1)).toEqual([{ labels: { state: "SCALING" }, value: 1 }]);
  });

  it("tell wanted from launched from ready workers", () => {
    expect(read("job_parallelism", { parallelism: { desired: 4, effective: 2, ready: 1 } })).toEqual([
      { labels: { kind: "wanted" }, value: 4 },
      { labels: { kind: "effective" }, value: 2 },
      { labels: { kind: "ready" }, value: 1 },
    ]);
  });

  it("leave out what is not known instead of saying zero", () => {
    expect(read("job_lag_records", {})).toEqual([]);
    expect(read("job_lag_records", {}, { lag: 7 })).toEqual([{ labels: {}, value: 7 }]);
    expect(read("job_checkpoint_age_seconds", {})).toEqual([]);
    expect(read("job_checkpoint_age_seconds", {}, { checkpointAt: 57_500 })).toEqual([{ labels: {}, value: 2.5 }]);
  });

  it("say how long the operation in flight takes, and nothing when there is none", () => {
    const startedAt = new Date(48_000).toISOString();
    const operation = { id: "scale-1-x", type: "Scale", step: "Savepoint", startedAt } as const;
    expect(read("job_operation_seconds", { operation })).toEqual([{ labels: { operation: "Scale" }, value: 12 }]);
    expect(read("job_operation_seconds", {})).toEqual([]);
    expect(read("job_restarts_total", {})).toEqual([{ labels: {}, value: 0 }]);
  });
});
