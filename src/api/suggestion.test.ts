import { describe, expect, it } from "vitest";
import { suggestion } from "./suggestion.ts";

describe("the name that was meant", () => {
  it.each([
    ["pipline", ["pipeline", "parallelism"], '; did you mean "pipeline"?'],
    ["form", ["from", "filter"], '; did you mean "from"?'],
    ["Filter", ["filter"], '; did you mean "filter"?'],
    ["zzz", ["from", "filter"], ""],
    ["min", ["mix", "fin"], ""],
    ["x".repeat(65), ["x".repeat(64)], ""],
  ])("of %j among %j is said where exactly one is nearest: %j", (written, known, said) => {
    expect(suggestion(written, known)).toBe(said);
  });
});
