const PLAIN = /^\s*event((?:\.[A-Za-z_][A-Za-z0-9_]*)+)\s*$/;

/** ["payload", "lag"] of `event.payload.lag`; undefined for any other expression. */
export function plainPath(expression: string): string[] | undefined {
  return PLAIN.exec(expression)?.[1]?.slice(1).split(".");
}

export const samePath = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name, i) => name === b[i]);

/** Whether `path` is `outer` or a field below it. */
export const isWithin = (path: readonly string[], outer: readonly string[]): boolean =>
  path.length >= outer.length && outer.every((name, i) => name === path[i]);
