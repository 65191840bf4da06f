import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { datagenJob } from "../builders/datagen-job.ts";
import { farSchedule } from "../builders/far-schedule.ts";
import type { Seen, SeenKind, UserCluster } from "../servers/user-cluster.ts";
import { condition, startUserCluster, told } from "../servers/user-cluster.ts";

let cluster: UserCluster;

beforeAll(async () => {
  cluster = await startUserCluster();
  await cluster.apply(datagenJob("steady"), datagenJob("contested"));
  for (const name of ["steady", "contested"]) {
    await cluster.until("StreamingJob", name, (job) => condition(job, "Checkpointing")?.status === "True");
  }
});
afterAll(() => cluster.stop());

const object = (kind: SeenKind, name: string, spec: object): object => ({
  apiVersion: "weir.dev/v1alpha1",
  kind,
  metadata: { name, namespace: "default" },
  spec,
});
const policy = (name: string, spec: object): object => object("ControlPolicy", name, { jobs: ["steady"], ...spec });
const window = (spec: object): object =>
  object("MaintenanceWindow", "nightly", { jobs: ["steady"], duration: "1h", ...spec });
const scale = (name: string, condition: string, parallelism = "2"): object => ({
  name,
  condition,
  action: "Scale",
  params: { parallelism },
});
const current = async (kind: SeenKind, name: string): Promise<Seen> => {
  const { metadata } = await cluster.see(kind, name);
  return cluster.until(kind, name, (o) => o.status?.observedGeneration === metadata.generation);
};

describe("a policy", () => {
  const never = "event.type == 'metrics' && event.payload.lag > 1000000000";

  it.each([
    [
      "ends too early",
      { rules: [scale("bad", "event.type == 'metrics' && ")] },
      /rules\[bad\].*line 1, column \d+: the expression ends/,
    ],
    ["misspells a field", { rules: [scale("bad", "event.tpye == 'metrics'")] }, /rules\[bad\].*did you mean "type"\?/],
    ["misspells a variable", { stopWhen: "evnt.type == 'x'" }, /spec\.stopWhen: .*did you mean "event"\?/],
    ["scales to a word", { rules: [scale("bad", never, "lots")] }, /rules\[bad\].*there is no variable "lots"/],
  ])("whose expression %s is told so in its conditions, and its job runs on", async (_, spec, says) => {
    expect(await cluster.apply(policy("odd", spec))).toMatchObject({ code: 0 });
    const seen = await current("ControlPolicy", "odd");
    expect(condition(seen, "Stalled")).toMatchObject({ status: "True", reason: "InvalidExpression" });
    expect(condition(seen, "Stalled")?.message).toMatch(says);
    await cluster.until("StreamingJob", "steady", (job) => condition(job, "Ready")?.status === "True");
  });

  it("with a broken rule goes on with its others, and says so", async () => {
    const rules = [
      scale("broken", "event.tpye == 'metrics'"),
      { name: "tell", condition: "event.type == 'metrics'", action: "Notify" },
    ];
    await cluster.apply(policy("odd", { rules }));
    expect(condition(await current("ControlPolicy", "odd"), "Stalled")?.message).toMatch(
      /the other rules are in force$/,
    );
    const job = await cluster.until("StreamingJob", "steady", (j) => (j.status?.decisions ?? []).length > 0);
    expect(job.status?.decisions?.[0]).toMatchObject({ policy: "odd", rule: "tell", outcome: "Applied" });
  });

  it("that is corrected is in force again", async () => {
    await cluster.apply(policy("odd", { rules: [scale("good", never)] }));
    const seen = await current("ControlPolicy", "odd");
    expect(told(seen, "Ready")).toBe("Ready=True Evaluating: in force for 1 job");
    expect(told(seen, "Stalled")).toBe("");
    await cluster.remove("ControlPolicy", "odd");
  });

  it("that scales without saying to what is refused by kubectl apply", async () => {
    const rules = [{ name: "up", condition: never, action: "Scale" }];
    const { code, stderr } = await cluster.apply(policy("odd", { rules }));
    expect(code).toBe(1);
    expect(stderr).toMatch(/spec\.rules\[0\]:.*action Scale needs params\.parallelism/);
  });

  it("against another one of equal priority is told so, and the decision says which of them won", async () => {
    const always = "event.type == 'metrics' && event.payload.lag >= 0";
    const both = ["first", "second"].map((name, i) =>
      policy(name, { jobs: ["contested"], rules: [scale("up", always, `${i + 2}`)] }),
    );
    await cluster.apply(...both);
    const second = await cluster.until("ControlPolicy", "second", (p) => told(p, "Stalled") !== "");
    expect(condition(second, "Stalled")).toMatchObject({ reason: "PolicyConflict" });
    expect(condition(second, "Stalled")?.message).toMatch(
      /job "contested" has two policies of priority 0 with action Scale: "first" and "second"; give one a higher spec\.priority/,
    );
    const ofLoser = (job: Seen) => job.status?.decisions?.find((d) => d.outcome === "Suppressed");
    const job = await cluster.until("StreamingJob", "contested", (j) => ofLoser(j) !== undefined);
    expect(ofLoser(job)?.reason).toMatch(/policy\/(first|second)\/up|operation Scale is in flight/);
    await cluster.until("StreamingJob", "contested", (j) => j.status?.parallelism?.ready === 3);
    await cluster.apply(policy("second", { jobs: ["contested"], priority: 1, rules: [scale("up", always, "3")] }));
    expect(told(await current("ControlPolicy", "second"), "Stalled")).toBe("");
  });
});

