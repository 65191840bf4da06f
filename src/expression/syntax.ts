import type { ASTNode } from "@marcbachmann/cel-js";
import { Environment, ParseError } from "@marcbachmann/cel-js";
import type { WeirError } from "../errors.ts";
import { errorAt, errorOf } from "./diagnostic.ts";

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

const EXPLAINED: Readonly<Record<string, string>> = {
  invalid_macro_argument: "a macro takes a name and an expression, for example list.exists(x, x > 1)",
  limit_exceeded: "the expression is too deep or too long; split it over several nodes or rules",
  unterminated_string: "the text is not closed; end it with the quote it began with",
  unterminated_triple_quoted_string: "the text is not closed; end it with three quotes",
  newline_in_string: "a text in single quotes ends on its line; write \\n, or use three quotes",
};

/** What is written in SQL and other languages, and here. */
const WRITTEN_HERE: Readonly<Record<string, string>> = {
  and: "write && for it",
  or: "write || for it",
  not: "write ! in front of what must not hold",
  is: "write == null or != null",
  like: "write x.startsWith('…'), x.endsWith('…'), x.contains('…') or x.matches('…')",
  between: "write x >= a && x <= b",
  in: "write x in [a, b]",
  case: "write condition ? value : other",
};

/** An operator of another language around a place that cannot be read. */
function foreign(text: string, at: number): { at: number; message: string } | undefined {
  for (const { 0: word, index } of text.matchAll(/[A-Za-z_]+/g)) {
    const hint = WRITTEN_HERE[word.toLowerCase()];
    if (hint !== undefined && index <= at && at < index + word.length)
      return { at: index, message: `"${word}" is no operator of CEL; ${hint}` };
  }
  if (text.slice(at - 1, at + 1) === "<>")
    return { at: at - 1, message: '"<>" is no operator of CEL; write != for it' };
  return undefined;
}

function readable(text: string, e: ParseError): WeirError {
  const at = Math.min(e.range?.start ?? 0, text.length);
  const other = foreign(text, at);
  if (other !== undefined && EXPLAINED[e.code] === undefined) return errorAt(text, other.at, other.message);
  const assigned = text[at] === "=" && text[at + 1] !== "=" ? "; compare with ==" : "";
  if (at >= text.trimEnd().length && e.code !== "limit_exceeded" && EXPLAINED[e.code] === undefined)
    return errorAt(text, at, "the expression ends too early; something is missing here");
  const message = EXPLAINED[e.code] ?? `${lowerFirst(e.summary)}${assigned}`;
  return errorAt(text, at, message, e.code === "limit_exceeded" ? "EXPRESSION_OVER_BUDGET" : "EXPRESSION_INVALID");
}

const lowerFirst = (text: string): string => text.slice(0, 1).toLowerCase() + text.slice(1);
