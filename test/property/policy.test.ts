import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PolicyRule } from "../../src/api/control-policy.schema.ts";
import { evaluatePolicies } from "../../src/policy/evaluate-policies.ts";
import type { PolicyInput } from "../../src/policy/input.ts";
import { maintenanceStep } from "../../src/policy/maintenance.ts";
import { nextEdge, windowState } from "../../src/policy/schedule-window.ts";
import { START, bench, jobView, policyView } from "../builders/policy-input.ts";

const SECOND = 1000;
const HOUR = 3600 * SECOND;

const duration = fc.integer({ min: 0, max: 300 }).map((s) => `${s}s`);
const rule: fc.Arbitrary<PolicyRule> = fc.record({
  name: fc.constant("lag"),
  condition: fc.constant("event.type == 'metrics' && event.payload.lag > 10000"),
  action: fc.constantFrom("Scale", "Restart", "Savepoint"),
  params: fc.constantFrom({ parallelism: 4 }, { parallelism: "min(job.parallelism * 2, 16)" }),
  for: duration,
  cooldown: duration,
  onMissingData: fc.constantFrom("Hold", "Fire", "Clear"),
});
/** Lags of an hour, one every 30 s: crossing the threshold often, sometimes unknown. */
const hour = fc.array(fc.constantFrom(20_000, 20_000, 1, 1, null), { minLength: 120, maxLength: 120 });

function hourOf(lags: readonly (number | null)[], b: ReturnType<typeof bench>): number[] {
  const acted: number[] = [];
  for (const lag of lags) {
    const before = b.intents.length;
    b.after(30 * SECOND).metrics(lag);
    if (b.intents.length > before) acted.push(b.now);
    b.job = { ...b.job, parallelism: 1, overrides: [] };
  }
  return acted;
}

describe("policies under any metrics", () => {
  it("never act more often in an hour than their limit", () => {
    fc.assert(
      fc.property(rule, hour, hour, fc.integer({ min: 0, max: 8 }), (r, first, second, actionsPerHour) => {
        const b = bench([policyView({ rules: [r], limits: { actionsPerHour } })]);
        const acted = hourOf([...first, ...second], b);
        for (const at of acted)
          expect(acted.filter((t) => t > at - HOUR && t <= at).length).toBeLessThanOrEqual(actionsPerHour);
      }),
      { numRuns: 300 },
    );
  });

  it("leave at least the cool-down between two actions of a rule", () => {
    fc.assert(
      fc.property(rule, hour, fc.integer({ min: 31, max: 600 }), (r, lags, seconds) => {
        const b = bench([policyView({ rules: [{ ...r, cooldown: `${seconds}s` }] })]);
        const acted = hourOf(lags, b);
        for (const [i, at] of acted.entries())
          expect(at - (acted[i - 1] ?? -Infinity)).toBeGreaterThanOrEqual(seconds * SECOND);
      }),
      { numRuns: 300 },
    );
  });

  it("never act on a metric that holds for less than `for`, whatever else the rule says", () => {
    fc.assert(
      fc.property(rule, fc.integer({ min: 1, max: 3 }), (r, held) => {
        const lags = Array.from({ length: 240 }, (_, i) => (i % (held + 1) === held ? 1 : 20_000));
        const b = bench([policyView({ rules: [{ ...r, for: "2m" }] })]);
        expect(hourOf(lags, b)).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  it("decide the same again from the same input, and give every action an id of its own", () => {
    fc.assert(
      fc.property(rule, hour, (r, lags) => {
        const policies = [policyView({ rules: [r] })];
        const ids: string[] = [];
        let memory: PolicyInput["memory"] = { policy: undefined, decisions: undefined, maintenance: undefined };
        for (const [i, lag] of lags.entries()) {
          const now = START + i * 30 * SECOND;
          const events = [{ type: "metrics", time: now, payload: { lag } }];
          const input: PolicyInput = { now, job: jobView(), policies, windows: [], memory, events };
          const output = evaluatePolicies(input);
          expect(evaluatePolicies(structuredClone(input))).toEqual(output);
          ids.push(...output.intents.map((intent) => intent.actionId));
          memory = JSON.parse(JSON.stringify(output.memory)) as PolicyInput["memory"];
        }
        expect(new Set(ids).size).toBe(ids.length);
        expect(memory.decisions?.length ?? 0).toBeLessThanOrEqual(20);
      }),
      { numRuns: 200 },
    );
  });
});

describe("maintenance windows of a job", () => {
  const schedule = fc
    .tuple(fc.integer({ min: 0, max: 59 }), fc.integer({ min: 0, max: 23 }), fc.integer({ min: 1, max: 40 }))
    .map(([minute, hourOfDay, hours]) => ({
      jobs: ["etl"],
      schedule: `${minute} ${hourOfDay} * * *`,
      duration: `${hours}h`,
    }));
  const single = fc.tuple(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 1, max: 100 })).map(([from, hours]) => ({
    jobs: ["etl"],
    start: new Date(START + from * HOUR).toISOString(),
    duration: `${hours}h`,
  }));
  const windows = fc
    .array(fc.oneof(schedule, single), { maxLength: 4 })
    .map((specs) => specs.map((spec, i) => ({ name: `w${i}`, spec })));

  it("start and end by turns, whenever they are looked at and whatever overlaps", () => {
    const looks = fc.array(fc.integer({ min: 1, max: 20 * HOUR }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(windows, looks, (chosen, steps) => {
        let now = START;
        let level: Parameters<typeof maintenanceStep>[1];
        const edges: string[] = [];
        for (const step of steps) {
          now += step;
          const { maintenance, event } = maintenanceStep(chosen, level, now);
          if (event !== undefined) edges.push(event.type);
          expect(maintenance.active).toBe(chosen.some(({ spec }) => windowState(spec, now).active));
          level = JSON.parse(JSON.stringify(maintenance)) as typeof maintenance;
        }
        const alternating = edges.map((_, i) => `maintenance.window.${i % 2 === 0 ? "start" : "end"}`);
        expect(edges).toEqual(alternating);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Pacific/Apia",
  ])("open once on each local day of 2028, a leap year, in %s, also where the clocks change", (timeZone) => {
    const day = new Intl.DateTimeFormat("sv", { timeZone, dateStyle: "short" });
    for (const time of ["0 0", "30 1", "15 2", "59 2", "0 3", "59 23"]) {
      const spec = { jobs: ["etl"], schedule: `${time} * * *`, duration: "10m", timeZone };
      const opened = openings(spec, Date.parse("2027-12-31T00:00:00Z"), Date.parse("2029-01-02T00:00:00Z"));
      const days = opened.map((at) => day.format(at)).filter((d) => d.startsWith("2028"));
      expect(days.length).toBe(366);
      expect(new Set(days).size).toBe(366);
    }
  });
});

/** Walks from edge to edge as a controller does. */
function openings(spec: Parameters<typeof windowState>[0], from: number, to: number): number[] {
  const found: number[] = [];
  for (let now = from; now < to;) {
    const state = windowState(spec, now);
    if (state.active && state.startedAt === now) found.push(now);
    const next = nextEdge(state);
    if (next === undefined) break;
    expect(next).toBeGreaterThan(now);
    now = next;
  }
  return found;
}
