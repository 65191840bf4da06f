import type { FieldPath, Node } from "./expression.ts";

/** JavaScript for one node. */
export interface Emitted {
  readonly code: string;
  /** A name or literal: cheap to repeat. */
  readonly atom?: boolean;
  /** The value is always of this kind, never a failure. */
  readonly sure?: "number" | "string" | "bool" | "null" | undefined;
  /** The code reads this path and is undefined where it is missing. */
  readonly path?: string;
}

/**
 * How a field is compared with a text without making its value: `same` tells whether they are equal wherever `known` is
 * true. Undefined where there is no such way.
 */
export type TextTest = (path: FieldPath, text: string) => { readonly known: string; readonly same: string } | undefined;

/** What is shared while one expression is emitted. */
export interface Emitter {
  readonly runtime: string;
  readonly field: (path: FieldPath) => string;
  readonly textTest?: TextTest | undefined;
  readonly local: (slot: number) => string;
  /** Variables to declare in the function that is being written. */
  readonly temps: string[];
  readonly newName: () => string;
  readonly emit: (node: Node, e: Emitter) => Emitted;
}

/** Code that is never undefined: a missing field becomes its failure. */
export function settled(value: Emitted, { runtime }: Emitter): Emitted {
  if (value.path === undefined) return value;
  const { code, path } = value;
  return { code: `${runtime}.found(${code}, ${JSON.stringify(path)})` };
}

export const isTotal = (value: Emitted, kind: Emitted["sure"]): boolean => value.sure === kind;
