import { describe, expect, it } from "vitest";
import { isWeirError } from "../../src/errors.ts";
import { isFailure } from "../../src/expression/failure.ts";
import { tryEvaluate } from "../../src/expression/interpret.ts";
import { parseExpression } from "../../src/expression/parse.ts";
import { compileExpression, shown, sourceOf } from "../builders/compiled-expression.ts";

const big = Array.from({ length: 5000 }, (_, i) => i);
const event = {
  list: big,
  lists: [big, big, big],
  text: "a".repeat(200_000),
  evil: `${"a".repeat(50_000)}!`,
  deep: JSON.parse(`${"[".repeat(500)}1${"]".repeat(500)}`) as unknown,
  own: JSON.parse(`{"__proto__": {"polluted": 1}, "constructor": "mine"}`) as unknown,
};
const doubled = (n: number): string => `['aaaaaaaaaaaaaaaa']${".map(x, x + x)".repeat(n)}`;
const grown = (n: number): string => `[event.list]${".map(x, x + x)".repeat(n)}`;

type Verdict = "EXPRESSION_INVALID" | "EXPRESSION_OVER_BUDGET" | "Failure" | "value";
type Corpus = readonly (readonly [why: string, text: string, ends: Verdict])[];

const shape: Corpus = [
  ["10,000 brackets", `${"(".repeat(10_000)}1${")".repeat(10_000)}`, "EXPRESSION_OVER_BUDGET"],
  ["1,000 brackets", `${"(".repeat(1000)}1${")".repeat(1000)}`, "EXPRESSION_OVER_BUDGET"],
  ["2,000 negations", `${"!".repeat(2000)}true`, "EXPRESSION_INVALID"],
  ["2,000 minus signs", `${"-".repeat(2000)}1`, "EXPRESSION_INVALID"],
  ["nested lists", `${"[".repeat(500)}1${"]".repeat(500)}`, "EXPRESSION_OVER_BUDGET"],
  ["nested maps", `${"{'a':".repeat(300)}1${"}".repeat(300)}`, "EXPRESSION_OVER_BUDGET"],
  ["nested conditions", `${"true ? ".repeat(400)}1${" : 2".repeat(400)}`, "EXPRESSION_OVER_BUDGET"],
  ["a chain of 1,500 additions", `1${" + 1".repeat(1000)}`, "EXPRESSION_INVALID"],
  ["a chain of 500 disjuncts", `true${" || true".repeat(500)}`, "value"],
  ["a chain of 800 fields", `event${".a".repeat(800)}`, "EXPRESSION_OVER_BUDGET"],
  ["a chain of 800 calls", `'a'${".trim()".repeat(580)}`, "EXPRESSION_OVER_BUDGET"],
  ["a text of a megabyte", `'${"a".repeat(1 << 20)}'`, "EXPRESSION_OVER_BUDGET"],
  ["a number of 4,000 digits", "9".repeat(4000), "EXPRESSION_INVALID"],
  ["a hexadecimal number of 3,000 digits", `0x${"f".repeat(3000)}`, "EXPRESSION_INVALID"],
  ["an infinite literal", "1e999999", "EXPRESSION_INVALID"],
  ["2,000 items", `[${"1,".repeat(2000)}]`, "EXPRESSION_OVER_BUDGET"],
  ["30 arguments", `min(${"1,".repeat(30)}1)`, "EXPRESSION_OVER_BUDGET"],
  ["no text", "", "EXPRESSION_INVALID"],
  ["only blanks", " \n\t ", "EXPRESSION_INVALID"],
  ["a NUL", "event\u0000.a", "EXPRESSION_INVALID"],
  ["half a surrogate pair", "'\ud800'", "value"],
  ["a line separator in a text", "'\u2028\u2029'", "value"],
];

const loops: Corpus = [
  ["four nested loops", nest(4, "event.list"), "EXPRESSION_OVER_BUDGET"],
  ["ten nested loops", nest(10, "event.list"), "EXPRESSION_OVER_BUDGET"],
  ["three nested loops over literals", nest(6, "[1,2,3,4,5,6,7,8,9,10]"), "EXPRESSION_OVER_BUDGET"],
  ["two nested loops over 5,000 items", nest(2, "event.list"), "Failure"],
  ["two nested loops, absorbed", `${nest(2, "event.list")} || true`, "value"],
  ["an exists that never ends early", "event.list.exists(x, event.list.exists(y, x + y < 0))", "Failure"],
  ["a filter of a filter", "event.list.filter(x, event.list.filter(y, y == x).size() > 0).size()", "Failure"],
  ["comparing long lists in a loop", "event.list.all(x, event.list + [1] == event.list + [1])", "Failure"],
  ["looking through long lists in a loop", "event.list.all(x, x in event.list)", "Failure"],
  ["a text doubled 30 times", doubled(30), "Failure"],
  ["a list doubled 12 times", grown(12), "Failure"],
  ["a text joined with itself", `event.list.map(x, event.text).join('')`, "Failure"],
  ["a text replaced by a longer one", "event.text.replace('a', event.text)", "Failure"],
  ["a text split into 200,000", "event.text.split('').size()", "Failure"],
  ["a long text searched in a loop", "event.list.all(x, !event.text.contains('b'))", "Failure"],
  ["deep lists compared", "event.deep == event.deep", "value"],
];

