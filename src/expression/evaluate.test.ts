import { describe, expect, it } from "vitest";
import { compileExpression, shown } from "../../test/builders/compiled-expression.ts";
import { isFailure } from "./failure.ts";
import { evaluate, tryEvaluate } from "./interpret.ts";
import { parseExpression } from "./parse.ts";

const event = {
  type: "metrics",
  ts: 1_767_225_600_000,
  payload: { lag: 12000, ratio: 2.5, host: null, tags: ["a", "b"], "x-y": 1 },
  items: [{ price: 3, sku: "p" }, { price: 5 }],
  text: "héllo😀",
  flag: true,
};

/** Both ways of running an expression, which must agree. */
function result(text: string): unknown {
  const expression = parseExpression(text);
  const interpreted = tryEvaluate(expression, { event });
  expect(shown(compileExpression(expression)(event))).toBe(shown(interpreted));
  return isFailure(interpreted) ? interpreted.kind : (JSON.parse(JSON.stringify(interpreted)) as unknown);
}

type Table = readonly (readonly [text: string, result: unknown])[];

const fields: Table = [
  ["event.type == 'metrics' && event.payload.lag > 10000", true],
  ["event.type == 'maintenance.window.start'", false],
  ["event.payload['x-y']", 1],
  ["event.payload.tags[1]", "b"],
  ["event.items[0].sku", "p"],
  ["event.payload.missing", "Missing"],
  ["event.nothing.below", "Missing"],
  ["event.type.below", "Missing"],
  ["event.payload.tags[2]", "Range"],
  ["event.payload.tags[0.5]", "Type"],
  ["has(event.payload.lag)", true],
  ["has(event.payload.host)", true],
  ["has(event.nothing.below)", false],
  ["has(event.items[1].sku)", false],
  ["event.payload.host == null", true],
  ["event.payload.host > 1", "Type"],
  ["'lag' in event.payload", true],
  ["'b' in event.payload.tags", true],
];

const logic: Table = [
  ["event.missing > 1 && false", false],
  ["false && event.missing > 1", false],
  ["event.missing > 1 || true", true],
  ["event.missing > 1 && true", "Missing"],
  ["event.missing > 1 || false", "Missing"],
  ["event.type && true", "Type"],
  ["event.type || true", true],
  ["!event.flag", false],
  ["!event.type", "Type"],
  ["event.flag ? 1 : event.missing", 1],
  ["event.missing ? 1 : 2", "Missing"],
  ["event.type ? 1 : 2", "Type"],
];

const numbers: Table = [
  ["7 / 2", 3],
  ["-7 / 2", -3],
  ["-7 % 3", -1],
  ["7.0 / 2", 3.5],
  ["event.payload.ratio / 2", 1.25],
  ["event.payload.lag / 7", 1714],
  ["double(event.payload.lag) / 7 > 1714.2", true],
  ["1 / 0", "DivisionByZero"],
  ["1 % 0", "DivisionByZero"],
  ["1.0 / 0 > 1e308", true],
  ["9007199254740991 + 1", "Overflow"],
  ["9007199254740991 + 1.0", 9007199254740992],
  ["9007199254740991 * 2", "Overflow"],
  ["-9007199254740991 - 1", "Overflow"],
  ["1 == 1.0", true],
  ["1 < 1.5", true],
  ["event.payload.ratio % 2", "Type"],
  ["event.payload.lag + event.type", "Type"],
  ["-event.payload.lag", -12000],
  ["-event.type", "Type"],
  ["min(3, 1, 2)", 1],
  ["max(event.payload.lag * 2, 16)", 24000],
  ["max([1, 5, 2])", 5],
  ["min([])", "Range"],
  ["max('a', event.payload.lag)", "Type"],
  ["abs(-3) + floor(2.7) + ceil(2.1) + round(2.5) + round(-2.5)", 8],
  ["round(1e300)", "Overflow"],
];

const texts: Table = [
  ["size(event.text)", 6],
  ["event.text.size()", 6],
  ["event.text.contains('llo')", true],
  ["event.text.startsWith('hé')", true],
  ["event.text.endsWith('😀')", true],
  ["event.payload.lag.contains('1')", "Type"],
  ["'a' + event.type", "ametrics"],
  ["'\\uffff' < '😀'", true],
  ["'a' < 'ab' && 'ab' < 'b'", true],
  ["event.text.substring(1, 3)", "él"],
  ["event.text.substring(5)", "😀"],
  ["event.text.substring(7)", "Range"],
  ["event.text.indexOf('😀')", 5],
  ["' a '.trim() + 'B'.lowerAscii() + 'c'.upperAscii()", "abC"],
  ["'a,b,c'.split(',').join('-')", "a-b-c"],
  ["'aaa'.replace('a', 'bb')", "bbbbbb"],
  ["'a😀'.replace('', '-')", "-a-😀-"],
  ["''.replace('', '-')", "-"],
  ["event.type.matches('^met.*s$')", true],
  ["event.type.matches('rics')", true],
  ["event.type.matches('^rics')", false],
];

