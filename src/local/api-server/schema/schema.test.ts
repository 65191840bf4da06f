import { describe, expect, it } from "vitest";
import { ruleCauses, ruleProblem } from "../cel-rules.ts";
import { withDefaults } from "./defaults.ts";
import { prune } from "./prune.ts";
import type { Schema } from "./structural.ts";
import { validate } from "./validate.ts";

const schema: Schema = {
  type: "object",
  required: ["mode"],
  properties: {
    mode: { type: "string", enum: ["Fast", "Slow"], default: "Fast" },
    size: { type: "integer", minimum: 1 },
    name: { type: "string", pattern: "^[a-z]+$", maxLength: 3 },
    tags: { type: "array", maxItems: 2, "x-kubernetes-list-type": "set", items: { type: "string" } },
    nested: { type: "object", default: {}, properties: { on: { type: "boolean", default: true } } },
    free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
  },
};
const complaints = (value: unknown): string[] => validate(value, schema).map((c) => `${c.field}: ${c.message}`);

describe("pruning", () => {
  it("drops unknown fields, names them, and keeps free-form ones", () => {
    const unknown: string[] = [];
    const pruned = prune({ mode: "Fast", other: 1, nested: { off: 1 }, free: { any: 1 } }, schema, unknown);
    expect(pruned).toEqual({ mode: "Fast", nested: {}, free: { any: 1 } });
    expect(unknown).toEqual(["other", "nested.off"]);
  });
});

describe("defaults", () => {
  it("fills what is missing, also inside a default, and replaces a null that is not allowed", () => {
    expect(withDefaults({ mode: null }, schema)).toEqual({ mode: "Fast", nested: { on: true } });
  });
});

describe("structural validation", () => {
  it("uses the words of the real server", () => {
    expect(complaints({})).toEqual(["mode: Required value"]);
    expect(complaints({ mode: "Medium" })).toEqual([
      'mode: Unsupported value: "Medium": supported values: "Fast", "Slow"',
    ]);
    expect(complaints({ mode: "Fast", size: 0 })).toEqual([
      "size: Invalid value: 0: size in body should be greater than or equal to 1",
    ]);
    expect(complaints({ mode: "Fast", size: "1" })).toEqual([
      'size: Invalid value: "string": size in body must be of type integer: "string"',
    ]);
    expect(complaints({ mode: "Fast", name: "ABCD" })).toEqual([
      "name: Too long: may not be more than 3 bytes",
      "name: Invalid value: \"ABCD\": name in body should match '^[a-z]+$'",
    ]);
    expect(complaints({ mode: "Fast", tags: ["a", "a"] })).toEqual(['tags[1]: Duplicate value: "a"']);
  });
});

describe("rules", () => {
  const rule = (text: string, message = "no"): Schema => ({
    type: "object",
    "x-kubernetes-validations": [{ rule: text, message }],
  });
  const ask = (text: string, self: unknown, old?: unknown): number => ruleCauses(self, old, rule(text)).length;

  it("evaluates macros, membership and Go's regular expressions", () => {
    expect(ask("[has(self.a), has(self.b)].filter(x, x).size() == 1", { a: 1 })).toBe(0);
    expect(ask("[has(self.a), has(self.b)].filter(x, x).size() == 1", { a: 1, b: 2 })).toBe(1);
    expect(ask("'k' in self", { k: 1 })).toBe(0);
    expect(ask("!self.name.matches('(?i)token$')", { name: "API_TOKEN" })).toBe(1);
    expect(ask("self.list.all(x, x < 3)", { list: [1, 2] })).toBe(0);
  });

  it("asks a transition rule only when there is something before", () => {
    expect(ask("self.a == oldSelf.a", { a: 1 })).toBe(0);
    expect(ask("self.a == oldSelf.a", { a: 1, b: 1 }, { a: 2 })).toBe(1);
  });

  it("does not ask again about what did not change", () => {
    expect(ask("false", { a: 1 }, { a: 1 })).toBe(0);
  });

  it("says what is wrong with an expression", () => {
    expect(ruleProblem("self.a ==")).toBeDefined();
    expect(ruleProblem("self.a == 1")).toBeUndefined();
  });
});
