import { describe, expect, it } from "vitest";
import type { PolicyRule } from "../api/control-policy.schema.ts";
import { bench, policyView } from "../../test/builders/policy-input.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** The seed's own rule, word for word. */
const SCALE_ON_LAG: PolicyRule = {
  name: "scale-on-lag",
  condition: "event.type == 'metrics' && event.payload.lag > 10000",
  action: "scale",
  params: { parallelism: "4" },
};
const scaleOnLag = (more: Partial<PolicyRule> = {}) => policyView({ rules: [{ ...SCALE_ON_LAG, ...more }] });
const maintenance = {
  stopWhen: "event.type == 'maintenance.window.start'",
  restartWhen: "event.type == 'maintenance.window.end'",
};
const window = (name: string, start: string, end: string) => ({ name, spec: { jobs: ["etl"], start, end } });

const lastReason = (b: ReturnType<typeof bench>): string => b.memory.decisions?.at(-1)?.reason ?? "";

describe("the seed's rule", () => {
  it("scales to 4 when the lag is above 10000, and says why", () => {
    const b = bench([scaleOnLag()]);
    b.metrics(10_000);
    expect(b.intents).toEqual([]);
    b.after(2 * SECOND).metrics(10_001);
    expect(b.intents).toEqual(["scale 4"]);
    expect(b.memory.decisions).toMatchObject([
      {
        policy: "keep-up",
        rule: "scale-on-lag",
        outcome: "Applied",
        inputs: 'event.type="metrics", event.payload.lag=10001',
      },
    ]);
    expect(lastReason(b)).toContain("scale from 1 to 4");
  });

  it("does nothing more while it holds", () => {
    const b = bench([scaleOnLag()]);
    for (let i = 0; i < 100; i++) b.after(2 * SECOND).metrics(50_000);
    expect(b.intents).toEqual(["scale 4"]);
  });

  it("fires again after it cleared", () => {
    const b = bench([scaleOnLag()]);
    b.metrics(20_000);
    b.after(SECOND).metrics(5);
    b.job = { ...b.job, parallelism: 1, overrides: [] };
    b.after(SECOND).metrics(20_000);
    expect(b.intents).toEqual(["scale 4", "scale 4"]);
    const ids = b.memory.decisions?.map((d) => d.actionId);
    expect(new Set(ids).size).toBe(ids?.length);
  });
});

describe("time in rules", () => {
  it("waits `for` as long as the condition must hold, and starts over when it stops holding", () => {
    const b = bench([scaleOnLag({ for: "30s" })]);
    b.metrics(20_000);
    b.after(20 * SECOND).metrics(1);
    b.after(2 * SECOND).metrics(20_000);
    b.after(29 * SECOND).metrics(20_000);
    expect(b.intents).toEqual([]);
    b.after(SECOND).metrics(20_000);
    expect(b.intents).toEqual(["scale 4"]);
  });

  it("asks to be evaluated when `for` is over, and fires then without an event", () => {
    const b = bench([scaleOnLag({ for: "30s" })]);
    const { nextEvaluationAt } = b.metrics(20_000);
    expect(nextEvaluationAt).toBe(b.now + 30 * SECOND);
    b.after(30 * SECOND).step();
    expect(b.intents).toEqual(["scale 4"]);
  });

  it("keeps `for` over an operator's restart: the state is all in the memory", () => {
    const b = bench([scaleOnLag({ for: "30s" })]);
    b.metrics(20_000);
    const later = bench([scaleOnLag({ for: "30s" })]);
    Object.assign(later, { memory: structuredClone(b.memory), now: b.now + 30 * SECOND });
    later.metrics(20_000);
    expect(later.intents).toEqual(["scale 4"]);
  });

  it("is not reset by events that its condition cannot be about", () => {
    const b = bench([scaleOnLag({ for: "30s" })]);
    b.metrics(20_000);
    b.after(15 * SECOND).step({ type: "started" });
    b.after(15 * SECOND).metrics(20_000);
    expect(b.intents).toEqual(["scale 4"]);
  });

  it("cools down between two actions", () => {
    const b = bench([scaleOnLag({ params: { parallelism: "job.parallelism * 2" }, cooldown: "3m" })]);
    for (let t = 0; t <= 6 * MINUTE; t += 2 * SECOND) b.after(t === 0 ? 0 : 2 * SECOND).metrics(20_000);
    expect(b.intents).toEqual(["scale 2", "scale 4", "scale 8"]);
  });

  it("keeps firing until the clear condition holds", () => {
    const b = bench([scaleOnLag({ clearCondition: "event.payload.lag < 2000" })]);
    for (const lag of [20_000, 5_000, 20_000, 3_000, 20_000]) b.after(SECOND).metrics(lag);
    expect(b.intents).toEqual(["scale 4"]);
    b.after(SECOND).metrics(1_000);
    b.job = { ...b.job, parallelism: 1, overrides: [] };
    b.after(SECOND).metrics(20_000);
    expect(b.intents).toEqual(["scale 4", "scale 4"]);
  });
});

