import { describe, expect, it } from "vitest";
import { fill, fillText } from "./placeholders.ts";

describe("placeholders", () => {
  const parameters = { topic: "orders", n: "3" };

  it("are filled where a parameter of the name is given", () => {
    expect(fillText("in-{topic}-{n}", parameters)).toBe("in-orders-3");
  });

  it("leave text that only looks like one: HOCON, JSON, doubled braces, inherited names", () => {
    const text = '${topic} {"a":1} {{topic} {other} {toString}';
    expect(fillText(text, parameters)).toBe('${topic} {"a":1} {topic} {other} {toString}');
  });

  it("are filled in every string of a value, but not in names of fields", () => {
    expect(fill({ "{topic}": ["{topic}", 1, null, { a: "{n}" }] }, parameters)).toEqual({
      "{topic}": ["orders", 1, null, { a: "3" }],
    });
  });
});
