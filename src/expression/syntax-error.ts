import type { ParseError } from "@marcbachmann/cel-js";
import type { WeirError } from "../errors.ts";
import { errorAt } from "./diagnostic.ts";

/** The parser's errors in words for who wrote the expression: it speaks of the names of its tokens. */
export function readable(text: string, e: ParseError): WeirError {
  const at = Math.min(e.range?.start ?? 0, text.length);
  const token = text.slice(at, e.range?.end ?? at + 1);
  const explained = EXPLAINED[e.code];
  if (explained !== undefined)
    return errorAt(text, at, explained, e.code === "limit_exceeded" ? "EXPRESSION_OVER_BUDGET" : "EXPRESSION_INVALID");
  const name = nameAfterDot(text, at);
  if (name !== undefined) return errorAt(text, at, `a field of such a name is written in brackets: ["${name}"]`);
  const other = foreign(text, at);
  if (other !== undefined) return errorAt(text, other.at, other.message);
  if (at >= text.trimEnd().length)
    return errorAt(text, at, `the expression ends too early; ${isOpen(text) ? UNCLOSED : "something is missing here"}`);
  return errorAt(text, at, misplaced(e, token, text));
}

const EXPLAINED: Readonly<Record<string, string>> = {
  invalid_macro_argument: "a macro takes a name and an expression, for example list.exists(x, x > 1)",
  limit_exceeded: "the expression is too deep or too long; split it over several nodes or rules",
  unterminated_string: "the text is not closed; end it with the quote it began with",
  unterminated_triple_quoted_string: "the text is not closed; end it with three quotes",
  newline_in_string: "a text in single quotes ends on its line; write \\n, or use three quotes",
};

/** What is written in SQL and other languages, and here. */
const WRITTEN_HERE: ReadonlyMap<string, string> = new Map([
  ["and", "write && for it"],
  ["or", "write || for it"],
  ["not", "write ! in front of what must not hold"],
  ["is", "write == null or != null"],
  ["like", "write x.startsWith('…'), x.endsWith('…'), x.contains('…') or x.matches('…')"],
  ["between", "write x >= a && x <= b"],
  ["in", "write x in [a, b]"],
  ["case", "write condition ? value : other"],
  ["if", "write condition ? value : other"],
]);

/** The same of signs: the longest first. */
const SIGNS: readonly (readonly [sign: string, here: string])[] = [
  ["===", "write == for it"],
  ["!==", "write != for it"],
  ["<>", "write != for it"],
  ["??", "write has(x) && x != null ? x : other"],
  ["?.", "write has(event.a.b), or event.a.b where it is always there"],
  ["=>", "a macro takes a name and an expression, for example list.exists(x, x > 1)"],
  ["->", "a macro takes a name and an expression, for example list.exists(x, x > 1)"],
  ["++", "an expression changes nothing: write x + 1"],
  ["+=", "an expression changes nothing: write x + 1"],
  ["**", "multiply by * as often as it takes"],
];

interface Foreign {
  readonly at: number;
  readonly message: string;
}

/** What another language has around a place that cannot be read. */
const foreign = (text: string, at: number): Foreign | undefined =>
  fraction(text, at) ?? foreignWord(text, at) ?? wordBefore(text, at) ?? foreignSign(text, at);

const noOperator = (written: string, at: number, hint: string): Foreign => ({
  at,
  message: `"${written}" is no operator of CEL; ${hint}`,
});

/** `.5`, also behind the `?` of a condition, which is no `?.` then. */
function fraction(text: string, at: number): Foreign | undefined {
  const [, question = "", digits] = /^(\??)(\.\d+)/.exec(text.slice(at)) ?? [];
  if (digits === undefined) return undefined;
  return { at: at + question.length, message: `a number begins with a digit; write 0${digits}` };
}

function foreignWord(text: string, at: number): Foreign | undefined {
  for (const { 0: word, index } of text.matchAll(/[A-Za-z_]+/g)) {
    const hint = WRITTEN_HERE.get(word.toLowerCase());
    if (hint !== undefined && index <= at && at < index + word.length) return noOperator(word, index, hint);
  }
  return undefined;
}