describe("missing data", () => {
  it.each([
    ["Hold", []],
    ["Clear", []],
    ["Fire", ["scale 4"]],
  ] as const)("with onMissingData %s leads to %j", (onMissingData, intents) => {
    const b = bench([scaleOnLag({ onMissingData })]);
    b.metrics(null);
    expect(b.intents).toEqual(intents);
  });

  it("does not end a pending wait: unknown is not false", () => {
    const b = bench([scaleOnLag({ for: "30s" })]);
    b.metrics(20_000);
    b.after(10 * SECOND).metrics(null);
    b.after(20 * SECOND).metrics(20_000);
    expect(b.intents).toEqual(["scale 4"]);
  });
});

describe("a value that is not known", () => {
  it.each([null, undefined, NaN, "a text"])("is unknown, not below a threshold: %s", (lag) => {
    const below: PolicyRule = { ...SCALE_ON_LAG, condition: "!(event.payload.lag > 10000)" };
    const b = bench([policyView({ rules: [below] })]);
    b.metrics(lag);
    expect(b.intents).toEqual([]);
    expect(b.memory.policy?.rules?.[0]?.state).toBe("Inactive");
  });

  it("neither fires a rule whose wait is over nor starts the wait again", () => {
    const b = bench([scaleOnLag({ for: "30s" })]);
    b.metrics(20_000);
    for (let i = 0; i < 30; i++) b.after(2 * SECOND).metrics(null);
    expect(b.intents).toEqual([]);
    b.after(2 * SECOND).metrics(20_000);
    expect(b.intents).toEqual(["scale 4"]);
  });

  it("does not end a cool-down: the rule goes on when the value is back", () => {
    const b = bench([scaleOnLag({ cooldown: "1m" })]);
    b.metrics(20_000);
    for (let i = 0; i < 60; i++) b.after(2 * SECOND).metrics(null);
    expect(b.memory.policy?.rules?.[0]?.state).toBe("CoolingDown");
  });
});

describe("a person's own change", () => {
  const doubling = scaleOnLag({ params: { parallelism: "job.parallelism * 2" }, cooldown: "1m" });
  const byVerb = (b: ReturnType<typeof bench>, parallelism: number): void => {
    const override = {
      field: "parallelism",
      value: String(parallelism),
      by: "verb/scale=1",
      since: new Date(b.now).toISOString(),
    };
    b.job = { ...b.job, parallelism, overrides: [override] };
  };
  const lagFor = (b: ReturnType<typeof bench>, minutes: number, lag = 20_000): void => {
    for (let t = 0; t < minutes * MINUTE; t += 2 * SECOND) b.after(2 * SECOND).metrics(lag);
  };

  it.each([
    ["by a verb", byVerb],
    [
      "in the spec",
      (b: ReturnType<typeof bench>, parallelism: number) => (b.job = { ...b.job, parallelism, overrides: [] }),
    ],
  ])("%s beats the rule until its condition has cleared and fired again", (_how, change) => {
    const b = bench([doubling]);
    b.metrics(20_000);
    b.after(10 * SECOND);
    change(b, 3);
    lagFor(b, 5);
    expect(b.intents).toEqual(["scale 2"]);
    expect(lastReason(b)).toContain("set the parallelism to 3; the rule waits until its condition has cleared");
    lagFor(b, 2, 1);
    lagFor(b, 1);
    expect(b.intents).toEqual(["scale 2", "scale 6"]);
  });

  it("is not seen in the change that another policy made", () => {
    const other = policyView(
      {
        rules: [{ ...SCALE_ON_LAG, name: "big", condition: "event.payload.lag > 50000", params: { parallelism: "8" } }],
      },
      { name: "rush", uid: "r" },
    );
    const b = bench([doubling, other]);
    b.metrics(20_000);
    b.after(10 * SECOND).metrics(60_000);
    lagFor(b, 2);
    expect(b.intents).toEqual(["scale 2", "scale 8", "scale 16"]);
  });
});

