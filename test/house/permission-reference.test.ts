import { describe, expect, it } from "vitest";
import { leaderRules, watchedRules } from "../builders/operator-role.ts";
import type { Rule } from "../builders/operator-role.ts";
import { read } from "./sources.ts";

/** Rows of the tables below a heading: `pods: get, list`. */
function documented(heading: string): string[] {
  const section =
    read("docs/reference/permissions.md")
      .split("\n## ")
      .find((part) => part.startsWith(heading)) ?? "";
  return [...section.matchAll(/^\| `([^`]+)` \| ([^|]+) \|/gm)].map(([, what, verbs]) => `${what}: ${verbs?.trim()}`);
}

const rows = (rules: readonly Rule[]): string[] =>
  rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.map((resource) => `${resource}${group === "" ? "" : `.${group}`}: ${verbs.join(", ")}`),
    ),
  );

describe("the page of permissions", () => {
  it("lists the rules of the Roles, and no others", () => {
    expect(documented("In each watched namespace").toSorted()).toEqual(rows(watchedRules).toSorted());
    expect(documented("In the operator's own namespace")).toEqual(rows(leaderRules));
  });
});