describe("a maintenance window", () => {
  it.each([
    ["a minute that is none", { schedule: "61 2 * * *" }, 'spec.schedule: "61" is no minute (0-59) in "61 2 * * *"'],
    ["a day that never comes", { schedule: "0 2 30 2 *" }, 'spec.schedule: "0 2 30 2 *" never comes'],
    [
      "an unknown time zone",
      { schedule: "0 2 * * *", timeZone: "Europe/Berln" },
      'spec.timeZone: "Europe/Berln" is not a known IANA time zone; write one such as Europe/Berlin',
    ],
  ])("with %s is told so in its conditions", async (_, spec, says) => {
    expect(await cluster.apply(window(spec))).toMatchObject({ code: 0 });
    const seen = await current("MaintenanceWindow", "nightly");
    expect(condition(seen, "Stalled")).toMatchObject({ status: "True", reason: "InvalidSpec" });
    expect(condition(seen, "Stalled")?.message).toContain(says);
  });

  it("with a schedule in words is refused by kubectl apply", async () => {
    const { code, stderr } = await cluster.apply(window({ schedule: "every night" }));
    expect(code).toBe(1);
    expect(stderr).toMatch(/spec\.schedule: Invalid value: "every night"/);
  });

  it("that no policy reacts to says so, until one does", async () => {
    await cluster.apply(window({ schedule: farSchedule() }));
    const idle = await current("MaintenanceWindow", "nightly");
    expect(condition(idle, "Ready")).toMatchObject({ status: "True", reason: "Scheduled" });
    expect(condition(idle, "NoConsumer")).toMatchObject({ status: "True", reason: "NobodyReacts" });
    expect(condition(idle, "NoConsumer")?.message).toContain("add a ControlPolicy with stopWhen");
    await cluster.apply(policy("stopper", { stopWhen: "event.type == 'maintenance.window.start'" }));
    await cluster.until("MaintenanceWindow", "nightly", (w) => condition(w, "NoConsumer")?.status === "False");
  });

  it("that selects no job says so", async () => {
    await cluster.apply(window({ jobs: ["nobody"], schedule: farSchedule() }));
    const seen = await current("MaintenanceWindow", "nightly");
    expect(condition(seen, "NoConsumer")?.message).toContain("no job of this namespace is selected");
  });
});
