import { check } from "./check.ts";
import { errorOf } from "./diagnostic.ts";
import { costOf, MAX_COST } from "./cost.ts";
import type { Expression } from "./expression.ts";
import { referencesOf } from "./references.ts";
import { rootScope } from "./scope.ts";
import { parseSyntax } from "./syntax.ts";
import type { VariableType } from "./value-type.ts";
import { nameOfType, typeOfVariable } from "./value-type.ts";

export interface ParseOptions {
  /** Names in scope and what is known of them. Default: `event` and `params`, both dyn. */
  readonly variables?: Readonly<Record<string, VariableType>>;
  /** What the result must be: "bool" for conditions, "list" for what gives many. A dyn result passes and is checked when it is there. */
  readonly result?: "bool" | "list" | "any";
}

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
  if (options.result === "bool" && ast.type.kind !== "bool" && ast.type.kind !== "dyn")
    throw errorOf(
      text,
      `the condition must be true or false, but "${text}" is of type ${nameOfType(ast.type)}; compare it with something`,
    );
  if (options.result === "list" && ast.type.kind !== "list" && ast.type.kind !== "dyn")
    throw errorOf(
      text,
      `the expression must give a list, but "${text}" is of type ${nameOfType(ast.type)}; write [ ] around it`,
    );
  const cost = costOf(ast);
  if (cost > MAX_COST)
    throw errorOf(
      text,
      `the expression may take ${cost} steps, more than ${MAX_COST}; nest fewer loops`,
      "EXPRESSION_OVER_BUDGET",
    );
  return { text, ast, type: ast.type, references: referencesOf(ast), cost };
}
