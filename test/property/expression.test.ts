import { describe, expect, it } from "vitest";
import { isWeirError } from "../../src/errors.ts";
import type { Expression } from "../../src/expression/expression.ts";
import { Failure } from "../../src/expression/failure.ts";
import { tryEvaluate } from "../../src/expression/interpret.ts";
import { parseExpression } from "../../src/expression/parse.ts";
import type { VariableType } from "../../src/expression/value-type.ts";
import { compileExpression, shown } from "../builders/compiled-expression.ts";
import { random } from "../builders/random.ts";
import { randomExpression, randomRecord } from "../builders/random-expression.ts";

const EXPRESSIONS = 4000;
const EVENTS = 60;

describe("an expression as generated code", () => {
  it("gives the same values and the same failures as the interpreter, for any record", () => {
    const outcomes = { values: 0, failures: 0, refused: 0 };
    for (let seed = 1; outcomes.values + outcomes.failures < EXPRESSIONS * EVENTS; seed++) {
      const r = random(seed);
      const text = randomExpression(r);
      const expression = parsed(text);
      if (expression === undefined) {
        outcomes.refused++;
        continue;
      }
      const run = compileExpression(expression);
      for (let i = 0; i < EVENTS; i++) {
        const event = randomRecord(r);
        const expected = tryEvaluate(expression, { event });
        const actual = shown(run(event));
        if (actual !== shown(expected))
          expect.fail(`seed ${seed}: ${text}\non ${JSON.stringify(event)}\n${shown(expected)}\n${actual}`);
        outcomes[expected instanceof Failure ? "failures" : "values"]++;
      }
    }
    const cases = outcomes.values + outcomes.failures;
    console.log(`expression cases: ${cases} equal (${outcomes.failures} failures), ${outcomes.refused} texts refused`);
    expect(outcomes.values).toBeGreaterThan(cases / 10);
    expect(outcomes.failures).toBeGreaterThan(cases / 10);
  });
});

describe("a schema", () => {
  it("refuses expressions and never changes what one gives", () => {
    const schema = {
      a: "int",
      b: "double",
      c: "string",
      d: "bool",
      n: "double",
      s: "string",
      l: "json",
      "o.a": "double",
      "o.b": "int",
      "o.s": "json",
      "o.l": "json",
    } as const;
    const outcomes = { equal: 0, refused: 0 };
    for (let seed = 1; outcomes.equal < 20_000; seed++) {
      const r = random(seed);
      const text = randomExpression(r, 3);
      const [typed, free] = [parsed(text, { event: schema }), parsed(text)];
      if (typed === undefined || free === undefined) {
        outcomes.refused++;
        continue;
      }
      for (let i = 0; i < 20; i++) {
        const event = randomRecord(r);
        const checked = shown(tryEvaluate(typed, { event }));
        const unchecked = shown(tryEvaluate(free, { event }));
        if (checked !== unchecked)
          expect.fail(`seed ${seed}: ${text}\non ${JSON.stringify(event)}\n${checked}\n${unchecked}`);
        outcomes.equal++;
      }
    }
    expect(outcomes.refused).toBeGreaterThan(100);
  });
});

/** A random text may be refused, but only as an error of the user. */
function parsed(text: string, variables?: Readonly<Record<string, VariableType>>): Expression | undefined {
  try {
    return parseExpression(text, variables === undefined ? {} : { variables });
  } catch (e) {
    if (isWeirError(e) && (e.code === "EXPRESSION_INVALID" || e.code === "EXPRESSION_OVER_BUDGET")) return undefined;
    throw new Error(`not a typed error for ${text}`, { cause: e });
  }
}
