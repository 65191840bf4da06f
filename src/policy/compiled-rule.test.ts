import { describe, expect, it } from "vitest";
import { compileRules } from "./compiled-rule.ts";
import type { PolicyView } from "./input.ts";

const spec: PolicyView["spec"] = {
  rules: [{ name: "hot", condition: "event.payload.lag > 10", action: "Scale", params: { parallelism: "4" } }],
};
const policy: PolicyView = { name: "p", uid: "u", generation: 1, spec };
const conditionOf = (view: PolicyView) => compileRules([view]).rules[0]?.condition;

describe("the rules of a policy", () => {
  it("are parsed once for as long as the policy stays the same", () => {
    expect(conditionOf({ ...policy })).toBe(conditionOf(policy));
  });

  it("are parsed again for a new generation, and carry the policy that they are of", () => {
    const before = conditionOf(policy);
    const other = { ...policy, generation: 2, spec: { rules: [{ ...spec.rules?.[0], name: "warm" }] } } as PolicyView;
    expect(conditionOf(other)).not.toBe(before);
    expect(compileRules([{ ...policy, name: "q" }]).rules[0]?.by).toBe("policy/q/hot");
  });

  it("leave out one that cannot be parsed, and say so each time", () => {
    const broken: PolicyView = {
      ...policy,
      spec: { rules: [...(spec.rules ?? []), { name: "odd", condition: "event.payload.lag >", action: "Stop" }] },
    };
    const first = compileRules([broken]);
    expect(first.rules.map((r) => r.name)).toEqual(["hot"]);
    expect(compileRules([broken]).problems).toEqual(first.problems);
    expect(first.problems[0]).toMatchObject({ policy: "p", rule: "odd", code: "EXPRESSION_INVALID" });
  });
});
