import { describe, expect, it } from "vitest";
import { isWeirError } from "../errors.ts";
import type { ParseOptions } from "./parse.ts";
import { parseExpression } from "./parse.ts";

const schema = {
  event: { type: "string", ts: "timestamp_ms", "payload.lag": "int", "payload.ratio": "double" },
} as const;

function messageFor(text: string, options: ParseOptions = {}): string {
  try {
    parseExpression(text, options);
  } catch (e) {
    if (isWeirError(e)) return `${e.code}: ${e.message}`;
    throw e;
  }
  return "no error";
}

describe("parsing an expression", () => {
  it("lists every field that is read, once, in the order of the text", () => {
    const text =
      "event.type == 'metrics' && has(event.payload.lag) && event.payload.lag > 1 && event['odd-name'].x == 1";
    expect(parseExpression(text).references).toEqual([
      ["event", "type"],
      ["event", "payload", "lag"],
      ["event", "odd-name", "x"],
    ]);
  });

  it("asks for the whole variable where a key is only known while running", () => {
    expect(parseExpression("event[params.name] == 1 && size(event) > 0").references).toEqual([
      ["event"],
      ["params", "name"],
    ]);
  });

  it("does not take a loop's variable for a field of the record", () => {
    const { references } = parseExpression("event.items.exists(event, event.price > 1)");
    expect(references).toEqual([["event", "items"]]);
  });

  it.each([
    ["event.n + 1", "dyn"],
    ["1 + 2", "int"],
    ["1 + 2.0", "double"],
    ["event.n * 2.0", "double"],
    ["event.n > 1", "bool"],
    ["[1, 2].map(x, string(x))", "list"],
    ["{'a': 1}", "map"],
    ["timestamp('2026-01-01T00:00:00Z') - duration('1h')", "timestamp"],
    ["true ? 1 : 2.5", "double"],
    ["true ? 1 : 'a'", "dyn"],
    ["max(1, 2)", "int"],
  ])("knows the type of %s: %s", (text, type) => {
    expect(parseExpression(text).type.kind).toBe(type);
  });

  it("shows where the error is", () => {
    expect(messageFor("event.type == 'a' &&\n  evnt.payload.lag > 1")).toBe(
      'EXPRESSION_INVALID: line 2, column 3: there is no variable "evnt"; did you mean "event"? (known: event, params)\n' +
        "    evnt.payload.lag > 1\n    ^",
    );
  });

  it("cuts a long line around the place of the error", () => {
    const message = messageFor(`${"event.a == 1 && ".repeat(20)}foo(1)${" && event.a == 1".repeat(20)}`);
    expect(message.split("\n").every((line) => line.length < 140)).toBe(true);
    const [, excerpt = "", caret = ""] = message.split("\n");
    expect(excerpt.slice(caret.indexOf("^"))).toMatch(/^foo\(1\)/);
  });

  it.each([
    ["event.type = 'a'", "compare with =="],
    ["event.type == 'a", "end it with the quote"],
    ["event.type == 'a' AND event.lag > 1", '"AND" is no operator of CEL; write && for it'],
    ["event.type == 'a' or event.lag > 1", '"or" is no operator of CEL; write || for it'],
    ["event.lag IS NOT NULL", '"IS" is no operator of CEL; write == null or != null'],
    ["event.name LIKE 'a%'", "write x.startsWith("],
    ["event.type <> 'a'", "write != for it"],
    ["event.type ==", "ends too early"],
    ["lag > 1", "a field of the record is written event.lag"],
    ["event.type.startWith('a')", 'did you mean "startsWith"'],
    ["event.a > && event.b", 'column 11: something is missing before "&&"'],
    ["(event.a 1", 'column 10: ")" is missing before "1"'],
    ["event.a event.bcd", 'column 9: an operator is missing before "event"'],
    ["event.a)", 'column 8: ")" closes nothing'],
    ["event.a === 1", 'column 9: "===" is no operator of CEL; write == for it'],
    ["event.a ?? 1", 'column 9: "??" is no operator of CEL; write has(x)'],
    ["event.a & event.b", 'column 9: "&" is no operator of CEL; write && for it'],
    ["event.größe > 1", 'a field of such a name is written in brackets: ["größe"]'],
    ["event.0 > 1", 'a field of such a name is written in brackets: ["0"]'],
    ["event.in > 1", 'a field of such a name is written in brackets: ["in"]'],
    ["event.a\u200B == 1", "unexpected character: the invisible character U+200B; take it out"],
    ["event.a == \u201Cx\u201D", '"\u201C" is no quote of CEL'],
    ["event.a == NULL", 'there is no variable "NULL"; write null'],
    ["coalesce(event.a, 1)", 'there is no function "coalesce"; write has(x)'],
    ["if (event.a) 1 else 2", '"if" is no operator of CEL; write condition ? value : other'],
    ["not event.a", 'column 1: "not" is no operator of CEL; write !event.a'],
    ["NOT event.a AND event.b", 'column 1: "NOT" is no operator of CEL; write !event.a'],
    ["not event.a == 1", '"not" is no operator of CEL; write !(…) around what must not hold'],
    ["not (event.a)", 'there is no function "not"; write !(…)'],
    ["case when event.a then 1 end", '"case" is no operator of CEL; write condition ? value : other'],
    ["event.items.count() > 1", 'there is no function "count"; write size(event.items)'],
    ["event.s.first()", 'there is no function "first"; write event.s[0]'],
    ["[1, 2].last()", 'there is no function "last"; write x[size(x) - 1]'],
    ["count(event.items)", 'there is no function "count"; it is an aggregate'],
    ["event.my-field.x > 1", 'the field "my-field" is written event["my-field"].x'],
    ["event.a.is-a-name > 1", 'the field "is-a-name" is written event.a["is-a-name"]'],
    ["event.a-b", 'a field of the record is written event.b; the field "a-b" is written event["a-b"]'],
    ["event.a ?.5 : 1", "column 10: a number begins with a digit; write 0.5"],
    ["event.a ? 1 : .25", "column 15: a number begins with a digit; write 0.25"],
    ["event.a?.b", '"?." is no operator of CEL'],
    ["constructor == 1", 'there is no variable "constructor"; a field of the record is written event.constructor'],
    ["event.s.constructor()", 'there is no function "constructor"; docs/reference/expressions.md lists them'],
    ["valueOf(event)", 'there is no function "valueOf"; docs/reference/expressions.md lists them'],
    ["event.a constructor 1", 'an operator is missing before "constructor"'],
    ["event.a __proto__ 1", 'an operator is missing before "__proto__"'],
    ["package.a == 1", '"package" is a word that CEL keeps for itself'],
    ["event.type.toLowerCase() == 'a'", 'there is no function "toLowerCase"; here it is "lowerAscii"'],
    ["sizee(event.type)", 'did you mean "size"'],
    ["size(1)", "there is no size(int); it is one of size(string), size(list), size(map)"],
    ["contains('a', 'b')", "contains is called as x.contains(…)"],
    ["1 + 'a'", "convert one side with int(…), double(…) or string(…)"],
    ["1 == 'a'", "== does not take int and string"],
    ["1 < null", "< does not take int and null"],
    ["'a' && true", "must be true or false, but is of type string"],
    ["1 ? 2 : 3", "must be true or false"],
    ["has(event)", "has() takes one field"],
    ["has(1 + 1)", "has() takes one field"],
    ["[1].map(x.y, 1)", "a macro takes a name and an expression"],
    ["[1].all(x)", "all takes a name and an expression"],
    ["(1).all(x, true)", "all runs over a list or a map, not int"],
    ["{1: 'a'}", "the keys of a map are strings, not int"],
    ["{'a': 1, 'a': 2}", 'the key "a" is twice in the map'],
    ["'a'[0]", "cannot be indexed"],
    ["[1]['a']", 'a value of type list(int) has no field "a"'],
    ["9007199254740992", "write a double, 9007199254740992.0"],
    ["b'a'", "bytes and unsigned numbers are not part of the language"],
    ["1u", "bytes and unsigned numbers are not part of the language"],
    ["event.a.matches('(a')", "the pattern has a ( without )"],
    ["event.a.matches('\\\\bword')", "the pattern uses \\b, which is not supported"],
    ["event.a.matches(event.b)", "must be a text in quotes"],
    ["1.5 % 2.0", "% does not take double and double"],
    ["-'a'", "- does not take string"],
  ])("says what to do about %s", (text, part) => {
    expect(messageFor(text)).toContain(part);
    expect(messageFor(text)).toMatch(/^EXPRESSION_INVALID: line 1, column \d+: /);
  });

  it.each([
    ["event.payload.lga > 1", 'the schema has no field "lga" here; did you mean "lag"? (known: lag, ratio)'],
    ["event.payload.lag == 'a'", "== does not take int and string"],
    ["event.type > 1", "> does not take string and int"],
    ["event.type.x", 'a value of type string has no field "x"'],
  ])("holds %s to the schema", (text, part) => {
    expect(messageFor(text, { variables: schema })).toContain(part);
  });

  it("reads timestamp_ms as an int, and compares any field with null", () => {
    expect(messageFor("event.ts + 1 > 2 && event.type != null", { variables: schema })).toBe("no error");
  });

  it("wants a condition to be true or false where the caller says so", () => {
    expect(messageFor("event.a > 1", { result: "bool" })).toBe("no error");
    expect(messageFor("1 + 1", { result: "bool" })).toContain("the condition must be true or false");
  });

  it("prices loops by what they may cost", () => {
    expect(parseExpression("event.a == 1").cost).toBeLessThan(10);
    expect(messageFor("event.a.all(x, event.a.all(y, event.a.all(z, x + y + z > 0)))")).toMatch(
      /^EXPRESSION_OVER_BUDGET: the expression may take \d+ steps, more than 100000; nest fewer loops$/,
    );
  });
});
