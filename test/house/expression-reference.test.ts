import { expect, it } from "vitest";
import { parseExpression } from "../../src/expression/parse.ts";
import { celFunctions } from "../../src/expression/runtime/functions.ts";
import { read } from "./sources.ts";

const page = read("docs/reference/expressions.md");
const inCode = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map((m) => m[1] ?? "");
const tableOfFunctions = page.slice(page.indexOf("## Functions"), page.indexOf("## Differences"));

it("documents every function of the expression language, and none that it does not have", () => {
  const firstColumn = tableOfFunctions
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .flatMap((line) => inCode(line.split(" | ")[0] ?? ""));
  const documented = new Set(firstColumn.map((call) => /(\w+)\(/.exec(call)?.[1] ?? call));
  expect([...documented].toSorted()).toEqual(Object.keys(celFunctions).toSorted());
});

it("shows conditions that parse", () => {
  const shown = inCode(page).filter((text) => /event\..*(&&|\|\||\/ 2)/.test(text));
  expect(shown.length).toBeGreaterThanOrEqual(4);
  for (const text of shown) expect(() => parseExpression(text)).not.toThrow();
});
