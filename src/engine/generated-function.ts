/**
 * The one place where generated text becomes code. `source` is the body of a function whose variables are `scope`. It
 * must be made of our own text, numbers, and JSON.stringify of everything else.
 */
export function generatedFunction<T>(source: string, scope: Readonly<Record<string, unknown>>): T {
  const names = Object.keys(scope);
  // oxlint-disable-next-line typescript/no-implied-eval
  const make = new Function(...names, `"use strict";\n${source}`) as (...values: unknown[]) => T;
  return make(...names.map((name) => scope[name]));
}
