const PLAIN = /^\s*(event|left|right)((?:\.[A-Za-z_][A-Za-z0-9_]*)*)\s*$/;

/** ["payload", "lag"] of `event.payload.lag`; undefined for any other expression. */
export function plainPath(expression: string, variable: Variable = "event"): string[] | undefined {
  const path = variablePath(expression);
  return path === undefined || path.length === 1 || path[0] !== variable ? undefined : path.slice(1);
}

/** What the fields of a record are read from: `event`, and in a join `left` and `right`. */
export type Variable = "event" | "left" | "right";

/** What an expression that was planned may name: the planner has checked which of them each one does. */
export const VARIABLES = { event: "dyn", left: "dyn", right: "dyn", params: "dyn" } as const;

/** ["left", "payload", "lag"] of `left.payload.lag`, ["left"] of `left`; undefined for any other expression. */
export function variablePath(expression: string): string[] | undefined {
  const [, variable, fields] = PLAIN.exec(expression) ?? [];
  return variable === undefined ? undefined : [variable, ...(fields ?? "").split(".").slice(1)];
}

export const samePath = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name, i) => name === b[i]);

/** Whether `path` is `outer` or a field below it. */
export const isWithin = (path: readonly string[], outer: readonly string[]): boolean =>
  path.length >= outer.length && outer.every((name, i) => name === path[i]);