describe("maintenance windows", () => {
  const w = window("night", "2026-03-02T09:00:00Z", "2026-03-02T10:00:00Z");
  const at = (b: ReturnType<typeof bench>, time: string) => Object.assign(b, { now: Date.parse(time) });

  it("stop the job once at their start and start it once at their end", () => {
    const b = bench([policyView(maintenance)], { windows: [w] });
    expect(b.step().nextEvaluationAt).toBe(Date.parse("2026-03-02T09:00:00Z"));
    for (const time of ["09:00", "09:30", "09:59", "10:00", "10:30"]) at(b, `2026-03-02T${time}:00Z`).step();
    expect(b.intents).toEqual(["stop", "start"]);
  });

  it("overlap as one level: the first to open starts it, the last to close ends it", () => {
    const other = window("deploy", "2026-03-02T09:30:00Z", "2026-03-02T11:00:00Z");
    const b = bench([policyView(maintenance)], { windows: [w, other] });
    for (const time of ["09:00", "09:30", "10:00"]) at(b, `2026-03-02T${time}:00Z`).step();
    expect(b.intents).toEqual(["stop"]);
    at(b, "2026-03-02T11:00:00Z").step();
    expect(b.intents).toEqual(["stop", "start"]);
  });

  it("leave a job stopped that a person stopped", () => {
    const stopped = { desiredState: "Stopped" as const, state: "STOPPED" };
    const b = bench([policyView(maintenance)], { windows: [w], job: stopped });
    for (const time of ["09:00", "10:00"]) at(b, `2026-03-02T${time}:00Z`).step();
    expect(b.intents).toEqual([]);
    expect(lastReason(b)).toContain("this policy did not stop the job");
  });

  it("that the operator slept through cause nothing", () => {
    const b = bench([policyView(maintenance)], { windows: [w] });
    b.step();
    at(b, "2026-03-02T12:00:00Z").step();
    expect(b.intents).toEqual([]);
  });

  it("end although the operator was away at their end", () => {
    const b = bench([policyView(maintenance)], { windows: [w] });
    at(b, "2026-03-02T09:10:00Z").step();
    at(b, "2026-03-03T09:10:00Z").step();
    expect(b.intents).toEqual(["stop", "start"]);
  });

  it("wait with the start while an operation is in flight, and lose nothing", () => {
    const b = bench([policyView(maintenance)], { windows: [w] });
    at(b, "2026-03-02T09:00:00Z").step();
    b.job = { ...b.job, operation: "Stop" };
    const { nextEvaluationAt } = at(b, "2026-03-02T10:00:00Z").step();
    expect(b.intents).toEqual(["stop"]);
    expect(nextEvaluationAt).toBeDefined();
    b.job = { ...b.job, operation: undefined };
    b.after(SECOND).step();
    expect(b.intents).toEqual(["stop", "start"]);
  });
});

