import { describe, expect, it } from "vitest";
import { builtin } from "./builtin-resources.ts";
import { fieldSelector, labelSelector } from "./selectors.ts";

const pod = (labels: Record<string, string>, nodeName = "") => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "p", namespace: "default", labels },
  spec: { nodeName },
});

describe("a label selector", () => {
  it.each([
    ["a=1", true],
    ["a==1,b=2", true],
    ["a!=1", false],
    ["c!=1", true],
    ["a in (1, 2),b", true],
    ["a notin (1,2)", false],
    ["!c", true],
    ["c", false],
  ])("%s matches: %s", (selector, expected) => {
    expect(labelSelector(selector)(pod({ a: "1", b: "2" }))).toBe(expected);
  });

  it("refuses what it cannot read", () => {
    expect(() => labelSelector("a ~ b")).toThrow("unable to parse requirement");
  });
});

describe("a field selector", () => {
  it("tests the fields that the kind allows and no others", () => {
    const pods = builtin("pods");
    expect(fieldSelector("spec.nodeName=n1,metadata.name=p", pods)(pod({}, "n1"))).toBe(true);
    expect(fieldSelector("spec.nodeName!=n1", pods)(pod({}, "n1"))).toBe(false);
    expect(() => fieldSelector("spec.containers=x", pods)).toThrow("field label not supported: spec.containers");
  });
});
