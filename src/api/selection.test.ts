import { describe, expect, it } from "vitest";
import { selects } from "./selection.schema.ts";

const labels = { team: "data", tier: "gold" };

describe("the selection of jobs", () => {
  it("goes by name where names are given", () => {
    expect(selects({ jobs: ["a"] }, "a", {})).toBe(true);
    expect(selects({ jobs: ["a"] }, "b", labels)).toBe(false);
  });

  it("means every job by an empty selector, and none without one", () => {
    expect(selects({ selector: {} }, "a", {})).toBe(true);
    expect(selects({}, "a", {})).toBe(false);
  });

  it("wants every label", () => {
    expect(selects({ selector: { matchLabels: { team: "data", tier: "gold" } } }, "a", labels)).toBe(true);
    expect(selects({ selector: { matchLabels: { team: "data", tier: "lead" } } }, "a", labels)).toBe(false);
  });

  it.each([
    ["In", ["gold", "lead"], true],
    ["In", ["lead"], false],
    ["NotIn", ["lead"], true],
    ["NotIn", ["gold"], false],
    ["Exists", undefined, true],
    ["DoesNotExist", undefined, false],
  ] as const)("understands %s %j", (operator, values, expected) => {
    const expression = { key: "tier", operator, ...(values === undefined ? {} : { values: [...values] }) };
    expect(selects({ selector: { matchExpressions: [expression] } }, "a", labels)).toBe(expected);
  });

  it("counts a missing label as not in any list", () => {
    const matchExpressions = [{ key: "zone", operator: "NotIn" as const, values: ["a"] }];
    expect(selects({ selector: { matchExpressions } }, "a", labels)).toBe(true);
  });
});
