import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { lint } from "../../src/cli/lint/lint.ts";
import { admit } from "../../src/controllers/admission.ts";
import { type Random, random } from "../builders/random.ts";

const read = (path: string): string => readFileSync(join(import.meta.dirname, "../..", path), "utf8");
const texts = [
  read("config/samples/quickstart/job.yaml"),
  read("config/samples/quickstart/policy.yaml"),
  read("config/samples/quickstart/maintenance-window.yaml"),
  read("test/fixtures/lint/tests.yaml"),
  read("test/fixtures/lint/expressions.yaml"),
] as [string, ...string[]];

const PIECES = [
  ..."{}[]:,-|>&*!'\"%@`#\\\t\n ~.()0".split(""),
  "\r\n",
  "\u0000",
  "\uFEFF",
  "\u2028",
  "😀",
  "\uD800",
  "---\n",
  "null",
];
const WORDS = ["event", "a", "*a", "&a x", "1e999", "-1", "[]", "{}", "''", "|\n", "spec", "name", "10s", "__proto__"];

/** One small change, as a slip of the hand or a bad merge makes it. */
const CHANGES: readonly ((text: string, choose: Random) => string)[] = [
  (text, choose) => spliced(text, choose.below(text.length), { cut: 1 + choose.below(3), put: "" }),
  (text, choose) => spliced(text, choose.below(text.length), { cut: 0, put: choose.pick(PIECES as [string]) }),
  (text, choose) => spliced(text, choose.below(text.length), { cut: 1, put: choose.pick(PIECES as [string]) }),
  (text, choose) => {
    const words = [...text.matchAll(/[\w.-]+/g)];
    const { index, 0: word } = words[choose.below(words.length)] ?? { index: 0, 0: "" };
    return spliced(text, index, { cut: word.length, put: choose.pick(WORDS as [string]) });
  },
  (text, choose) => {
    const lines = text.split("\n");
    const [line = ""] = lines.splice(choose.below(lines.length), 1);
    if (choose.chance(0.7)) lines.splice(choose.below(lines.length), 0, line);
    return lines.join("\n");
  },
  (text, choose) => text.slice(0, choose.below(text.length)),
];

const spliced = (text: string, at: number, { cut, put }: { cut: number; put: string }): string =>
  text.slice(0, at) + put + text.slice(at + cut);

const CASES = process.env["WEIR_LONG"] === "1" ? 50_000 : 1500;

describe("weir lint", () => {
  it(`looks at ${CASES} damaged files without falling over, and points into the file`, async () => {
    const choose = random(Number(process.env["SEED"] ?? 1));
    let wrong = 0;
    for (let i = 0; i < CASES; i++) {
      let text = choose.pick(texts);
      for (let n = 1 + choose.below(3); n > 0; n--)
        text = (CHANGES[choose.below(CHANGES.length)] as (typeof CHANGES)[0])(text, choose) || " ";
      const { findings } = await lint([{ name: "x.yaml", text }], admit);
      const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\r|\n/);
      for (const { line, column, message, code } of findings) {
        expect(line, text).toBeGreaterThanOrEqual(1);
        expect(line, text).toBeLessThanOrEqual(lines.length);
        expect(column, text).toBeGreaterThanOrEqual(1);
        expect(column, text).toBeLessThanOrEqual((lines[line - 1] as string).length + 1);
        expect(message, text).not.toBe("");
        expect(code, `${message}\n${text}`).not.toBe("INTERNAL");
      }
      if (findings.some((f) => f.severity === "error")) wrong++;
    }
    console.log(`${CASES} damaged files: ${wrong} with errors`);
    expect(wrong).toBeGreaterThan(CASES / 3);
  });
});