describe("arbitration", () => {
  const rule = (name: string, parallelism: string): PolicyRule => ({ ...SCALE_ON_LAG, name, params: { parallelism } });

  it("takes the highest of several scale rules and records the losers", () => {
    const b = bench([policyView({ rules: [rule("a", "3"), rule("b", "8")] })]);
    for (let i = 0; i < 20; i++) b.after(SECOND).metrics(20_000);
    expect(b.intents).toEqual(["scale 8"]);
    expect(b.memory.decisions?.map((d) => [d.rule, d.outcome])).toEqual([
      ["b", "Applied"],
      ["a", "Suppressed"],
    ]);
  });

  it("lets a lower rule not take turns with a higher one that still holds", () => {
    const b = bench([
      policyView({
        rules: [
          { ...rule("a", "3"), cooldown: "10s" },
          { ...rule("b", "8"), cooldown: "10s" },
        ],
      }),
    ]);
    for (let i = 0; i < 200; i++) b.after(SECOND).metrics(20_000);
    expect(b.intents).toEqual(["scale 8"]);
  });

  it("puts a stop before a scale", () => {
    const stop: PolicyRule = { name: "stop", condition: "event.payload.lag > 15000", action: "Stop" };
    const b = bench([policyView({ rules: [SCALE_ON_LAG, stop] })]);
    b.metrics(20_000);
    expect(b.intents).toEqual(["stop"]);
  });

  it("tells two policies of equal priority that they conflict, and still decides by name", () => {
    const b = bench([
      policyView({ rules: [rule("up", "4")] }, { name: "zeta", uid: "z" }),
      policyView({ rules: [rule("up", "4")] }, { name: "alpha", uid: "a" }),
    ]);
    const { problems } = b.metrics(20_000);
    expect(problems).toMatchObject([{ policy: "zeta", code: "POLICY_CONFLICT" }]);
    expect(problems[0]?.message).toContain('"alpha" and "zeta"; give one a higher spec.priority');
    expect(b.job.overrides[0]?.by).toBe("policy/alpha/up");
  });

  it("lets priority decide without a conflict", () => {
    const b = bench([
      policyView({ rules: [rule("up", "4")], priority: 1 }, { name: "zeta", uid: "z" }),
      policyView({ rules: [rule("up", "4")] }, { name: "alpha", uid: "a" }),
    ]);
    expect(b.metrics(20_000).problems).toEqual([]);
    expect(b.job.overrides[0]?.by).toBe("policy/zeta/up");
  });
});

describe("a clock that is set back", () => {
  const back = -3 * HOUR;

  it("does not make a rule miss its next firing: a maintenance still stops the job, and starts it again", () => {
    const b = bench([policyView(maintenance)], {
      windows: [
        window("late", "2026-03-02T08:10:00Z", "2026-03-02T08:20:00Z"),
        window("early", "2026-03-02T05:40:00Z", "2026-03-02T05:50:00Z"),
      ],
    });
    for (const ms of [0, 11 * MINUTE, 10 * MINUTE]) b.after(ms).step();
    expect(b.intents).toEqual(["stop", "start"]);
    for (const ms of [back, 21 * MINUTE, 10 * MINUTE]) b.after(ms).step();
    expect(b.intents).toEqual(["stop", "start", "stop", "start"]);
  });

  it("does not make a rule act again in the firing that it acted in", () => {
    const b = bench([scaleOnLag()]);
    b.metrics(20_000);
    b.after(SECOND).metrics(1);
    b.job = { ...b.job, parallelism: 1, overrides: [] };
    b.after(back).metrics(20_000);
    b.after(SECOND).metrics(20_000);
    expect(b.intents).toEqual(["scale 4", "scale 4"]);
  });

  it.each([
    ["that has acted", undefined, ["scale 4"]],
    ["whose action is still to be taken", "Upgrade", []],
  ])("does not leave a rule %s firing since a time to come, nor has it act again", (_, operation, intents) => {
    const b = bench([scaleOnLag()], { job: { operation } });
    b.metrics(20_000);
    for (const event of ["metrics", "checkpoint", "metrics"]) {
      b.after(event === "checkpoint" ? back : SECOND).step({ type: event, payload: { lag: 20_000 } });
      const { firingSince = "", firedAt = firingSince, ...rule } = b.memory.policy?.rules?.[0] ?? {};
      expect(rule).toMatchObject({ state: "Firing", firings: 1 });
      expect(Math.max(Date.parse(firingSince), Date.parse(firedAt))).toBeLessThanOrEqual(b.now);
      expect(b.intents).toEqual(intents);
    }
    b.job = { ...b.job, operation: undefined };
    b.step();
    expect(b.intents).toEqual(["scale 4"]);
  });

  it("does not begin a firing ahead of it, behind an action of later", () => {
    const b = bench([scaleOnLag()]);
    b.metrics(20_000);
    b.after(SECOND).metrics(1);
    b.job = { ...b.job, parallelism: 1, overrides: [] };
    b.after(back).metrics(20_000);
    const rule = b.memory.policy?.rules?.[0];
    expect(rule).toMatchObject({ firings: 2, firingSince: new Date(b.now).toISOString() });
    expect(b.intents).toEqual(["scale 4", "scale 4"]);
  });

  it("does not prolong `for`, a cool-down or the limit of an hour", () => {
    const waiting = bench([scaleOnLag({ for: "30s" })]);
    waiting.metrics(20_000);
    waiting.after(back).metrics(20_000);
    waiting.after(30 * SECOND).metrics(20_000);
    expect(waiting.intents).toEqual(["scale 4"]);

    const cooling = bench([
      policyView({ rules: [{ ...SCALE_ON_LAG, cooldown: "1m" }], limits: { actionsPerHour: 1 } }),
    ]);
    cooling.metrics(20_000);
    cooling.job = { ...cooling.job, parallelism: 1, overrides: [] };
    cooling.after(back).metrics(1);
    cooling.after(MINUTE).metrics(20_000);
    expect(cooling.intents).toEqual(["scale 4", "scale 4"]);
  });
});

