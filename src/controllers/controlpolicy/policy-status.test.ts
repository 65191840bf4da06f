import { describe, expect, it } from "vitest";
import { datagenJob } from "../../../test/builders/datagen-job.ts";
import type { PolicyObject } from "../caches.ts";
import { policyView } from "../selection.ts";
import type { JobObject } from "../weir-resources.ts";
import { policyStatus } from "./policy-status.ts";

const rule = { name: "up", condition: "event.payload.lag > 10", action: "Scale", params: { parallelism: 4 } };
const policy = (name: string, spec: object = {}): PolicyObject => ({
  apiVersion: "weir.dev/v1alpha1",
  kind: "ControlPolicy",
  metadata: { name, namespace: "default", uid: name, generation: 2 },
  spec: { jobs: ["a", "b"], rules: [rule], ...spec },
});
const job = (name: string, state?: "Firing" | "CoolingDown", firedAt?: string): JobObject => ({
  ...datagenJob(name),
  status:
    state === undefined
      ? {}
      : { policy: { rules: [{ policy: "p", rule: "up", state, ...(firedAt === undefined ? {} : { firedAt }) }] } },
});
const view = (jobs: JobObject[], of = policy("p"), all = [of]) =>
  policyStatus({
    policy: of,
    now: 0,
    jobs: jobs.map((j) => ({ job: j, policies: all.flatMap((p) => policyView(p) ?? []) })),
  });
const condition = (status: ReturnType<typeof view>, type: string) => status.conditions?.find((c) => c.type === type);

describe("a policy's status", () => {
  it("counts its rules over the jobs and names the one that fired last", () => {
    const status = view([job("a", "Firing", "2026-01-01T00:00:00Z"), job("b", "CoolingDown", "2026-01-02T00:00:00Z")]);
    expect(status).toMatchObject({ matchedJobs: 2, observedGeneration: 2 });
    expect(status.rules).toEqual([
      {
        name: "up",
        inactive: 0,
        pending: 0,
        firing: 1,
        coolingDown: 1,
        lastFired: { job: "b", at: "2026-01-02T00:00:00Z", outcome: "Applied" },
      },
    ]);
    expect(condition(status, "Ready")).toMatchObject({ status: "True", reason: "Evaluating" });
  });

  it("says that no job is selected, that it only watches, or that it is off", () => {
    expect(condition(view([]), "Ready")?.reason).toBe("NoMatchingJobs");
    expect(condition(view([job("a")], policy("p", { mode: "DryRun" })), "Ready")?.reason).toBe("DryRun");
    expect(condition(view([job("a")], policy("p", { mode: "Disabled" })), "Ready")?.reason).toBe("Disabled");
  });

  it("stalls with the expression that does not parse", () => {
    const broken = policy("p", { rules: [{ ...rule, condition: "event.payload.lag >" }] });
    expect(condition(view([job("a")], broken), "Stalled")).toMatchObject({ reason: "InvalidExpression" });
  });

  it("tells the later of two policies that want the same of one job", () => {
    const [first, second] = [policy("p"), policy("q")];
    expect(condition(view([job("a")], second, [first, second]), "Stalled")).toMatchObject({ reason: "PolicyConflict" });
    expect(condition(view([job("a")], first, [first, second]), "Stalled")).toBeUndefined();
  });
});
