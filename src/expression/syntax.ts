import type { ASTNode } from "@marcbachmann/cel-js";
import { Environment, ParseError } from "@marcbachmann/cel-js";
import { errorAt, errorOf } from "./diagnostic.ts";
import { readable } from "./syntax-error.ts";

/** Longest text and deepest nesting of an expression. The API allows 2048 characters. */
const MAX_LENGTH = 4096;
const MAX_DEPTH = 60;

/** Only its parser is used: the tree is checked, priced and run by this folder. */
const parser = new Environment({
  limits: { maxAstNodes: 4000, maxDepth: MAX_DEPTH, maxListElements: 1000, maxMapEntries: 200, maxCallArguments: 16 },
});

export type Syntax = ASTNode;

export function parseSyntax(text: string): Syntax {
  if (text.length > MAX_LENGTH)
    throw errorOf(
      text,
      `the expression has ${text.length} characters, more than ${MAX_LENGTH}; split it over several nodes or rules`,
      "EXPRESSION_OVER_BUDGET",
    );
  if (text.trim() === "") throw errorAt(text, 0, "the expression is empty");
  try {
    return parser.parse(text).ast;
  } catch (e) {
    if (!(e instanceof ParseError)) throw e;
    throw readable(text, e);
  }
}