describe("limits and modes", () => {
  it("clamp the target to the policy's and the job's limits", () => {
    const b = bench([
      policyView({ rules: [{ ...SCALE_ON_LAG, params: { parallelism: "100" } }], limits: { maxParallelism: 6 } }),
    ]);
    b.metrics(20_000);
    expect(b.intents).toEqual(["scale 6"]);
    expect(lastReason(b)).toContain("100 limited to 6");
  });

  it("bound the actions of an hour for a metric that flaps every 30 s", () => {
    const b = bench([policyView({ rules: [SCALE_ON_LAG], limits: { actionsPerHour: 6 } })]);
    for (let t = 0; t < 60 * MINUTE; t += 30 * SECOND) {
      b.after(30 * SECOND).metrics((t / 30 / SECOND) % 2 === 0 ? 20_000 : 1);
      b.job = { ...b.job, parallelism: 1, overrides: [] };
    }
    expect(b.intents.length).toBe(6);
    expect(b.memory.decisions?.some((d) => d.reason.includes("limit of 6 actions an hour"))).toBe(true);
  });

  it("never fire for a metric that flaps every 30 s with `for: 2m`", () => {
    const b = bench([scaleOnLag({ for: "2m" })]);
    for (let t = 0; t < 120; t++) b.after(30 * SECOND).metrics(t % 2 === 0 ? 20_000 : 1);
    expect(b.intents).toEqual([]);
  });

  it("only record in DryRun, and do nothing when Disabled", () => {
    const dry = bench([policyView({ mode: "DryRun", rules: [SCALE_ON_LAG] })]);
    dry.metrics(20_000);
    expect(dry.intents).toEqual([]);
    expect(dry.memory.decisions).toMatchObject([{ outcome: "DryRun" }]);
    const off = bench([policyView({ mode: "Disabled", rules: [SCALE_ON_LAG] })]);
    off.metrics(20_000);
    expect(off.memory.decisions ?? []).toEqual([]);
  });

  it("say what a wrong parallelism expression gave", () => {
    const b = bench([scaleOnLag({ params: { parallelism: "job.parallelism / 2" } })]);
    b.metrics(20_000);
    expect(b.memory.decisions).toMatchObject([{ outcome: "Failed" }]);
    expect(lastReason(b)).toContain('"job.parallelism / 2" gave 0');
  });
});

describe("a broken rule", () => {
  it.each([
    ["event.payloads.lag > 1", 'did you mean "payload"?'],
    ["event.type == 5", "== does not take string and int"],
    ["job.parallel > 1", 'the schema has no field "parallel" here'],
    ["job.parallelism * 2", "the condition must be true or false"],
  ])("is told what is wrong with %s", (condition, part) => {
    const b = bench([policyView({ rules: [{ ...SCALE_ON_LAG, condition }] })]);
    expect(b.metrics(20_000).problems[0]?.message).toContain(part);
  });

  it("is a problem of its policy and does not stop the others", () => {
    const broken: PolicyRule = { ...SCALE_ON_LAG, name: "typo", condition: "evnt.type == 'metrics'" };
    const b = bench([policyView({ rules: [broken, SCALE_ON_LAG] })]);
    const { problems } = b.metrics(20_000);
    expect(b.intents).toEqual(["scale 4"]);
    expect(problems).toMatchObject([{ policy: "keep-up", rule: "typo", code: "EXPRESSION_INVALID" }]);
    expect(problems[0]?.message).toContain('rule "typo"');
  });
});
