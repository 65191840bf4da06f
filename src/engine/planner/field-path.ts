const PLAIN = /^\s*event((?:\.[A-Za-z_][A-Za-z0-9_]*)+)\s*$/;

/** ["payload", "lag"] of `event.payload.lag`; undefined for any other expression. */
export function plainPath(expression: string): string[] | undefined {
  return PLAIN.exec(expression)?.[1]?.slice(1).split(".");
}

export const samePath = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name, i) => name === b[i]);
