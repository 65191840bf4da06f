import { describe, expect, it } from "vitest";
import { random } from "../../../test/builders/random.ts";
import type { Random } from "../../../test/builders/random.ts";
import { matcher } from "./match.ts";

function matches(pattern: string, text: string): boolean | string {
  const compiled = matcher(pattern);
  return typeof compiled === "string" ? compiled : compiled.test(text);
}

describe("a pattern", () => {
  it.each([
    ["^a+$", "aaa", true],
    ["^a+$", "aab", false],
    ["b", "abc", true],
    ["^$", "", true],
    ["$^", "", true],
    ["a.c", "a\nc", false],
    ["(?s)a.c", "a\nc", true],
    ["(?i)METRICS", "metrics", true],
    ["x(?i:A)y", "xay", true],
    ["x(?i:A)y", "xaY", false],
    ["(?i)a(?-i)b", "AB", false],
    ["[^a-c]", "abc", false],
    ["[]a]", "]", true],
    ["[a-]", "-", true],
    ["[[:alpha:]]+", "9x", true],
    ["\\d{3}-\\d{4}", "call 555-1234", true],
    ["^\\w+@\\w+\\.\\w+$", "a@b.c", true],
    ["\\x41\\x{1F600}", "A😀", true],
    ["^.$", "😀", true],
    ["a{,2}", "a{,2}", true],
    ["(?P<name>a)(?<other>b)(?:c)", "abc", true],
    ["\\Aab\\z", "ab", true],
    ["a|", "zzz", true],
  ])("%s on %j is %s", (pattern, text, expected) => {
    expect(matches(pattern, text)).toBe(expected);
  });

  it.each([
    ["a**", "repeats a repetition, such as a**"],
    ["*a", "repeats nothing with *"],
    ["a{2,1}", "repeats from 2 to 1 times"],
    ["a{1001}", "repeats more than 1000 times"],
    ["[z-a]", "has a range in […] that goes backwards"],
    ["[a", "has a [ without ]"],
    ["a)", "has a ) without ("],
    ["(?=a)", "uses look-around or another group that is not supported"],
    ["(?m)^a", "uses the flag m; only i and s are supported"],
    ["\\pL", "uses \\p, which is not supported"],
    ["[[:wrong:]]", "names the class [:wrong:], which is not known"],
    ["a\\", "ends with a backslash"],
  ])("%s is refused: %s", (pattern, reason) => {
    expect(matches(pattern, "")).toBe(reason);
  });

  it("matches as the engine's own RegExp does, on patterns that are harmless there", () => {
    const r = random(7);
    let matched = 0;
    for (let i = 0; i < 20_000; i++) {
      const pattern = randomPattern(r, 3);
      const text = Array.from({ length: r.below(8) }, () => r.pick(["a", "b", "c", "\n", "😀"])).join("");
      const expected = new RegExp(pattern, "u").test(text);
      if (matches(pattern, text) !== expected) expect.fail(`/${pattern}/ on ${JSON.stringify(text)}: ${expected}`);
      if (expected) matched++;
    }
    expect(matched).toBeGreaterThan(2000);
  });
});

function randomPattern(r: Random, depth: number): string {
  const sub = (): string => randomPattern(r, depth - 1);
  if (depth === 0) return r.pick(["a", "b", "c", ".", "[ab]", "[^a]", "\\w", "\\W", "^", "$", "😀"]);
  const made = r.pick([
    () => sub() + sub(),
    () => `(${sub()}|${sub()})`,
    () => `(?:${sub()})${r.pick(["*", "+", "?", "{2}", "{1,2}", "{0,}", "*?"])}`,
    sub,
  ]);
  return made();
}