const patterns: Corpus = [
  ["nested repetition", "event.evil.matches('^(a+)+$')", "value"],
  ["nested groups", "event.evil.matches('^((a*)*)*$')", "value"],
  ["overlapping choices", "event.evil.matches('^(a|aa)+$')", "value"],
  ["exponential places", "event.evil.matches('(a|b)*a(a|b){60}c')", "Failure"],
  ["a wide pattern on a long text", "event.text.matches('(x?){200}y')", "Failure"],
  ["repeated repetition", "event.evil.matches('(a{1000}){1000}')", "EXPRESSION_INVALID"],
  ["a back reference", `event.evil.matches('(a)\\\\1')`, "EXPRESSION_INVALID"],
  ["look-ahead", "event.evil.matches('(?=a+)b')", "EXPRESSION_INVALID"],
  ["an open group", "event.evil.matches('((((')", "EXPRESSION_INVALID"],
  ["a pattern from the record", "event.evil.matches(event.evil)", "EXPRESSION_INVALID"],
  ["a pattern of 2,000 characters", `event.evil.matches('${"a".repeat(2000)}')`, "EXPRESSION_INVALID"],
  ["200 groups", `event.evil.matches('${"(".repeat(200)}a${")".repeat(200)}')`, "EXPRESSION_INVALID"],
];

const escapes: Corpus = [
  ["the prototype", "event.__proto__", "EXPRESSION_INVALID"],
  ["the prototype by index", "event['__proto__']", "EXPRESSION_INVALID"],
  ["the prototype by a computed key", "event['__pro' + 'to__']", "Failure"],
  ["an own field of that name by a computed key", "event.own['__pro' + 'to__'].toString", "Failure"],
  ["the constructor", "event.constructor.constructor('return 1')()", "EXPRESSION_INVALID"],
  ["the constructor of a text", "'a'.constructor", "EXPRESSION_INVALID"],
  ["the constructor of a list", "event.list.constructor", "Failure"],
  ["a method of a list", "event.list['push']", "Failure"],
  ["the length of a text", "event.text.length", "Failure"],
  ["toString", "has(event.toString) || has(event.valueOf) || has(event.hasOwnProperty)", "value"],
  ["a prototype's name as a function", "toString(event)", "EXPRESSION_INVALID"],
  ["a constructor as a function", "constructor('x')", "EXPRESSION_INVALID"],
  ["a host's variable", "process.env", "EXPRESSION_INVALID"],
  ["globalThis", "globalThis", "EXPRESSION_INVALID"],
  ["the run time's name", "rt.begin()", "EXPRESSION_INVALID"],
  ["a reserved word", "function() { return 1 }", "EXPRESSION_INVALID"],
  ["a key of a map literal", "{'__proto__': 1}", "EXPRESSION_INVALID"],
  ["a computed key of a map literal", "{'__pro' + 'to__': {'a': 1}}.a", "Failure"],
  ["a loop variable like a generated name", "event.list.map(v0, v0).size() + [1].map(x0, x0).size()", "value"],
  ["quotes in a text", `event.text == '"); process.exit(1); ("'`, "value"],
  ["a new line in a text", `event.text == '\\n"); process.exit(1); //'`, "value"],
  ["a template in a text", "event.text == '${process.exit(1)}`'", "value"],
  ["quotes in a field's name", `event['"]; process.exit(1); ["'] == 1`, "Failure"],
  ["a comment in a field's name", "has(event['*/ process.exit(1) /*'])", "value"],
  ["a closing tag and separators", "event.text == '</script>\u2028'", "value"],
  ["a backslash at the end of a text", `event.text == '\\\\'`, "value"],
];

function nest(depth: number, over: string): string {
  const names = Array.from({ length: depth }, (_, i) => `x${i}`);
  return names.reduceRight((body, name) => `${over}.all(${name}, ${body})`, `${names.join(" + ")} >= 0`);
}

/** How an expression ends: refused when it is parsed, failed on the record, or a value. */
function ending(text: string): Verdict {
  try {
    const expression = parseExpression(text);
    const value = tryEvaluate(expression, { event });
    expect(shown(compileExpression(expression)(event)) === shown(value)).toBe(true);
    return isFailure(value) ? "Failure" : "value";
  } catch (e) {
    if (isWeirError(e)) return e.code as Verdict;
    throw e;
  }
}

describe("hostile expressions", () => {
  const corpus = [...shape, ...loops, ...patterns, ...escapes];

  it.each(corpus)("end within their budget with a typed answer: %s", (_why, text, ends) => {
    expect(ending(text)).toBe(ends);
  });

  it("are at least 50", () => {
    expect(corpus.length).toBeGreaterThanOrEqual(50);
  });

  it("put nothing of the user's text into generated source but JSON literals", () => {
    const texts = escapes.filter(([, , ends]) => ends !== "EXPRESSION_INVALID").map(([, text]) => text);
    for (const text of texts) {
      const withoutLiterals = sourceOf(parseExpression(text)).replaceAll(/"(?:[^"\\]|\\.)*"/g, '""');
      expect(withoutLiterals).not.toMatch(/process|exit|constructor|proto|script|[`\u2028]/);
    }
  });

  it("leave no trace on the prototypes of the process", () => {
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    expect(Object.keys(Object.prototype)).toEqual([]);
  });
});
