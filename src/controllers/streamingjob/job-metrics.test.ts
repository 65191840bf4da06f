import { describe, expect, it } from "vitest";
import { datagenJob } from "../../../test/builders/datagen-job.ts";
import type { LiveFigures } from "../workers/registry.ts";
import { LABEL } from "../../api/group.ts";
import { jobMetrics, workersAtWork } from "./job-metrics.ts";
import type { PodObject } from "./pod-view.ts";
import { planJob } from "./planned-job.ts";

type Status = NonNullable<ReturnType<typeof datagenJob>["status"]>;
const spec = (own: object = {}) => planJob(datagenJob("j", own).spec).spec;
const read = (metric: keyof typeof jobMetrics, status: Status, live: LiveFigures = {}, own: object = {}) =>
  jobMetrics[metric].read({ job: { ...datagenJob("j"), status }, spec: spec(own), live, now: 60_000 });
const value = (...of: Parameters<typeof read>): number | undefined => read(...of)[0]?.value;

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
    expect(read("job_checkpoint_age_seconds", {}, { savedAt: 57_500 })).toEqual([{ labels: {}, value: 2.5 }]);
    expect(read("job_checkpoint_duration_seconds", {})).toEqual([]);
    expect(read("job_busy_ratio", {})).toEqual([]);
  });

  it("put each promise of the spec beside what is measured against it, in the same unit", () => {
    const slo = { maxLag: "90s" };
    expect(value("job_lag_seconds", {}, { lagMs: 1_500 })).toBe(1.5);
    expect(value("job_slo_max_lag_seconds", { state: "RUNNING" }, {}, { slo })).toBe(90);
    const checkpoint = { interval: "2s", minPause: "10s", timeout: "1m" };
    expect(value("job_checkpoint_max_age_seconds", {}, {}, { checkpoint })).toBe(70);
  });

  it("hold no job to an objective that it does not have, or while it is stopped or paused", () => {
    const slo = { maxLag: "90s" };
    expect(read("job_slo_max_lag_seconds", { state: "RUNNING" })).toEqual([]);
    expect(read("job_slo_max_lag_seconds", { state: "STOPPED" }, {}, { slo })).toEqual([]);
    expect(read("job_slo_max_lag_seconds", { state: "RUNNING" }, {}, { slo, desiredState: "Paused" })).toEqual([]);
    const checkpoint = { interval: "0s" };
    expect(read("job_checkpoint_max_age_seconds", {}, {}, { checkpoint })).toEqual([]);
  });

  it("come from the workers at work: one that is through with its input has none, and hides no other's", () => {
    const pod = (epoch: number, slot: number, phase: "Running" | "Succeeded"): PodObject => {
      const labels = { [LABEL.epoch]: String(epoch), [LABEL.slot]: String(slot), [LABEL.attempt]: "0" };
      return { apiVersion: "v1", kind: "Pod", metadata: { name: `j-${epoch}-${slot}`, labels }, status: { phase } };
    };
    const job = { ...datagenJob("j"), status: { epoch: 2, parallelism: { effective: 3 } } };
    const gone = pod(1, 0, "Succeeded");
    expect(workersAtWork(job, [gone, pod(2, 0, "Succeeded"), pod(2, 1, "Running"), pod(2, 2, "Running")])).toBe(2);
    expect(workersAtWork(job, [gone])).toBe(3);
  });

  it("show each condition with its status", () => {
    const made = { observedGeneration: 1, lastTransitionTime: "2026-01-01T00:00:00Z", message: "" };
    const conditions = [{ ...made, type: "StateSafe", status: "False" as const, reason: "NotDurable" }];
    expect(read("job_condition", { conditions })).toEqual([
      { labels: { condition: "StateSafe", status: "False" }, value: 1 },
    ]);
  });

  it("say how long the operation in flight takes, and nothing when there is none", () => {
    const startedAt = new Date(48_000).toISOString();
    const operation = { id: "scale-1-x", type: "Scale", step: "Savepoint", startedAt } as const;
    expect(read("job_operation_seconds", { operation })).toEqual([{ labels: { operation: "Scale" }, value: 12 }]);
    expect(read("job_operation_seconds", {})).toEqual([]);
    expect(read("job_restarts_total", {})).toEqual([{ labels: {}, value: 0 }]);
  });
});