const lists: Table = [
  ["event.items.map(i, i.price)", [3, 5]],
  ["event.items.map(i, i.price > 3, i.price * 2)", [10]],
  ["event.items.filter(i, has(i.sku)).size()", 1],
  ["event.items.all(i, i.price > 2)", true],
  ["event.items.exists(i, i.sku == 'p')", true],
  ["event.items.all(i, i.sku == 'p')", "Missing"],
  ["event.items.exists(i, i.sku == 'q')", "Missing"],
  ["event.items.exists_one(i, i.price == 3)", true],
  ["event.items.exists_one(i, i.sku == 'p')", "Missing"],
  ["event.items.map(i, i.sku)", "Missing"],
  ["event.payload.exists(k, k == 'lag')", true],
  ["event.type.all(x, true)", "Type"],
  ["[1, 2] + [3] == [1, 2, 3.0]", true],
  ["{'a': [1]} == {'a': [1]}", true],
  ["{'a': 1, 'b': event.missing}", "Missing"],
  ["{'a': {'b': 2}}.a.b", 2],
  ["[event.flag, 'x', null]", [true, "x", null]],
  ["[[1, 2], [3]].map(l, l.map(n, n * 10))", [[10, 20], [30]]],
];

const conversions: Table = [
  ["int('12') + int(2.9) + int(-2.9)", 12],
  ["int('1.5')", "Range"],
  ["int('99999999999999999')", "Overflow"],
  ["double('1e3')", 1000],
  ["double('x')", "Range"],
  ["string(1.5) + string(true) + string(2)", "1.5true2"],
  ["bool('true') && !bool('0')", true],
  ["bool('yes')", "Range"],
  ["int(event.payload.tags)", "Type"],
  ["timestamp('2026-02-28T23:59:60Z')", "Range"],
  ["timestamp('2026-02-30T00:00:00Z')", "Range"],
  ["timestamp('2026-05-01T22:00:00+02:00')", "2026-05-01T20:00:00Z"],
  ["timestamp('2026-05-01T22:00:00Z') + duration('1h30m')", "2026-05-01T23:30:00Z"],
  ["timestamp('2026-05-02T00:00:00Z') - timestamp('2026-05-01T00:00:00Z') == duration('24h')", true],
  ["duration('1.5s')", "1.5s"],
  ["duration('1 s')", "Range"],
  ["millis(duration('1m')) + millis(timestamp('1970-01-01T00:00:01Z'))", 61000],
  ["int(fromMillis(event.ts))", 1_767_225_600],
  ["fromMillis(event.ts).getFullYear()", 2026],
  ["timestamp('2026-05-01T22:30:00Z').getHours('+02:00')", 0],
  ["timestamp('2024-12-31T00:00:00Z').getDayOfYear()", 365],
  ["timestamp('2026-05-01T22:30:00Z').getHours('Mars')", "Range"],
  ["timestamp('9999-12-31T23:59:59Z') + duration('1s')", "Range"],
  ["duration('90m').getHours()", 1],
  ["string(timestamp('2026-05-01T22:00:00.250Z'))", "2026-05-01T22:00:00.250Z"],
];

describe("evaluating an expression", () => {
  describe.each([
    ["fields", fields],
    ["logic", logic],
    ["numbers", numbers],
    ["texts", texts],
    ["lists and maps", lists],
    ["conversions and times", conversions],
  ] as const)("over %s", (_what, table) => {
    it.each(table)("%s", (text, expected) => {
      expect(result(text)).toEqual(expected);
    });
  });

  it("names the expression and the field in the error of a failed evaluation", () => {
    expect(() => evaluate(parseExpression("event.payload.lg > 1"), { event })).toThrow(
      '"event.payload.lg > 1": there is no event.payload.lg',
    );
  });

  it("reads own fields only", () => {
    const inherited: unknown = Object.create({ secret: 1 });
    expect(evaluate(parseExpression("has(event.secret) || has(event.toString)"), { event: inherited })).toBe(false);
  });
});