/** One that stands before its operand is a name to the parser. */
function wordBefore(text: string, at: number): Foreign | undefined {
  const before = text.slice(0, at);
  const word = /(?<![.\w])(?:not|case|if)\s+$/i.exec(before)?.[0].trimEnd();
  if (word === undefined) return undefined;
  const hint = word.toLowerCase() === "not" ? negated(text.slice(at)) : WRITTEN_HERE.get(word.toLowerCase());
  return noOperator(word, before.trimEnd().length - word.length, hint ?? "");
}

function foreignSign(text: string, at: number): Foreign | undefined {
  for (const [sign, hint] of SIGNS)
    for (let from = Math.max(0, at - sign.length + 1); from <= at; from++)
      if (text.startsWith(sign, from)) return noOperator(sign, from, hint);
  return undefined;
}

/** `!event.a == 1` would not mean `not event.a == 1`. */
function negated(text: string): string {
  const path = /^([A-Za-z_][\w.]*)\s*($|\)|&&|\|\||and\b|or\b)/i.exec(text)?.[1];
  return `write ${path === undefined ? "!(…) around what must not hold" : `!${path}`}`;
}

const UNCLOSED =
  "a bracket is not closed. YAML ends a value in { } at a comma: put the whole expression into quotes there";

/** More brackets open than close, outside of quotes. */
function isOpen(text: string): boolean {
  const bare = text.replaceAll(/'[^']*'|"[^"]*"/g, "");
  return bare.split(/[([{]/).length > bare.split(/[)\]}]/).length;
}

/** What was meant as a field's name: `event.0`, `event.größe`, `event.in`. */
function nameAfterDot(text: string, at: number): string | undefined {
  const before = /(?:[A-Za-z_]\w*|[)\]])\s*\.\s*([\p{L}\p{N}_$-]*)$/u.exec(text.slice(0, at));
  if (before === null) return undefined;
  const rest = /^[\p{L}\p{N}_$-]+/u.exec(text.slice(at))?.[0];
  return rest === undefined ? undefined : `${before[1]}${rest}`;
}

const CLOSING: Readonly<Record<string, string>> = { RPAREN: ")", RBRACKET: "]", RBRACE: "}", COLON: ":" };

function misplaced(e: ParseError, token: string, text: string): string {
  if (e.code === "reserved_identifier") return `"${token}" is a word that CEL keeps for itself; use another name`;
  if (e.code === "expected_token") {
    const wanted = CLOSING[/^Expected (\w+)/.exec(e.summary)?.[1] ?? ""];
    return wanted === undefined ? `${shown(token)} cannot stand here` : `"${wanted}" is missing before ${shown(token)}`;
  }
  if (e.code === "unexpected_token") return `something is missing before ${shown(token)}`;
  if (e.code !== "unexpected_character") return `${e.summary.slice(0, 1).toLowerCase()}${e.summary.slice(1)}`;
  return character(token, text);
}

/** A sign that CEL does not know, or something that stands behind what is an expression already. */
function character(token: string, text: string): string {
  if (token.startsWith("=")) return "unexpected character: =; compare with ==";
  if (/^[&|]/.test(token)) return `${shown(token)} is no operator of CEL; write ${token}${token} for it`;
  if (/^[“”„‘’`´]/u.test(token)) return `${shown(token)} is no quote of CEL; write ' or "`;
  if (/^[)\]}]/.test(token)) return `${shown(token)} closes nothing; take it out, or open it before`;
  if (token.startsWith(",")) return '"," stands between the arguments of a call and the items of a list only';
  if (token.startsWith(":")) return '":" belongs to a "?" before it: condition ? value : other';
  if (/^['"\w]/.test(token)) return `an operator is missing before ${shown(token)}, such as && or ==`;
  const what = `unexpected character: ${shown(token)}`;
  return text.includes("$") ? `${what}; parameters are written params.name` : what;
}

/** In quotes; what cannot be seen by its number. */
function shown(token: string): string {
  const first = String.fromCodePoint(token.codePointAt(0) ?? 0);
  if (/^[^\p{L}\p{N}\p{P}\p{S} ]$/u.test(first)) {
    const code = (first.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
    return `the invisible character U+${code}; take it out`;
  }
  return `"${token.length > 20 ? `${token.slice(0, 20)}…` : token}"`;
}
