import { describe, expect, it } from "vitest";
import { catalogue } from "../../src/errors.ts";
import { isTest, listFiles, read } from "./sources.ts";

const page = read("docs/reference/errors.md");
const anchors = [...page.matchAll(/^## ([A-Z_]+)$/gm)].map((m) => m[1] as string);
const sources = listFiles("src/**/*.ts").filter((f) => !isTest(f));

describe("the error catalogue", () => {
  it("has an anchor in the docs for every code, and no anchor without a code", () => {
    expect(anchors.toSorted()).toEqual(Object.keys(catalogue).toSorted());
  });

  it("has no code that nothing raises", () => {
    const raised = sources.map(read).join("\n");
    expect(Object.keys(catalogue).filter((code) => !raised.includes(`"${code}"`))).toEqual([]);
  });

  it("gives every code a CamelCase reason and a sentence of help", () => {
    for (const { reason, help } of Object.values(catalogue)) {
      expect(reason).toMatch(/^[A-Z][A-Za-z]+$/);
      expect(help).toMatch(/\.$/);
    }
  });
});
