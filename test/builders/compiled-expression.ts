import { emitJavaScript } from "../../src/expression/emit.ts";
import type { Expression } from "../../src/expression/expression.ts";
import { Failure } from "../../src/expression/failure.ts";
import { read } from "../../src/expression/runtime/access.ts";
import { Duration, Timestamp } from "../../src/expression/runtime/instant.ts";
import { celRuntime } from "../../src/expression/runtime/runtime.ts";

export type CompiledExpression = (event: unknown) => unknown;

/** The emitted code in a function of its own, with the source that an engine would build around it. */
export function sourceOf(expression: Expression): string {
  const { references } = expression;
  const names = new Map(references.map((path, i) => [JSON.stringify(path), `v${i}`]));
  const { code, temps } = emitJavaScript(expression, {
    field: (path) => names.get(JSON.stringify(path)) ?? "undefined",
    runtime: "rt",
  });
  const fields = references.map((_, i) => `const v${i} = read({ event }, paths[${i}], 0);`).join("\n");
  const declared = temps.length === 0 ? "" : `let ${temps.join(", ")};`;
  return `"use strict"; return (event) => { ${fields}\n${declared}\nreturn ${code}; }`;
}

export function compileExpression(expression: Expression): CompiledExpression {
  // oxlint-disable-next-line no-new-func, typescript/no-implied-eval
  const build = new Function("rt", "read", "paths", sourceOf(expression));
  return build(celRuntime, read, expression.references) as CompiledExpression;
}

/** Everything that a value is, as text: -0 and NaN kept apart, failures with their kind and detail. */
export function shown(value: unknown): string {
  if (value instanceof Failure) return `failure ${value.kind}: ${value.detail}`;
  if (value instanceof Timestamp || value instanceof Duration) return `time ${value.ms}`;
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (Array.isArray(value)) return `[${value.map(shown).join()}]`;
  if (typeof value !== "object" || value === null) return `${typeof value} ${JSON.stringify(value)}`;
  return `{${Object.entries(value)
    .map(([k, v]) => `${JSON.stringify(k)}:${shown(v)}`)
    .join()}}`;
}
