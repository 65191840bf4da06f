import { check } from "./check.ts";
import { errorOf } from "./diagnostic.ts";
import { costOf, MAX_COST } from "./cost.ts";
import type { Expression } from "./expression.ts";
import { referencesOf } from "./references.ts";
import { rootScope } from "./scope.ts";
import { parseSyntax } from "./syntax.ts";
import type { TypeKind, VariableType } from "./value-type.ts";
import { nameOfType, typeOfVariable } from "./value-type.ts";

export interface ParseOptions {
  /** Names in scope and what is known of them. Default: `event` and `params`, both dyn. */
  readonly variables?: Readonly<Record<string, VariableType>>;
  /** What the result must be: "bool" for conditions, "list" for what gives many, "number" for what is added up, "key" for what groups, "ranked" for numbers and texts. A dyn result passes and is checked when it is there. */
  readonly result?: ResultKind;
}
export type ResultKind = keyof typeof RESULTS | "any";

interface Wanted {
  readonly kinds: readonly TypeKind[];
  readonly must: string;
  readonly instead: string;
}
const RESULTS = {
  bool: { kinds: ["bool"], must: "the condition must be true or false", instead: "compare it with something" },
  list: { kinds: ["list"], must: "the expression must give a list", instead: "write [ ] around it" },
  number: {
    kinds: ["int", "double", "null"],
    must: "the value must be a number",
    instead: "convert it, for example by double(…) or size(…)",
  },
  key: {
    kinds: ["int", "double", "string", "bool", "null", "list"],
    must: "a key must be a text, a number, true, false, null or a list of these",
    instead: "convert it, for example by string(…) or millis(…)",
  },
  ranked: {
    kinds: ["int", "double", "string", "null"],
    must: "the value must be a number or a text",
    instead: "convert it, for example by int(…) or string(…)",
  },
} as const satisfies Readonly<Record<string, Wanted>>;

const DEFAULT_VARIABLES: Readonly<Record<string, VariableType>> = { event: "dyn", params: "dyn" };

/**
 * Parses, type-checks and prices an expression.
 * Throws EXPRESSION_INVALID with line, column and what to do, or EXPRESSION_OVER_BUDGET.
 *
 *     parseExpression("event.type == 'metrics' && event.payload.lag > 10000").references
 *     // [["event", "type"], ["event", "payload", "lag"]]
 */
export function parseExpression(text: string, options: ParseOptions = {}): Expression {
  const declared = Object.entries(options.variables ?? DEFAULT_VARIABLES);
  const variables = new Map(declared.map(([name, type]) => [name, typeOfVariable(type)]));
  const ast = check(parseSyntax(text), rootScope(text, variables));
  const wanted: Wanted | undefined =
    options.result === undefined || options.result === "any" ? undefined : RESULTS[options.result];
  if (wanted !== undefined && ast.type.kind !== "dyn" && !wanted.kinds.includes(ast.type.kind))
    throw errorOf(text, `${wanted.must}, but "${text}" is of type ${nameOfType(ast.type)}; ${wanted.instead}`);
  const cost = costOf(ast);
  if (cost > MAX_COST)
    throw errorOf(
      text,
      `the expression may take ${cost} steps, more than ${MAX_COST}; nest fewer loops`,
      "EXPRESSION_OVER_BUDGET",
    );
  return { text, ast, type: ast.type, references: referencesOf(ast), cost };
}
