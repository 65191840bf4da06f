import type { ErrorCode } from "../errors.ts";
import { WeirError } from "../errors.ts";

const EXCERPT = 100;

/** An error at a place of an expression: line, column and the line itself with a caret below. */
export function errorAt(text: string, at: number, message: string, code: ErrorCode = "EXPRESSION_INVALID"): WeirError {
  const before = text.slice(0, at).split("\n");
  const line = before.length;
  const column = (before.at(-1) ?? "").length + 1;
  const whole = text.split("\n")[line - 1] ?? "";
  const from = Math.max(0, column - 1 - EXCERPT / 2);
  const excerpt = printable(whole.slice(from, from + EXCERPT));
  const caret = `${" ".repeat(column - 1 - from)}^`;
  const told = `line ${line}, column ${column}: ${message}\n  ${excerpt}\n  ${caret}`;
  return new WeirError(code, told, { place: { text, offset: at, message } });
}

/** An error of the expression as a whole. */
export function errorOf(text: string, message: string, code: ErrorCode = "EXPRESSION_INVALID"): WeirError {
  return new WeirError(code, message, { place: { text, offset: text.length - text.trimStart().length, message } });
}

/** Control characters would move the caret or the terminal. */
function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, " ");
}
