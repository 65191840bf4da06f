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

/** `; did you mean "x"?`, or nothing where no name is near. */
export function suggestion(written: string, known: Iterable<string>): string {
  const near = [...known]
    .map((name) => ({ name, distance: distance(written.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, distance: d }) => d <= Math.max(1, Math.floor(Math.min(name.length, written.length) / 3)))
    .toSorted((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  return near[0] === undefined ? "" : `; did you mean "${near[0].name}"?`;
}

/** Levenshtein's distance, two neighbours swapped counting as one (optimal string alignment). */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 3 || a.length > 64) return Infinity;
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const cost = (i: number, j: number): number => rows[i]?.[j] ?? Infinity;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? cost(i - 2, j - 2) + 1 : Infinity;
      row.push(Math.min(cost(i - 1, j) + 1, (row[j - 1] ?? 0) + 1, cost(i - 1, j - 1) + same, swapped));
    }
  }
  return cost(a.length, b.length);
}
